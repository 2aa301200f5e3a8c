"""The connections of nodes to this gateway: since when, when they last answered, how they ended."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from actors.ports import Clock
from rendertrust.protocol import CloseCode

KEPT: Final = 20  # of one node
NODES_MOST: Final = 5_000
LOST: Final = 1006  # nobody said goodbye
MEANINGS: Final = {
    1000: "Finished",
    1001: "The node stops",
    1002: "Against the protocol",
    1005: "Closed without a code",
    LOST: "Lost without a word",
    CloseCode.MALFORMED: "A frame that cannot be read",
    CloseCode.FLOOD: "Too many frames",
    1009: "A frame that is too long",
    1011: "A failure",
    CloseCode.SERVICE_RESTART: "The gateway restarts",
    CloseCode.AUTHENTICATION_FAILED: "Its token does not hold, or it was revoked",
    CloseCode.HEARTBEAT_TIMEOUT: "No pong for too long",
    CloseCode.REPLACED: "Replaced by a newer connection",
}


@attrs.define(eq=False)
class Connection:
    """One socket of a node. ``by_us``: this gateway closed it, and not the node or the network."""

    address: str
    opened_at: datetime
    pong_at: datetime | None = None
    ended_at: datetime | None = None
    code: int | None = None
    by_us: bool = False

    @property
    def took(self) -> float | None:
        """Seconds; None while it lasts."""
        return None if self.ended_at is None else (self.ended_at - self.opened_at).total_seconds()

    @property
    def why(self) -> str:
        """What its code means, in words."""
        return "" if self.code is None else MEANINGS.get(self.code, "A code of its own")


class Connections:
    """The last ones of each node, for as long as the gateway runs; bounded."""

    def __init__(self, clock: Clock, *, nodes_most: int = NODES_MOST) -> None:
        self._clock, self._nodes_most = clock, nodes_most
        self._known: OrderedDict[UUID, deque[Connection]] = OrderedDict()
        self.living = 0  # how many sockets are open

    def opened(self, node: UUID, address: str) -> Connection:
        """A node has connected; who came longest ago is forgotten where there are too many."""
        connection = Connection(address, self._clock.now())
        self._known.setdefault(node, deque(maxlen=KEPT)).append(connection)
        self._known.move_to_end(node)
        while len(self._known) > self._nodes_most:
            self._known.popitem(last=False)
        self.living += 1
        return connection

    def answered(self, connection: Connection) -> None:
        """A pong came."""
        connection.pong_at = self._clock.now()

    def ended(self, connection: Connection, *, ours: int | None, theirs: int | None) -> None:
        """It is over: with the code that we said, else with theirs."""
        connection.ended_at = self._clock.now()
        connection.by_us = ours is not None
        connection.code = ours or theirs or LOST
        self.living -= 1

    def of(self, node: UUID) -> Sequence[Connection]:
        """Those of a node, the newest first."""
        return tuple(reversed(self._known.get(node, ())))

    def by_pong(self, *, newest_first: bool) -> Sequence[UUID]:
        """Nodes with a socket, by when it last answered or was opened."""
        there = [(node, self.open_of(node)) for node in self._known]
        at = {node: open_.pong_at or open_.opened_at for node, open_ in there if open_ is not None}
        return sorted(at, key=lambda node: at[node], reverse=newest_first)

    def open_of(self, node: UUID) -> Connection | None:
        """The one over which a node is served now."""
        known = self._known.get(node)
        return known[-1] if known and known[-1].ended_at is None else None
