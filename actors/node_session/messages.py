"""Messages to a NodeSession: relay frames from its socket, units from the Scheduler."""

from typing import Any, ClassVar, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow
from actors.scheduler.messages import Assignment
from rendertrust.job_types import RENDERED
from rendertrust.protocol import PartsOffered
from sql.nodes import NOTHING_SAID, StandingRecord

Sheet: TypeAlias = Literal["", "always", "different"]  # when a check draws a comparison sheet


class NodeSession:
    """Marker type for the address (``Ref``) of a node's session actor."""


@attrs.frozen
class Received(Message[NodeSession, None]):
    """From the relay: an undecoded relay frame.

    The relay waits while the mailbox is an eighth full, so TCP slows the node down.
    """

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM

    text: str = attrs.field(repr=False)


@attrs.frozen
class RelayFramesHandled(Message[NodeSession, bool]):
    """From the relay, periodically: the session answers once it has handled all earlier relay
    frames.
    """


@attrs.frozen
class PongSeen(Message[NodeSession, None]):
    """From the relay: a WebSocket pong arrived.

    A pong counts towards the node's rate limit for relay frames.
    """

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM


@attrs.frozen
class PingSeen(Message[NodeSession, None]):
    """From the relay, which answers the ping: a WebSocket ping arrived.

    A ping counts towards the node's rate limit for relay frames.
    """

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM


@attrs.frozen
class Assignments(Message[NodeSession, None]):
    """From the Scheduler: all units assigned to the session's node.

    In answer to ``SessionOpened``, and after another message did not reach the session.
    ``standing`` is the newest standing of the node that the Scheduler knows.
    """

    units: tuple[Assignment, ...]
    standing: StandingRecord = NOTHING_SAID


@attrs.frozen
class AlternativesFound(Message[NodeSession, None]):
    """From the Scheduler, in answer to ``FindAlternatives``: which other nodes could do the unit.

    ``is_able``: a node has what this session's node lacked, or may have it, because another gateway
    serves it. ``is_untried``: a node that has not tried the unit could do it. ``is_other``: an
    owner none of whose nodes has tried the unit has a node that could do it. ``is_seconded``: a
    connected node of another owner has tried the unit, too. ``owners``: how many owners the nodes
    have that tried the unit, including this session's node. All nodes without an account count as
    nodes of one owner.
    """

    job: UUID
    unit: int
    attempt: int
    is_able: bool
    is_other: bool
    is_seconded: bool = False
    is_untried: bool = False
    owners: int = 1


@attrs.frozen
class Send(Message[NodeSession, None]):
    """From the Scheduler: send the node this unit as soon as the node has a free slot."""

    assignment: Assignment


@attrs.frozen
class StoredObject:
    """An object in the gateway's bucket; ``sha256`` is in hexadecimal."""

    key: str
    sha256: str
    size: int


@attrs.frozen
class FurtherResult:
    """A result that a batch check opens besides its first result; both are of the same job."""

    picture: StoredObject
    evidence: StoredObject | None


@attrs.frozen
class RunCheck(Message[NodeSession, None]):
    """From the Verifier: let this session's node check the result that another node delivered.

    The session answers with ``Reported``. ``unit``: the unit that was rendered. ``evidence``: None
    if none was delivered. ``draws``: random positions of the crops to compare. ``shown``: random
    positions of the frames to compare in a chunk or video. ``whole``: render the whole frame or
    tile, and cut the crops out of it. ``across``: positions for a second comparison, for a result
    from another kind of device. ``rounding``: the result is from another instruction set, so test
    whether honest renders may differ by rounding. ``further``: more results of a batch, which are
    only opened, and not compared; only verifiers that offer batches get further results.
    ``seconds``: time limit for rendering. ``sheet``: upload a comparison sheet of the whole frame,
    always or only if the frame differs; empty for no sheet.
    ``same_class``: the verifier has the device class of the node that delivered the result.
    ``build``: the build of Blender in which the node checks; empty for that of the unit's version.
    If the unit's job type is that of a plugin, the plugin checks the ``picture``, which may be any
    file.
    """

    check: UUID
    unit: Assignment
    picture: StoredObject
    evidence: StoredObject | None
    draws: tuple[tuple[float, float, float | None], ...] = ()
    shown: tuple[float, ...] = ()
    whole: bool = False
    across: tuple[tuple[float, float, float | None], ...] = ()
    rounding: bool = False
    further: tuple[FurtherResult, ...] = ()
    seconds: float | None = None
    sheet: Sheet = ""
    same_class: bool = True
    build: str = ""

    @property
    def count(self) -> int:
        """The number of crops or frames to compare; 0 if the result is only opened."""
        return len(self.draws) or len(self.shown)

    @property
    def is_by_plugin(self) -> bool:
        """True if the plugin of the unit's job type checks the result."""
        return self.unit.job_type not in RENDERED


@attrs.frozen
class DropCheck(Message[NodeSession, None]):
    """From the Verifier: cancel this check."""

    check: UUID


@attrs.frozen
class Withdraw(Message[NodeSession, None]):
    """From the Scheduler: the unit was cancelled or moved, so the node must stop it."""

    job: UUID
    unit: int
    attempt: int


@attrs.frozen
class Recall(Message[NodeSession, None]):
    """From the Scheduler: requeue the unit, unless it was already sent to the node.

    The unit is recalled because its job was paused, or, with ``for_another``, because an idle node
    could begin the unit. A session whose node already has the unit answers a recall ``for_another``
    with ``RecallDeclined``.
    """

    job: UUID
    unit: int
    attempt: int
    for_another: bool = False


@attrs.frozen
class Promote(Message[NodeSession, None]):
    """From the Scheduler: the unit has a new priority; no effect once it was sent to the node."""

    job: UUID
    unit: int
    attempt: int
    priority: int


@attrs.frozen
class StandingUpdate(Message[NodeSession, None]):
    """From the Scheduler: the node's standing changed; an outdated standing is ignored.

    Also from the session itself when it starts with a node that is DRAINING.
    """

    standing: StandingRecord


@attrs.frozen
class Close(Message[NodeSession, None]):
    """From the relay, the Scheduler or the Watchman: close the socket and end the session.

    ``code`` (``CloseCode``): 4003 if a newer session serves the node, 1012 if the gateway stops,
    1007 if the node sent a binary message.
    """

    code: int
    reason: str = ""


@attrs.frozen
class Disconnected(Message[NodeSession, None]):
    """From the relay: the socket is closed; the session ends."""


@attrs.frozen
class KeyProved(Message[NodeSession, None]):
    """From the Scheduler: the connected node proved its key, so ``owner`` earns from now on."""

    owner: UUID | None


@attrs.frozen
class ReopenSession(Message[NodeSession, None]):
    """From a restarted Scheduler: announce the session again, with ``SessionOpened``."""


# ── timers ───────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class AnnounceDue(Message[NodeSession, None]):
    """Timer: send ``SessionOpened`` again if the Scheduler has not sent ``Assignments`` yet."""


@attrs.frozen
class HelloDue(Message[NodeSession, None]):
    """Timer: a node that has sent no hello by now is a simple node (``docs/PROTOCOL.md``)."""


@attrs.frozen
class ReadyDue(Message[NodeSession, None]):
    """Timer: send the Scheduler the newest hello, which was held back to limit the rate."""


@attrs.frozen
class PingDue(Message[NodeSession, None]):
    """Timer: ping the node, or close the connection if its last pong is too old."""


@attrs.frozen
class ResultInspected(Message[NodeSession, None]):
    """To itself, from a background task: a result's objects were inspected in the object store.

    ``found`` is a ``result_objects.Found``; None if the store is unavailable or too slow.
    """

    job: UUID
    unit: int
    attempt: int
    found: Any = None


@attrs.frozen
class PartsInspected(Message[NodeSession, None]):
    """To itself, from a background task: answer to a node's request for upload URLs of parts.

    ``what``: ``result`` or ``evidence``. ``is_known`` is False if the store is unavailable or too
    slow. ``offered`` is None although ``is_known`` is True if the stored parts were of a file of
    another length; these parts were discarded.
    """

    job: UUID
    unit: int
    attempt: int
    what: str
    offered: PartsOffered | None = None
    is_known: bool = False


@attrs.frozen
class RenewDue(Message[NodeSession, None]):
    """Timer: run the progress watchdog, and renew the leases of the node's units."""


@attrs.frozen
class TokenDue(Message[NodeSession, None]):
    """Timer: send the node a new token before its current token expires."""


@attrs.frozen
class TryAgain(Message[NodeSession, None]):
    """Timer: try again to send a unit, or to settle its result."""

    job: UUID
    unit: int
    attempt: int
