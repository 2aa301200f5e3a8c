"""The pool of connections: bounded waits, one kind of error while the server is away.

    database = Database(lambda: endpoint.app_dsn)
    row = await database.one("user_by_email", "jane@example.org")

Queries are named; their text stands in ``sql/queries/``. jsonb comes and goes as Python values.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import attrs
import orjson

from sql.errors import AGAIN, AnswerLost, Conflict, Mismatch, Refused, Unavailable, away
from sql.query_loader import QUERIES, READS

__all__ = ["AnswerLost", "Conflict", "Connection", "Database", "Mismatch", "Refused", "Unavailable"]

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
WITHIN_SECONDS: Final = 1.8  # an answer of 503 within two seconds leaves this to the database
STATEMENT_SECONDS: Final = 60.0  # what nobody waits for any more is ended by the server
# A client that vanished in a transaction without a word must not keep what it locked: others wait
# 1.8 s for that. The living take milliseconds.
IDLE_SECONDS: Final = 1.5
# To the server who vanished within a statement, between its text and its values, is not idle, and
# what runs too long is ended only when it runs. Whoever waits has given up before.
TRANSACTION_SECONDS: Final = 2.0
# How often the server asks whether the client of a statement is still there.
CHECK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.05
SNAPSHOT: Final[dict[str, Any]] = {"isolation": "repeatable_read", "readonly": True}
_NOT_YET = (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


@attrs.frozen
class PoolUse:
    """Connections: how many are open, how many of these are in use, how many there may be."""

    open: int
    busy: int
    most: int


class Database:
    """Connections are made when they are needed, with whatever address is current then.

    While the server is away every method raises Unavailable within two seconds, and works again
    when it is back. A query that only reads is asked once more when its connection breaks; one
    that writes never is.
    """

    def __init__(self, dsn: Callable[[], str], *, connections: int = 8) -> None:
        self._dsn = dsn
        self._connections = connections
        self._pool: Pool | None = None
        self._closed = False

    async def one(self, name: str, *args: Any) -> "asyncpg.Record | None":
        """The first row of a named query. Raises Unavailable."""
        return await self._ask(name, lambda c: c.fetchrow(QUERIES[name], *args))

    async def all(self, name: str, *args: Any) -> "Sequence[asyncpg.Record]":
        """All rows of a named query. Raises Unavailable."""
        return await self._ask(name, lambda c: c.fetch(QUERIES[name], *args))

    async def execute(self, name: str, *args: Any) -> None:
        """A named query without rows. Raises Unavailable; then it may have happened or not."""
        await self._ask(name, lambda c: c.execute(QUERIES[name], *args))

    async def check(self) -> None:
        """Raise Unavailable unless a query works now."""
        await self.one("database_answers")

    def pool_use(self) -> PoolUse:
        """A reading of the pool."""
        if self._pool is None:
            return PoolUse(0, 0, self._connections)
        size = self._pool.get_size()
        return PoolUse(size, size - self._pool.get_idle_size(), self._connections)

    @asynccontextmanager
    async def connection(self, *, within: float = WITHIN_SECONDS) -> AsyncGenerator[Connection]:
        """One's own for ``within`` seconds at most. Raises Unavailable, Conflict."""
        try:
            async with asyncio.timeout(within):
                connection = await self._acquire()
                async with self._given_back(connection):
                    yield connection
        except AGAIN as error:
            raise Conflict(type(error).__name__) from error
        except Exception as error:
            if away(error):
                raise Unavailable(type(error).__name__) from error
            raise

    @asynccontextmanager
    async def transaction(
        self, *, within: float = WITHIN_SECONDS, snapshot: bool = False
    ) -> AsyncGenerator[Connection]:
        """The same inside a transaction. AnswerLost: whether it was committed is unknown.

        Unavailable otherwise: it was not. With a ``snapshot`` all that it reads is of one moment,
        and it cannot write.
        """
        ended = False
        try:
            async with self.connection(within=within) as connection:
                transaction = connection.transaction(**SNAPSHOT if snapshot else {})
                await transaction.start()
                try:
                    if within > WITHIN_SECONDS:
                        lasts = QUERIES["database_transaction_lasts"]
                        await connection.fetchrow(lasts, _ms(within))
                    yield connection
                except Exception as error:
                    # Nothing more is said over a connection that broke, or on which nobody answers:
                    # the answer would be waited for. It is cut, which ends the transaction too.
                    if not away(error):
                        await transaction.rollback()
                    raise
                ended = True
                await transaction.commit()
        except Unavailable as error:
            if ended:
                raise AnswerLost(str(error)) from error
            raise

    async def apart(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection outside the pool, for one who listens; the caller ends it.

        Raises what asyncpg raises.
        """
        if self._closed:
            raise Unavailable("closed")
        connection: asyncpg.Connection[asyncpg.Record] = await self._connect()
        return connection

    async def close(self) -> None:
        """Close every connection for good; those in use are cut."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _ask(self, name: str, query: Callable[[Connection], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITHIN_SECONDS
        try:
            async with self.connection() as connection:
                return await query(connection)
        except Unavailable:
            # Reading twice harms nobody: connections that went stale in the pool cost no error.
            if name not in READS or self._pool is None or loop.time() >= deadline:
                raise
        await self._pool.expire_connections()
        async with self.connection(within=deadline - loop.time()) as connection:
            return await query(connection)

    async def _acquire(self) -> Connection:
        """Retries while the server refuses; the caller's deadline ends it."""
        pool = self._pool or await self._open()
        while True:
            try:
                return await pool.acquire()
            except _NOT_YET:
                await asyncio.sleep(RETRY_SECONDS)

    @asynccontextmanager
    async def _given_back(self, connection: Connection) -> AsyncGenerator[None]:
        """Afterwards it is back in the pool, or cut where its state is not known."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception) or away(error):
                with suppress(asyncpg.InterfaceError):  # it broke, and is gone from the pool
                    connection.terminate()
            raise
        finally:
            if self._pool is not None:
                await self._pool.release(connection)

    async def _open(self) -> Pool:
        if self._closed:
            raise Unavailable("closed")
        if self._pool is None:  # nothing waits here: there are no connections to make yet
            self._pool = await asyncpg.create_pool(
                connect=self._connect,
                init=_made,
                reset=_unchanged,
                min_size=0,
                max_size=self._connections,
                max_inactive_connection_lifetime=300.0,
            )
        return self._pool

    async def _connect(self, *_: Any, **options: Any) -> Any:
        """Called by the pool for each new connection: with the address of now."""
        settings = {
            "application_name": "rendertrust",
            # A plan for any arguments: making one for each small batch costs as much as the batch.
            "plan_cache_mode": "force_generic_plan",
            # Nor one that reads a table whole, because it was small when the plan was made.
            "enable_seqscan": "off",
            # With that, plans count as expensive, and PostgreSQL would compile each for seconds.
            "jit": "off",
            "statement_timeout": _ms(STATEMENT_SECONDS),
            "idle_in_transaction_session_timeout": _ms(IDLE_SECONDS),
            "timezone": "UTC",
        }
        options.pop("dsn", None)
        options["server_settings"] = settings
        return await asyncpg.connect(self._dsn(), timeout=WITHIN_SECONDS, **options)


async def _unchanged(_: object) -> None:
    """Saves a round trip at each return: no query of ours changes a connection's settings."""


async def _made(connection: Any) -> None:
    """A new connection: jsonb comes and goes as Python values, and no transaction lasts."""
    await connection.fetchrow(QUERIES["database_connection_lasts"], _ms(TRANSACTION_SECONDS))
    with suppress(asyncpg.InvalidParameterValueError):  # some systems cannot
        await connection.fetchrow(QUERIES["database_connection_checks"], _ms(CHECK_SECONDS))
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=_encode_json,
        decoder=_decode_json,
    )


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))


def _encode_json(value: Any) -> bytes:
    return b"\x01" + orjson.dumps(value)  # the version of the format, and text


def _decode_json(data: bytes) -> Any:
    return orjson.loads(data[1:])
