"""Totals over all users: jobs, nodes, holds and checks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from rendertrust.job_status import OPEN
from sql.database import Database
from sql.earnings import WITHHELD_MOST

NODES: Final = ("REGISTERED", "HEALTHY", "UNHEALTHY", "OFFLINE")


@attrs.frozen
class ChecksWaiting:
    """Deliveries that wait for a verdict; ``oldest``: the longest wait in seconds.

    ``overdue``: how many of the oldest 1,000 have waited for over a minute and over ten times as
    long as their node took. ``withheld``: shares that have waited 30 days for a check.
    """

    waiting: int
    oldest: float
    overdue: int
    withheld: int


@attrs.frozen
class VerifierRow:
    """A verifier as its gateway recorded it at ``seen_at``; see ``VerifierLoad``."""

    node_id: UUID
    name: str
    device_class: str
    cores: int | None
    checking: int
    load: float
    seen_at: datetime


@attrs.frozen
class GatewayTotals:
    """One reading of the totals. ``held`` is in units of money."""

    jobs: Mapping[str, int]  # open jobs, by status
    nodes: Mapping[str, int]  # nodes, by status
    holds: int
    held: int
    checks: ChecksWaiting


async def read_totals(database: Database) -> GatewayTotals:
    """Read the totals. Raises ``sql.database.Unavailable``."""
    jobs = await database.all("totals_jobs")
    nodes = await database.all("totals_nodes")
    holds = await database.one("totals_holds")
    assert holds is not None, "an aggregate has one row"
    return GatewayTotals(
        jobs=dict.fromkeys(OPEN, 0) | {row["name"]: row["count"] for row in jobs},
        nodes=dict.fromkeys(NODES, 0) | {row["name"]: row["count"] for row in nodes},
        holds=holds["count"],
        held=holds["amount"],
        checks=await read_checks(database),
    )


async def read_checks(database: Database) -> ChecksWaiting:
    """Read the totals of checks. Raises ``sql.database.Unavailable``."""
    return await database.only(ChecksWaiting, "totals_checks", WITHHELD_MOST)


async def read_verifiers(database: Database, within: float) -> Sequence[VerifierRow]:
    """Return the verifiers that any gateway has recorded within so many seconds, by name.

    Raises ``sql.database.Unavailable``.
    """
    return await database.rows(VerifierRow, "totals_verifiers", within)
