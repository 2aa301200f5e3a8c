"""The invariants of the books, as queries that find what breaks them."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import attrs
from asyncpg.pool import PoolConnectionProxy

from sql.loader import QUERIES

FINDINGS_MAX: Final = 1000  # of each invariant; more tell nothing new
BOOKS_BROKEN: Final = frozenset({"I1", "I2"})  # with one of these nothing more may be posted


@attrs.frozen
class Finding:
    """One violation of an invariant: where, and what was found."""

    invariant: str  # 'I1' …
    subject: str
    found: str


async def run_fsck(
    connection: "asyncpg.Connection[Any] | PoolConnectionProxy[Any]",
) -> Sequence[Finding]:
    """Every violation of I1 to I5, I9 and I11, over one snapshot; it changes and blocks nothing."""
    findings: list[Finding] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(QUERIES["fsck_unhurried"])
        for name in sorted(name for name in QUERIES if name.startswith("fsck_i")):
            invariant = name.split("_")[1].upper()
            rows = await connection.fetch(QUERIES[name], FINDINGS_MAX)
            findings += [Finding(invariant, row["subject"], row["found"]) for row in rows]
    return findings
