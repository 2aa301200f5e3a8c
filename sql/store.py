"""The Store port over PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from sql.books import BooksTransaction
from sql.database import Conflict, Database, Refused
from sql.earnings import Claimable, Ripe
from sql.failure import refused
from sql.fsck import Finding, run_audit
from sql.log import LogTransaction, Look
from sql.sql_books import SqlBooks
from sql.sql_log import SqlLog, look
from sql.work import Lease, LeaseId, NodeRow, OpenUnit, Standing, StandingRow

BOOKS_SECONDS: Final = 1.8
LOG_SECONDS: Final = 10.0  # nobody waits for it
TURN: Final = 256  # rows between two looks at what else is to be done
AUDIT_SECONDS: Final = 300.0
AUDIT_LEAVES: Final = 200_000  # of the log, in one audit; the next one goes on after them


class SqlStore:
    """Every method raises Unavailable while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._verified = 0  # leaves of the log that an audit found right

    def transaction(
        self, *, within: float = BOOKS_SECONDS
    ) -> AbstractAsyncContextManager[BooksTransaction]:
        """Committed at exit. Unavailable: it is unknown whether it was. See the port."""
        return self._transaction(within)

    @asynccontextmanager
    async def _transaction(self, within: float) -> AsyncGenerator[BooksTransaction]:
        try:
            async with self._database.transaction(within=within) as connection:
                yield SqlBooks(connection)
        except asyncpg.UniqueViolationError as error:  # inserted since we looked
            raise Conflict(str(error)) from error
        except orjson.JSONEncodeError as error:
            raise Refused(type(error).__name__) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if refused(error):  # its text names columns and constraints; rows are in its detail
                raise Refused(f"{type(error).__name__}: {error}") from error
            raise

    @asynccontextmanager
    async def log(self) -> AsyncGenerator[LogTransaction]:
        try:
            async with self._database.transaction(within=LOG_SECONDS) as connection:
                yield SqlLog(connection)
        except asyncpg.UniqueViolationError as error:  # another gateway was faster
            raise Conflict(str(error)) from error

    async def log_look(self, limit: int) -> Look | None:
        return await look(self._database, limit)

    async def renew_leases(self, leases: Sequence[Lease]) -> frozenset[LeaseId]:
        columns = (
            [lease.job for lease in leases],
            [lease.unit for lease in leases],
            [lease.attempt for lease in leases],
            [lease.node for lease in leases],
            [lease.until for lease in leases],
        )
        rows = await self._database.all("work_renew_leases", *columns)
        return frozenset((row["job"], row["unit"], row["attempt"], row["node"]) for row in rows)

    async def audit(self, *, whole: bool = True) -> Sequence[Finding]:
        since = 0 if whole else self._verified
        async with self._database.connection(within=AUDIT_SECONDS) as connection:
            audit = await run_audit(connection, log_since=since, log_most=AUDIT_LEAVES)
        self._verified = audit.verified
        return audit.findings

    async def open_units(self) -> Sequence[OpenUnit]:
        found: list[OpenUnit] = []
        for number, row in enumerate(await self._database.all("work_open"), 1):
            found.append(_open_unit(row))
            if number % TURN == 0:  # ten thousand at a stretch would hold up everybody for 50 ms
                await asyncio.sleep(0)
        return found

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        return [_open_unit(row) for row in await self._database.all("work_open_of_node", node)]

    async def lost_units(self, now: datetime, unsent_since: datetime) -> Sequence[OpenUnit]:
        rows = await self._database.all("work_lost", now, unsent_since)
        return [_open_unit(row) for row in rows]

    async def waiting_units(self, submitted_before: datetime) -> Sequence[OpenUnit]:
        rows = await self._database.all("work_waiting", submitted_before)
        return [_open_unit(row) for row in rows]

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        rows = await self._database.all("work_healthy_nodes")
        return [_node(row) for row in rows]

    async def standings(self, since: datetime) -> Sequence[StandingRow]:
        rows = await self._database.all("work_standings", since)
        return [_standing(row) for row in rows]

    async def node_seen(self, node: UUID, at: datetime) -> None:
        await self._database.execute("work_node_seen", node, at)

    async def silence(self, now: datetime) -> Sequence[UUID]:
        rows = await self._database.all("work_silence", now)
        return [row["id"] for row in rows if row["was"] == "HEALTHY"]

    async def ripe_earnings(self, now: datetime, limit: int) -> Sequence[Ripe]:
        return [Ripe(**row) for row in await self._database.all("earnings_ripe", now, limit)]

    async def claimable_earnings(self, limit: int) -> Sequence[Claimable]:
        rows = await self._database.all("earnings_claimable", limit)
        return [Claimable(**row) for row in rows]


def _node(row: Any) -> NodeRow:
    values: dict[str, Any] = {**row, "capabilities": tuple(row["capabilities"])}
    return NodeRow(**values)


def _standing(row: Any) -> StandingRow:
    standing = Standing(row["standing"], row["standing_version"])
    return StandingRow(row["node"], row["owner"], standing, row["at"])


def _open_unit(row: Any) -> OpenUnit:
    values: dict[str, Any] = {**row, "avoid": frozenset(row["avoid"])}
    if values["state"] == "QUEUED":
        values["node"] = None  # the row keeps the node of the last attempt
    return OpenUnit(**values)
