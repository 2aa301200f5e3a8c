"""The connections of nodes: when each began, when its node last answered, and how it ended.

The gateway writes its connections to the database soon after each change, in batches. Only a
request for the history waits for the writing. So every gateway shows the same history, even after a
gateway is gone.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Final, Protocol
from uuid import UUID

import attrs

from actors.ports import Clock, Random
from rendertrust.protocol import CloseCode
from sql.database import Conflict
from sql.node_connections import ConnectionRow

LOST: Final = 1006  # code if no close frame came
PONG_SECONDS: Final = 60.0  # least time between two writes of a connection's pongs
STOPPED: Final = "The gateway stopped without a word"
UNWRITTEN_MOST: Final = 50_000
AT_ONCE: Final = 1_000
SILENT_SECONDS: Final = 15.0  # a gateway that has not written for so long is gone
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
    CloseCode.AUTHENTICATION_FAILED: "Its token is invalid, or it was revoked",
    CloseCode.HEARTBEAT_TIMEOUT: "No pong for too long",
    CloseCode.REPLACED: "Replaced by a newer connection",
}
# Returns the columns of a row in their order.
_COLUMNS: Final = attrgetter(*(field.name for field in attrs.fields(ConnectionRow)))


@attrs.define(eq=False)
class OpenConnection(ConnectionRow):
    """A connection of a node to some gateway, open or ended.

    ``noted_at``: when this gateway last queued it for writing, by the monotonic clock.
    """

    noted_at: float = attrs.field(default=-math.inf, init=False)

    @property
    def took(self) -> float | None:
        """Return the connection's duration in seconds; None while it is open."""
        return None if self.ended_at is None else (self.ended_at - self.opened_at).total_seconds()

    @property
    def why(self) -> str:
        """Return what the connection's close code means. Code 1006 with ``by_us`` means that the
        gateway was gone.
        """
        if self.by_us and self.code == LOST:
            return STOPPED
        return "" if self.code is None else MEANINGS.get(self.code, "An unknown code")

    @property
    def heard_at(self) -> datetime:
        """Return when the node last answered a ping, or else when it connected."""
        return self.pong_at or self.opened_at


class ConnectionStore(Protocol):
    """The rows of connections: ``sql.node_connections.ConnectionRows``."""

    async def write(self, gateway: UUID, rows: Sequence[ConnectionRow], within: float) -> bool: ...

    async def of(self, node: UUID) -> Sequence[ConnectionRow]: ...

    async def end(self, silent: float, code: int) -> None: ...


class Connections:
    """The open connections of gateway ``id_``, and ended ones that are not written yet."""

    def __init__(self, id_: UUID, rows: ConnectionStore, clock: Clock, random: Random) -> None:
        self._id, self._rows, self._clock, self._random = id_, rows, clock, random
        self._open: defaultdict[UUID, list[OpenConnection]] = defaultdict(list)
        self._unwritten: dict[UUID, OpenConnection] = {}
        self._writing = asyncio.Lock()
        self.living = 0  # number of open sockets

    # -- recording events

    def opened(self, node: UUID, address: str) -> OpenConnection:
        """Record that a node has connected."""
        connection = OpenConnection(self._random.uuid(), node, address, self._clock.now())
        self._open[node].append(connection)
        self.living += 1
        self._note(connection)
        return connection

    def answered(self, connection: OpenConnection) -> None:
        """Record a pong, which is written once a minute, or when somebody reads it here."""
        connection.pong_at = self._clock.now()
        if self._clock.monotonic() - connection.noted_at >= PONG_SECONDS:
            self._note(connection)

    def ended(self, connection: OpenConnection, *, ours: int | None, theirs: int | None) -> None:
        """Record the end of a connection, with the close code that we sent, the node's, or 1006."""
        connection.ended_at = self._clock.now()
        connection.by_us = ours is not None
        connection.code = ours or theirs or LOST
        self.living -= 1
        self._open[connection.node_id].remove(connection)
        if not self._open[connection.node_id]:
            del self._open[connection.node_id]
        self._note(connection)

    def _note(self, connection: OpenConnection) -> None:
        """Queue the connection for writing; if the database is down for long, the oldest ones are
        dropped.
        """
        connection.noted_at = self._clock.monotonic()
        self._unwritten[connection.id] = connection
        if len(self._unwritten) > UNWRITTEN_MOST:
            del self._unwritten[next(iter(self._unwritten))]

    # -- writing to the database

    async def write(self) -> None:
        """Write all changes of connections, and the time at which this gateway is alive.

        Raises Unavailable and Conflict; the next call writes what this one could not.
        """
        async with self._writing:
            await self._write_some()
            while self._unwritten:
                await self._write_some()

    async def _write_some(self) -> None:
        batch = dict(islice(self._unwritten.items(), AT_ONCE))
        rows = [ConnectionRow(*_COLUMNS(connection)) for connection in batch.values()]
        for id_ in batch:
            del self._unwritten[id_]
        try:
            was_there = await self._rows.write(self._id, rows, SILENT_SECONDS)
        except BaseException:
            self._unwritten = batch | self._unwritten
            raise
        if not was_there:
            for open_ in self._open.values():
                self._unwritten |= {connection.id: connection for connection in open_}

    async def miss(self) -> None:
        """End the connections of gateways that are gone. Raises Unavailable and Conflict."""
        await self._rows.end(SILENT_SECONDS, LOST)

    # -- reading past and present

    async def of(self, node: UUID) -> Sequence[OpenConnection]:
        """Write, then return a node's last connections at any gateway, the newest first.

        Raises Unavailable.
        """
        for connection in self._open.get(node, ()):
            self._note(connection)
        with suppress(Conflict):
            await self.write()
        return [OpenConnection(*_COLUMNS(row)) for row in await self._rows.of(node)]

    def by_pong(self, *, newest_first: bool) -> Sequence[UUID]:
        """Return the nodes with a socket here, sorted by when they last answered a ping, or else
        connected.
        """
        at = {node: open_[-1].heard_at for node, open_ in self._open.items()}
        return sorted(at, key=lambda node: at[node], reverse=newest_first)

    def open_of(self, node: UUID) -> OpenConnection | None:
        """Return the connection over which a node is served here now."""
        open_ = self._open.get(node)
        return open_[-1] if open_ else None
