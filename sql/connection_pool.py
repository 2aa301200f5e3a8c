"""Open connections of one process to the database, lent to one user each.

A returned connection is lent again first, so that a process with little to do keeps one server
process busy, whose caches are warm.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
IDLE_SECONDS_MOST: Final = 300.0  # a connection that nobody has used for so long is closed


class ConnectionPool:
    """Opens at most ``most`` connections, on demand, by ``connect``."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], most: int) -> None:
        self._connect = connect
        self._most = most
        self._opening = 0
        self._lent: set[Connection] = set()
        self._free: list[tuple[Connection, float]] = []  # with the time of their return
        # Users that wait; each gets a connection, or None once it may open one.
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()

    @property
    def size(self) -> int:
        """The number of connections, including those that are being opened."""
        return self.busy + len(self._free)

    @property
    def busy(self) -> int:
        """The number of connections that are lent or being opened."""
        return self._opening + len(self._lent)

    async def acquire(self) -> Connection:
        """Borrow a connection; wait while all are lent. Raises the errors of ``connect``."""
        while True:
            connection = self._take()
            if connection is None and self.size < self._most:
                connection = await self._open()
            if connection is None:
                connection = await self._wait()
            if connection is not None:
                self._lent.add(connection)
                return connection

    def release(self, connection: Connection) -> None:
        """Return a connection; if it is closed, another user may open one instead."""
        self._lent.discard(connection)
        if connection.is_closed():
            self._wake(None)
        elif not self._wake(connection):
            now = asyncio.get_running_loop().time()
            self._free.append((connection, now))
            oldest, since = self._free[0]
            if now - since > IDLE_SECONDS_MOST:
                del self._free[0]
                oldest.terminate()

    def expire(self) -> None:
        """Close all connections that are not lent."""
        free, self._free = self._free, []
        for connection, _ in free:
            connection.terminate()

    def terminate(self) -> None:
        """Close all connections, including those that are lent."""
        self.expire()
        for connection in tuple(self._lent):
            connection.terminate()
        while self._wake(None):
            pass

    def _take(self) -> "Connection | None":
        while self._free:
            connection, _ = self._free.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _open(self) -> Connection:
        self._opening += 1
        try:
            connection = await self._connect()
        except BaseException:
            self._opening -= 1
            self._wake(None)
            raise
        self._opening -= 1
        return connection

    async def _wait(self) -> "Connection | None":
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it got something that it cannot use
                connection = waiter.result()
                if connection is None:
                    self._wake(None)
                else:
                    self.release(connection)
            raise

    def _wake(self, connection: "Connection | None") -> bool:
        """Give the connection to the user that has waited longest; False if nobody waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False
