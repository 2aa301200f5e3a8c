"""Who is inside: connections and requests, in all and of each address, up to a bound."""

from collections import Counter as Sums
from typing import Final

from aiohttp import web
from prometheus_client import Counter, Gauge

from config.sections import Server

CONNECTIONS: Final = Gauge("rendertrust_connections", "Connections that are open.")
REFUSED: Final = Counter(
    "rendertrust_connections_refused",
    "Connections and requests that were one too many, of an address or in all.",
    ["bound"],
)
FILES_KEPT: Final = 256  # open files that are not clients': the database, the store, the log


class ConnectionSlot:
    """One of those that an address may have; it is given back once, however often it is left."""

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
    """Everybody who is connected. Node sockets are counted by the relay instead, once they stand.

    ``files`` is how many may be open; who accepts more than that stops accepting for a second.
    """

    def __init__(self, settings: Server, files: int) -> None:
        self._most = max(1, min(settings.connections, files - FILES_KEPT))
        self._most_of_one = settings.connections_per_address
        self._open = 0
        self._seats: Sums[str] = Sums()

    def open(self) -> bool:
        """Count a connection, whatever becomes of it; False when it is one too many in all."""
        self._open += 1
        CONNECTIONS.set(self._open)
        return self._open <= self._most or self._refuse("gateway")

    def closed(self) -> None:
        """One less."""
        self._open -= 1
        CONNECTIONS.set(self._open)

    def seat(self, subject: str) -> ConnectionSlot | None:
        """None when it is one too many of its address."""
        if self._seats[subject] >= self._most_of_one:
            self._refuse("address")
            return None
        self._seats[subject] += 1
        return ConnectionSlot(self, subject)

    def left(self, subject: str) -> None:
        """A seat is free again."""
        self._seats[subject] -= 1
        if not self._seats[subject]:
            del self._seats[subject]

    @staticmethod
    def _refuse(bound: str) -> bool:
        REFUSED.labels(bound).inc()
        return False
