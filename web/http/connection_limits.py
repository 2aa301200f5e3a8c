"""Limits on open connections and running requests, in total and per address."""

from collections import Counter as Sums
from typing import Final

from aiohttp import web
from prometheus_client import Counter, Gauge

from config.settings import Server

CONNECTIONS: Final = Gauge("rendertrust_connections", "Connections that are open.")
REFUSED: Final = Counter(
    "rendertrust_connections_refused",
    "Connections and requests refused because of a limit, per address or in total.",
    ["bound"],
)
FILES_KEPT: Final = 256  # open files that are not clients: the database, the store, the log


class ConnectionSlot:
    """A place within the limit of one address; leaving it more than once has no effect."""

    __slots__ = ("_crowd", "_subject")

    def __init__(self, crowd: "ConnectionLimits", subject: str) -> None:
        self._crowd: ConnectionLimits | None = crowd
        self._subject = subject

    def leave(self) -> None:
        crowd, self._crowd = self._crowd, None
        if crowd is not None:
            crowd.left(self._subject)


SEAT: Final = web.RequestKey("seat", ConnectionSlot)


class ConnectionLimits:
    """Counts of open connections and seats. Node sockets are counted by the relay once established.

    ``files`` is the limit of open files; accepting more would stop accepting for a second.
    """

    def __init__(self, settings: Server, files: int) -> None:
        self._most = max(1, min(settings.connections, files - FILES_KEPT))
        self._most_of_one = settings.connections_per_address
        self._open = 0
        self._seats: Sums[str] = Sums()

    def open(self) -> bool:
        """Count a new connection, refused ones too; return False if it exceeds the total limit."""
        self._open += 1
        CONNECTIONS.set(self._open)
        return self._open <= self._most or self._refuse("gateway")

    def closed(self) -> None:
        """Count a closed connection."""
        self._open -= 1
        CONNECTIONS.set(self._open)

    def seat(self, subject: str) -> ConnectionSlot | None:
        """Return a seat for the address; None if it has too many."""
        if self._seats[subject] >= self._most_of_one:
            self._refuse("address")
            return None
        self._seats[subject] += 1
        return ConnectionSlot(self, subject)

    def left(self, subject: str) -> None:
        """Free a seat."""
        self._seats[subject] -= 1
        if not self._seats[subject]:
            del self._seats[subject]

    @staticmethod
    def _refuse(bound: str) -> bool:
        REFUSED.labels(bound).inc()
        return False
