"""What a NodeSession is told: frames from its socket, work from the Scheduler."""

from typing import ClassVar
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow
from actors.scheduler.messages import Assignment


class NodeSession:
    """Marker: the address of one node's session."""


@attrs.frozen
class Received(Message[NodeSession, None]):
    """From the relay: a text frame, undecoded. The reader waits for room: TCP does the rest."""

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM

    text: str = attrs.field(repr=False)


@attrs.frozen
class PongSeen(Message[NodeSession, None]):
    """From the relay: a WebSocket pong arrived."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST


@attrs.frozen
class Send(Message[NodeSession, None]):
    """From the Scheduler: give the node this unit, as soon as it has a slot."""

    assignment: Assignment


@attrs.frozen
class Withdraw(Message[NodeSession, None]):
    """From the web or the Scheduler: the unit is cancelled or taken away; tell the node to stop."""

    job: UUID
    unit: int
    attempt: int


@attrs.frozen
class Close(Message[NodeSession, None]):
    """From the relay (4003), the Watchman (1012), the web (revoked: 4001): close and end."""

    code: int
    reason: str = ""


@attrs.frozen
class Disconnected(Message[NodeSession, None]):
    """From the relay: the socket is closed; the session ends."""
