"""The pool of connections: bounded waits, one kind of error while the server is away.

    database = Database(lambda: endpoint.app_dsn)
    row = await database.one("user_by_email", "jane@example.org")

Queries are named; their text stands in ``sql/queries/``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import orjson

from sql.loader import QUERIES

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
WITHIN_SECONDS: Final = 1.8  # an answer of 503 within two seconds leaves this to the database
STATEMENT_SECONDS: Final = 60.0  # what nobody waits for any more is ended by the server
RETRY_SECONDS: Final = 0.05
log = logging.getLogger("sql.database")


class Unavailable(Exception):
    """The database is away, or too slow to answer; whether a commit happened may be unknown."""


class Conflict(Exception):
    """A deadlock or a serialisation failure: nothing happened, and the same may be tried again."""


_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.InternalClientError,
)
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class Database:
    """Connections are made when they are needed, with whatever address is current then."""

    def __init__(self, dsn: Callable[[], str], *, connections: int = 8) -> None:
        self._dsn = dsn
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def one(self, name: str, *args: Any) -> "asyncpg.Record | None":
        """The first row of a named query. Raises Unavailable."""
        return await self._read(lambda c: c.fetchrow(QUERIES[name], *args))

    async def all(self, name: str, *args: Any) -> "Sequence[asyncpg.Record]":
        """All rows of a named query. Raises Unavailable."""
        return await self._read(lambda c: c.fetch(QUERIES[name], *args))

    async def execute(self, name: str, *args: Any) -> None:
        """A named query without rows. Raises Unavailable; then it may have happened or not."""
        async with self.connection() as connection:
            await connection.execute(QUERIES[name], *args)

    @asynccontextmanager
    async def connection(self, *, within: float = WITHIN_SECONDS) -> AsyncIterator[Connection]:
        """One's own for ``within`` seconds at most. Raises Unavailable, Conflict."""
        try:
            async with asyncio.timeout(within):
                connection = await self._acquire()
                try:
                    yield connection
                finally:
                    await self._release(connection)
        except _AGAIN as error:
            raise Conflict(type(error).__name__) from error
        except _AWAY as error:
            raise Unavailable(type(error).__name__) from error
        except asyncpg.InterfaceError as error:
            if "clos" not in str(error):  # "connection is closed": the rest are mistakes of ours
                raise
            raise Unavailable(type(error).__name__) from error

    @asynccontextmanager
    async def transaction(self, *, within: float = WITHIN_SECONDS) -> AsyncIterator[Connection]:
        """The same inside a transaction. Unavailable: whether it was committed is unknown."""
        async with self.connection(within=within) as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Close every connection; those in use are cut."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        """Reading twice harms nobody: a connection that went stale in the pool costs no error."""
        try:
            async with self.connection() as connection:
                return await query(connection)
        except Unavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
        async with self.connection() as connection:
            return await query(connection)

    async def _acquire(self) -> Connection:
        """Retries while the server refuses; the caller's deadline ends it."""
        pool = self._pool or await self._open()
        while True:
            try:
                return await pool.acquire()
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(RETRY_SECONDS)

    async def _release(self, connection: Connection) -> None:
        """Give it back; cut it when it does not come to rest."""
        pool = self._pool
        if pool is None:
            return
        try:
            await pool.release(connection, timeout=1.0)
        except (*_AWAY, asyncpg.InterfaceError):
            log.warning("a connection broke while it was given back")

    async def _open(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                connect=self._connect,
                init=_with_json,
                min_size=0,
                max_size=self._connections,
                max_inactive_connection_lifetime=300.0,
            )
            await self._pool
        return self._pool

    async def _connect(self, *_: Any, **options: Any) -> Any:
        """Called by the pool for each new connection: with the address of now."""
        settings = {
            "application_name": "rendertrust",
            "statement_timeout": str(int(STATEMENT_SECONDS * 1000)),
            "timezone": "UTC",
        }
        options.pop("dsn", None)
        options["server_settings"] = settings
        return await asyncpg.connect(self._dsn(), timeout=WITHIN_SECONDS, **options)


async def _with_json(connection: Any) -> None:
    """jsonb comes and goes as Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )
