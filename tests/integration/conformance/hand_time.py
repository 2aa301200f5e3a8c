"""PostgreSQL databases whose time is set by a test's hand clock."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import UUID

import attrs

from sql.books import BooksTransaction, Changes, Keys, ReadBooks, Rows
from sql.database import Connection, Database
from sql.halts import Halts, UnreadableHead
from sql.store import BOOKS_SECONDS, SqlStore
from tests.integration.conformance.stage import HandClock

# Functions that hide PostgreSQL's own if this schema is before pg_catalog in the search path.
HAND_TIME: Final = """
CREATE SCHEMA hand;
GRANT USAGE ON SCHEMA hand TO PUBLIC;
CREATE FUNCTION hand.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('hand.now')::timestamptz $$;
CREATE FUNCTION hand.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('hand.now')::timestamptz $$;
"""
TELL: Final = """SELECT set_config('search_path', 'hand, pg_catalog, public', false),
                        set_config('hand.now', $1, false)"""


# A gateway gives up after two seconds; a busy machine may need more time for a statement.
HANG_SECONDS: Final = 60.0


class HandDatabase(Database):
    """Database whose connections get the hand clock's time when they leave the pool.

    Its statements may take up to HANG_SECONDS.
    """

    def __init__(self, dsn: Callable[[], str], clock: HandClock | None = None, **more: Any) -> None:
        super().__init__(dsn, **more)
        self.clock = clock or HandClock()

    async def _acquire(self) -> Connection:
        connection = await super()._acquire()
        await connection.fetchrow(TELL, self.clock.now().isoformat())
        return connection

    @asynccontextmanager
    async def connection(self, *, within: float | None = None) -> AsyncGenerator[Connection]:
        async with super().connection(within=max(within or 0.0, HANG_SECONDS)) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(
        self, *, within: float | None = None, snapshot: bool = False
    ) -> AsyncGenerator[Connection]:
        longer = max(within or 0.0, HANG_SECONDS)
        async with super().transaction(within=longer, snapshot=snapshot) as connection:
            yield connection


class HandHalts(Halts):
    """Halts of one gateway whose checkpoint file is unreadable while a test says so."""

    def __init__(self, database: Database) -> None:
        self._unreadable: UnreadableHead | None = None
        super().__init__(database, chain=False, seen=lambda: self._unreadable)

    def halt(self, is_halted: bool) -> None:
        """Begin or end the halt."""
        self._unreadable = UnreadableHead("a test says so") if is_halted else None
        self._stale_at = 0.0


class HandStore(SqlStore):
    """Store over a database with real time, which writes the hand clock's time to the books."""

    def __init__(self, database: Database, clock: HandClock, halts: Halts) -> None:
        super().__init__(database, halts)
        self._clock = clock

    def transaction(
        self, *, within: float = BOOKS_SECONDS
    ) -> AbstractAsyncContextManager[BooksTransaction]:
        return self._by_hand(super().transaction(within=within))

    async def read_books(
        self, keys: Keys, shard: int, *, from_database: bool = False
    ) -> ReadBooks | None:
        found = await super().read_books(keys, shard, from_database=from_database)
        if found is not None:
            found.rows.now = self._clock.now()
        return found

    @asynccontextmanager
    async def _by_hand(
        self, transaction: AbstractAsyncContextManager[BooksTransaction]
    ) -> AsyncGenerator[BooksTransaction]:
        async with transaction as books:
            yield _HandBooks(books, self._clock)


@attrs.frozen
class _HandBooks:
    books: BooksTransaction
    clock: HandClock

    async def lock(self, keys: Keys) -> Rows:
        rows = await self.books.lock(keys)
        rows.now = self.clock.now()
        return rows

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        return await self.books.write(changes)

    async def last_batch(self, ledger: UUID) -> int:
        return await self.books.last_batch(ledger)

    async def numbers(self, changes: Changes) -> Mapping[UUID, int]:
        return await self.books.numbers(changes)
