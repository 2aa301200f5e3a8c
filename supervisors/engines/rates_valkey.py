"""Counters for rate limits that several gateways share, in Valkey or Redis."""

from collections.abc import Callable
from typing import Final

from limits.aio.storage import RedisStorage
from redis import asyncio as aioredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError  # noqa: A004 - redis has its own

from supervisors.engines import valkey
from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted
from supervisors.engines.valkey import ValkeyEndpoint

PREFIX: Final = "rendertrust:rates"
CONNECTIONS_MAX: Final = 32
# Requests wait for the answer; it is better to count without the other gateways for a while than to
# wait.
ANSWER_SECONDS: Final = 0.3
REMEMBERED_MAX: Final = 100_000
ROUNDING_SECONDS: Final = 0.5  # the server rounds the remaining time of a window to whole seconds
AWAY: Final = (*valkey.AWAY, NotStarted)


class SharedCounters(RedisStorage):
    """Counters of a rate limiter: one atomic script per request.

    The count and the end of the window are cached from the last answer, so reading them costs no
    round trip. A window that another gateway began is read once.
    """

    def __init__(self, pool: aioredis.ConnectionPool, now: Callable[[], float]) -> None:
        super().__init__(
            "async+redis://",
            implementation="redispy",
            key_prefix=PREFIX,
            connection_pool=pool,  # type: ignore[arg-type]  # handed on to the client as it is
        )
        self._now = now
        self._said: dict[str, tuple[int, float]] = {}

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        count = await super().incr(key, expiry, amount)
        _, ends = self._said.pop(key, (0, 0.0))
        now = self._now()
        if count == amount:
            ends = now + expiry
        elif ends <= now:
            ends = await super().get_expiry(key) + ROUNDING_SECONDS
        self._remember(key, count, ends)
        return count

    async def get(self, key: str) -> int:
        return self._said[key][0] if key in self._said else await super().get(key)

    async def get_expiry(self, key: str) -> float:
        return self._said[key][1] if key in self._said else await super().get_expiry(key)

    def _remember(self, key: str, count: int, ends: float) -> None:
        if len(self._said) >= REMEMBERED_MAX:
            del self._said[next(iter(self._said))]
        self._said[key] = (count, ends)


class SharedRates:
    """The shared counters at ``endpoint``, which may change."""

    def __init__(self, endpoint: CurrentEndpoint[ValkeyEndpoint], now: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._now = now
        self._open: tuple[ValkeyEndpoint, aioredis.ConnectionPool, SharedCounters] | None = None

    async def counters(self) -> SharedCounters:
        """Return the shared counters.

        Raises NotStarted before the server was ready for the first time.
        """
        endpoint = self._endpoint.get()
        if self._open is None or self._open[0] is not endpoint:
            await self.close()
            pool = pool_of(endpoint)
            self._open = (endpoint, pool, SharedCounters(pool, self._now))
        return self._open[2]

    async def close(self) -> None:
        """Close the connections."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened[1].aclose()


class ReconnectingConnection(AbstractConnection):
    """A connection that is reopened if it was closed while idle.

    The client's own check does not notice a reset, and the next request on such a connection would
    fail.
    """

    async def can_read(self) -> bool:
        """Return True if there is data to read.

        Raises ConnectionError if the connection has ended, so that the pool reconnects.
        """
        reader = self._reader
        if reader is not None and (reader.at_eof() or reader.exception() is not None):
            raise ConnectionError("the connection ended while it was idle")
        return await super().can_read()


class ReconnectingTcp(ReconnectingConnection, aioredis.Connection):
    """A reconnecting connection over TCP."""


class ReconnectingUnix(ReconnectingConnection, aioredis.UnixDomainSocketConnection):
    """A reconnecting connection over a unix socket."""


def pool_of(endpoint: ValkeyEndpoint) -> aioredis.ConnectionPool:
    """Return a pool with a limit on connections and without retries."""
    pool = aioredis.BlockingConnectionPool.from_url(
        endpoint.url,
        max_connections=CONNECTIONS_MAX,
        timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    is_unix = issubclass(pool.connection_class, aioredis.UnixDomainSocketConnection)
    pool.connection_class = ReconnectingUnix if is_unix else ReconnectingTcp
    return pool
