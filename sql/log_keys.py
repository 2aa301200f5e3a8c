"""The keys whose signatures on checkpoints count."""

from collections.abc import Sequence

import attrs

from sql.audit import Act, record
from sql.database import Database
from sql.query_loader import QUERIES


@attrs.frozen
class LogKeys:
    """The log's name, and the verifier keys that count for it."""

    origin: str
    verifiers: Sequence[str]


async def read_keys(database: Database) -> LogKeys | None:
    """Return the current keys; None before the log has begun. Raises Unavailable."""
    row = await database.one("log_read_head")
    return None if row is None else LogKeys(row["origin"], sorted(row["verifiers"]))


async def adopt_key(database: Database, verifier: str, act: Act) -> None:
    """Accept this key from now on, without a signature by a known key. Raises Unavailable."""
    async with database.transaction() as connection:
        await connection.execute(QUERIES["log_keys_insert"], [verifier], [act.at])
        await record(connection, act)
