"""The connection pool, with bounded waits and a class for each kind of error.

    database = Database(lambda: endpoint.app_dsn)
    row = await database.one("user_by_email", "jane@example.org")

Queries are named; their texts are in ``sql/queries/``. jsonb is converted to Python values.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import attrs
import orjson

from sql.query_loader import QUERIES, READS

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
WITHIN_SECONDS = 1.8  # the web then has time for a 503 within two seconds
STATEMENT_SECONDS: Final = 60.0  # the server ends statements that run longer
# A client that disappears within a transaction must not keep its locks. Other clients wait up to
# 1.8 s for the locks, while healthy transactions take milliseconds.
IDLE_SECONDS = 1.5
# This limit also ends transactions whose client disappeared between a statement's text and its
# values: PostgreSQL considers that client neither idle nor within a statement. Waiting clients have
# given up before this.
TRANSACTION_SECONDS = 2.0
# How often the server checks whether the client of a statement is still connected.
CHECK_SECONDS: Final = 1.0
# Idle connections that are lent again without the pool. The pool takes 50 µs of CPU to lend one, as
# it ends each loan in a separate task.
KEPT_MAX: Final = 2
INACTIVE_SECONDS: Final = 300.0  # an idle connection is then closed: a router may have dropped it
RETRY_SECONDS: Final = 0.05  # between two attempts to open a connection
SNAPSHOT: Final[dict[str, Any]] = {"isolation": "repeatable_read", "readonly": True}
_NOT_YET = (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
AWAY = (
    OSError,  # connection refused or reset, no such socket; includes TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timed out
    asyncpg.InsufficientResourcesError,  # too many connections, disk or memory full
    asyncpg.ReadOnlySQLTransactionError,  # a standby answers
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InternalClientError,  # the protocol exchange was interrupted
)
AGAIN = (
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # the schema has changed
)
DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class Unavailable(Exception):
    """The database is down or too slow. A single statement may still have taken effect."""


class AnswerLost(Unavailable):
    """COMMIT was sent, but no answer came: it is unknown whether the transaction was committed."""


class Conflict(Exception):
    """A deadlock or similar: nothing was changed; the caller may try again."""


class Mismatch(Conflict):
    """The stored rows do not match the write: another transaction was faster, or the write can
    never succeed.

    ``part``: the part of a combined write that found other rows than expected, if known.
    """

    def __init__(self, message: str, part: str | None = None) -> None:
        super().__init__(message)
        self.part = part


class Refused(Exception):
    """The database refuses the data (CHECK, foreign key, range, characters): a caller's bug."""


def away(error: BaseException) -> bool:
    """Return True if ``error`` means that the database is down."""
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg has one class for these: "connection is closed", "pool is closing" and "has been
        # released back to the pool" (the connection broke). All other errors of the class are bugs
        # of ours, such as arguments of a wrong type.
        gone = "clos" in str(error) or "released" in str(error)
        return gone and not isinstance(error, ValueError)
    return isinstance(error, AWAY)


def refused(error: Exception) -> bool:
    """Return True if the database, or asyncpg before it, rejects the data of a statement."""
    client = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    return client or isinstance(error, DATA)


@attrs.frozen
class PoolUse:
    """The number of open connections, the number of connections in use, and the limit."""

    open: int
    busy: int
    most: int


class Database:
    """A pool of connections, which are opened on demand to the server's current address.

    While the server is down every method raises Unavailable within two seconds, and works again
    once the server is back. A read-only query is repeated once if its connection breaks; a write
    never is.
    """

    def __init__(self, dsn: Callable[[], str], *, connections: int = 8) -> None:
        self._dsn = dsn
        self._connections = connections
        self._pool: Pool | None = None
        self._closed = False
        self._kept: list[tuple[Connection, float]] = []  # each with the time of its last use
        self._expired = 0  # how often all connections have expired
        self._acquiring = 0  # callers that wait for the pool
        self._is_refused = False  # the newest attempt to open a connection failed
        self._retrying = asyncio.Lock()

    async def one(self, name: str, *args: Any) -> "asyncpg.Record | None":
        """Return the first row of a named query. Raises Unavailable."""
        return await self._ask(name, lambda c: c.fetchrow(QUERIES[name], *args))

    async def all(self, name: str, *args: Any) -> "Sequence[asyncpg.Record]":
        """Return all rows of a named query. Raises Unavailable."""
        return await self._ask(name, lambda c: c.fetch(QUERIES[name], *args))

    async def row(self, kind: Callable[..., T], name: str, *args: Any) -> T | None:
        """Return the first row of a named query as ``kind``. Raises Unavailable."""
        row = await self.one(name, *args)
        return None if row is None else kind(**row)

    async def only(self, kind: Callable[..., T], name: str, *args: Any) -> T:
        """Return the row of a named query that always has one, as ``kind``. Raises Unavailable."""
        row = await self.row(kind, name, *args)
        assert row is not None, f"{name} has a row"
        return row

    async def rows(self, kind: Callable[..., T], name: str, *args: Any) -> list[T]:
        """Return all rows of a named query, each as ``kind``. Raises Unavailable."""
        return [kind(**row) for row in await self.all(name, *args)]

    async def number(self, name: str, *args: Any) -> int:
        """Return the first value of the first row of a named query; 0 if there is no row.

        Raises Unavailable.
        """
        row = await self.one(name, *args)
        return 0 if row is None else int(row[0])

    async def execute(self, name: str, *args: Any) -> None:
        """Run a named query that returns no rows.

        After Unavailable it is unknown whether the query took effect.
        """
        await self._ask(name, lambda c: c.execute(QUERIES[name], *args))

    async def check(self) -> None:
        """Raise Unavailable unless a query succeeds now."""
        await self.one("database_answers")

    def pool_use(self) -> PoolUse:
        """Return the pool's current use."""
        if self._pool is None:
            return PoolUse(0, 0, self._connections)
        size, idle = self._pool.get_size(), self._pool.get_idle_size() + len(self._kept)
        return PoolUse(size, size - idle, self._connections)

    @asynccontextmanager
    async def connection(self, *, within: float | None = None) -> AsyncGenerator[Connection]:
        """Yield a connection for at most ``within`` seconds (None: ``WITHIN_SECONDS``).

        Raises Unavailable, Conflict.
        """
        try:
            async with asyncio.timeout(WITHIN_SECONDS if within is None else within):
                connection = await self._acquire()
                async with self._returned_at_exit(connection):
                    yield connection
        except AGAIN as error:
            raise Conflict(type(error).__name__) from error
        except Exception as error:
            if away(error):
                raise Unavailable(type(error).__name__) from error
            raise

    @asynccontextmanager
    async def transaction(
        self, *, within: float | None = None, snapshot: bool = False
    ) -> AsyncGenerator[Connection]:
        """Yield a connection in a transaction.

        After AnswerLost it is unknown whether the transaction was committed. After Unavailable the
        transaction was not committed. With ``snapshot`` all reads see one moment, and writes are
        not possible.
        """
        ended = False
        try:
            async with self.connection(within=within) as connection:
                transaction = connection.transaction(**SNAPSHOT if snapshot else {})
                await transaction.start()
                try:
                    if within is not None and within > WITHIN_SECONDS:
                        lasts = QUERIES["database_transaction_lasts"]
                        await connection.fetchrow(lasts, _ms(within))
                    yield connection
                except Exception as error:
                    # Do not send ROLLBACK over a broken or silent connection: its answer would be
                    # waited for. Closing the socket also ends the transaction.
                    if not away(error):
                        await transaction.rollback()
                    raise
                ended = True
                await transaction.commit()
        except Unavailable as error:
            if ended:
                raise AnswerLost(str(error)) from error
            raise

    async def open_unpooled(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Open a connection outside the pool, for a listener or for locks; the caller closes it.

        Raises asyncpg's errors, and Unavailable if the database is closed.
        """
        if self._closed:
            raise Unavailable("closed")
        connection: asyncpg.Connection[asyncpg.Record] = await self._connect()
        return connection

    async def close(self) -> None:
        """Close every connection for good, including those in use."""
        self._closed = True
        pool, self._pool = self._pool, None
        self._kept.clear()
        if pool is not None:
            pool.terminate()

    async def _ask(self, name: str, query: Callable[[Connection], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITHIN_SECONDS
        try:
            async with self.connection() as connection:
                return await query(connection)
        except Unavailable:
            # A read may be repeated, so stale connections in the pool cause no error.
            if name not in READS or self._pool is None or loop.time() >= deadline:
                raise
        await self._expire()
        async with self.connection(within=deadline - loop.time()) as connection:
            return await query(connection)

    async def _acquire(self) -> Connection:
        """Return a kept connection, or one of the pool."""
        pool = self._pool or await self._open()
        while self._kept:
            connection, used_at = self._kept.pop()
            is_recent = asyncio.get_running_loop().time() < used_at + INACTIVE_SECONDS
            if is_recent and _is_usable(connection):
                return connection
            await _close(pool, connection)
        self._acquiring += 1
        try:
            return await self._acquire_from(pool)
        finally:
            self._acquiring -= 1

    async def _acquire_from(self, pool: Pool) -> Connection:
        """Acquire a connection; retry while the server refuses, within the caller's deadline.

        After a refusal, one caller at a time tries again, so that many callers do not besiege a
        server that is starting.
        """
        while True:
            if not self._is_refused:
                try:
                    return await pool.acquire()
                except _NOT_YET:
                    self._is_refused = True
            async with self._retrying:
                if not self._is_refused:
                    continue
                try:
                    connection = await pool.acquire()
                except _NOT_YET:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._is_refused = False
                    return connection

    @asynccontextmanager
    async def _returned_at_exit(self, connection: Connection) -> AsyncGenerator[None]:
        """Return the connection at exit; close it if its state is unknown."""
        expired = self._expired
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception) or away(error):
                _terminate(connection)
            raise
        finally:
            if self._pool is not None:
                is_current = expired == self._expired
                await self._return(self._pool, connection, is_current=is_current)

    async def _return(self, pool: Pool, connection: Connection, *, is_current: bool) -> None:
        """Keep the connection, unless it has expired or broken, or others wait for one."""
        is_wanted = is_current and not self._acquiring and len(self._kept) < KEPT_MAX
        if is_wanted and _is_usable(connection):
            self._kept.append((connection, asyncio.get_running_loop().time()))
        else:
            await pool.release(connection)

    async def _expire(self) -> None:
        """Close all idle connections, and those in use once they are returned to the pool."""
        pool, kept, self._kept = self._pool, self._kept, []
        if pool is None:
            return
        self._expired += 1
        await pool.expire_connections()
        for connection, _ in kept:
            await _close(pool, connection)

    async def _open(self) -> Pool:
        if self._closed:
            raise Unavailable("closed")
        if self._pool is None:  # creating the pool does not block: it opens no connections yet
            self._pool = await asyncpg.create_pool(
                connect=self._connect,
                init=_made,
                reset=_unchanged,
                min_size=0,
                max_size=self._connections,
                max_inactive_connection_lifetime=INACTIVE_SECONDS,
            )
        return self._pool

    async def _connect(self, *_: Any, **options: Any) -> Any:
        """Open a connection to the current address, for the pool."""
        settings = {
            "application_name": "rendertrust",
            # Use generic plans: planning each small batch would cost as much as running it.
            "plan_cache_mode": "force_generic_plan",
            # Do not choose a scan of a whole table because it was small when the query was planned.
            "enable_seqscan": "off",
            # Without table scans, plans look expensive, and PostgreSQL would spend seconds
            # compiling them.
            "jit": "off",
            "statement_timeout": _ms(STATEMENT_SECONDS),
            "idle_in_transaction_session_timeout": _ms(IDLE_SECONDS),
            "timezone": "UTC",
        }
        options.pop("dsn", None)
        options |= {
            "server_settings": settings,
            # Statements stay prepared, however long they are: to prepare a combined write takes
            # longer than to run it.
            "max_cacheable_statement_size": 0,
            "max_cached_statement_lifetime": 0,
        }
        return await asyncpg.connect(self._dsn(), timeout=WITHIN_SECONDS, **options)


@lru_cache(maxsize=256)
def names_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of a class's fields, which are columns of its rows."""
    return tuple(field.name for field in attrs.fields(kind))


def row_as(kind: Callable[..., T], row: Any) -> T:
    """Return an object of the class ``kind`` from the columns of its fields."""
    return kind(**{name: row[name] for name in names_of(kind)})


class Table:
    """Base class for the queries about one kind of row.

    Methods raise Unavailable while the database is down.
    """

    def __init__(self, database: Database) -> None:
        self._database = database


def _terminate(connection: Connection) -> None:
    """Close a connection without a word to the server."""
    with suppress(asyncpg.InterfaceError):  # it broke, and has left the pool
        connection.terminate()


async def _close(pool: Pool, connection: Connection) -> None:
    """Close a connection, so that the pool can open another in its place."""
    _terminate(connection)
    await pool.release(connection)


def _is_usable(connection: Connection) -> bool:
    """Return True if another caller can use the connection."""
    try:
        return not (connection.is_closed() or connection.is_in_transaction())
    except asyncpg.InterfaceError:  # it broke, and has left the pool
        return False


async def _unchanged(_: object) -> None:
    """Do nothing when a connection is returned to the pool: no query changes its settings."""


async def _made(connection: Any) -> None:
    """Set up a new connection: jsonb as Python values, and a time limit for transactions."""
    await connection.fetchrow(QUERIES["database_connection_lasts"], _ms(TRANSACTION_SECONDS))
    with suppress(asyncpg.InvalidParameterValueError):  # not supported on some systems
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


def as_stored(value: Any) -> Any:
    """Return a JSON value as a jsonb column returns it.

    The database writes numbers without exponents, so 1e17 is read as a whole number; it keeps no
    sign of zero.
    """
    if isinstance(value, dict):
        members: dict[str, Any] = value
        return {name: as_stored(one) for name, one in members.items()}
    if isinstance(value, list):
        items: list[Any] = value
        return [as_stored(one) for one in items]
    if not isinstance(value, float):
        return value
    return orjson.loads(f"{Decimal(orjson.dumps(value + 0.0).decode()):f}")


def _encode_json(value: Any) -> bytes:
    return b"\x01" + orjson.dumps(value)  # format version 1, then text


def _decode_json(data: bytes) -> Any:
    return orjson.loads(data[1:])
