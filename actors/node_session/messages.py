"""Messages to a NodeSession: frames from its socket, work from the Scheduler."""

from typing import Any, ClassVar
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow
from actors.scheduler.messages import Assignment
from rendertrust.protocol import PartsOffered
from sql.nodes import NOTHING_SAID, StandingRecord


class NodeSession:
    """Marker: the address of one node's session."""


@attrs.frozen
class Received(Message[NodeSession, None]):
    """From the relay: a text frame, undecoded. The reader waits for room: TCP does the rest."""

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM

    text: str = attrs.field(repr=False)


@attrs.frozen
class FramesHandled(Message[NodeSession, bool]):
    """From the relay, now and then: answered when all frames before it have been handled."""


@attrs.frozen
class PongSeen(Message[NodeSession, None]):
    """From the relay: a WebSocket pong arrived. It counts as a frame."""

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM


@attrs.frozen
class PingSeen(Message[NodeSession, None]):
    """From the relay: a WebSocket ping arrived, which the relay answers. It counts as a frame."""

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM


@attrs.frozen
class Assignments(Message[NodeSession, None]):
    """From the Scheduler, in answer to ``SessionOpened``: all that its node is to work on.

    ``standing`` is what it knows that people say about the node.
    """

    units: tuple[Assignment, ...]
    standing: StandingRecord = NOTHING_SAID


@attrs.frozen
class AlternativesFound(Message[NodeSession, None]):
    """From the Scheduler, in answer to ``FindAlternatives``. ``is_able``: a node is there that has
    what this one lacked, or may be: another gateway serves it. ``is_other``: a node of an owner can
    be asked none of whose nodes has tried the unit; ``is_untried``: any node can that has not;
    ``is_seconded``: another owner's, which is connected, has failed it. ``owners``: of so many are
    the nodes that have, this one included. Nodes without an account are one owner's.
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
    """From the Scheduler: give the node this unit, as soon as it has a slot."""

    assignment: Assignment


@attrs.frozen
class StoredObject:
    """An object of ours; ``sha256`` in hexadecimal."""

    key: str
    sha256: str
    size: int


@attrs.frozen
class FurtherResult:
    """Another result of the same job, which the same check opens."""

    picture: StoredObject
    evidence: StoredObject | None


@attrs.frozen
class RunCheck(Message[NodeSession, None]):
    """From the Verifier: let the node check what another delivered for ``unit``; answered by
    ``Reported``.

    ``evidence`` is None where none was delivered; ``draws`` are the places to compare in a picture,
    ``shown`` the pictures to compare of several. ``whole``: it renders all of the frame or tile,
    and looks there. ``across``: a device of another kind delivered it; the places of a second look,
    if one is necessary. ``further``: a batch, which opens these results, too, and compares nothing;
    only verifiers that offer batches are asked for one. ``seconds``: the limit of its renders.
    """

    check: UUID
    unit: Assignment
    picture: StoredObject
    evidence: StoredObject | None
    draws: tuple[tuple[float, float, float | None], ...] = ()
    shown: tuple[float, ...] = ()
    whole: bool = False
    across: tuple[tuple[float, float, float | None], ...] = ()
    further: tuple[FurtherResult, ...] = ()
    seconds: float | None = None

    @property
    def count(self) -> int:
        """The number of places to compare; 0: it only looks."""
        return len(self.draws) or len(self.shown)


@attrs.frozen
class DropCheck(Message[NodeSession, None]):
    """From the Verifier: the check is not needed any more."""

    check: UUID


@attrs.frozen
class Withdraw(Message[NodeSession, None]):
    """From the web or the Scheduler: the unit is cancelled or taken away; tell the node to stop."""

    job: UUID
    unit: int
    attempt: int


@attrs.frozen
class Recall(Message[NodeSession, None]):
    """From the Scheduler: the unit is not to begin here. Unless the node has it, it is requeued.

    Its job is paused; or it is wanted ``for_another`` node: then ``RecallDeclined`` answers where
    the node has it.
    """

    job: UUID
    unit: int
    attempt: int
    for_another: bool = False


@attrs.frozen
class Promote(Message[NodeSession, None]):
    """From the Scheduler: the unit's priority is another; without effect where the node has it."""

    job: UUID
    unit: int
    attempt: int
    priority: int


@attrs.frozen
class StandingUpdate(Message[NodeSession, None]):
    """From the Scheduler: somebody said something about the node; without effect if it is old."""

    standing: StandingRecord


@attrs.frozen
class Close(Message[NodeSession, None]):
    """From the relay (4003) and the Watchman (1012): close and end."""

    code: int
    reason: str = ""


@attrs.frozen
class Disconnected(Message[NodeSession, None]):
    """From the relay: the socket is closed; the session ends."""


@attrs.frozen
class KeyProved(Message[NodeSession, None]):
    """From the Scheduler: the node's key was proved while it is connected; its owner earns."""

    owner: UUID | None


@attrs.frozen
class ReopenSession(Message[NodeSession, None]):
    """From a Scheduler that was restarted: open your session again."""


# ── timers ───────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class AnnounceDue(Message[NodeSession, None]):
    """The Scheduler has not answered yet: tell it again."""


@attrs.frozen
class HelloDue(Message[NodeSession, None]):
    """No hello so far: the node is a plain client of the reference."""


@attrs.frozen
class ReadyDue(Message[NodeSession, None]):
    """The node's hello changed too soon after the last one: tell the Scheduler the newest."""


@attrs.frozen
class PingDue(Message[NodeSession, None]):
    """Ping, and look when the last pong was."""


@attrs.frozen
class ResultInspected(Message[NodeSession, None]):
    """To itself: what the store has of a result, ``result_objects.Found``.

    None: the store is away, or too slow.
    """

    job: UUID
    unit: int
    attempt: int
    found: Any = None


@attrs.frozen
class PartsInspected(Message[NodeSession, None]):
    """To itself: the store was asked about parts of ``what``. Without ``is_known`` it is away, or
    too slow; ``offered`` None: there were parts of a file of another length.
    """

    job: UUID
    unit: int
    attempt: int
    what: str
    offered: PartsOffered | None = None
    is_known: bool = False


@attrs.frozen
class RenewDue(Message[NodeSession, None]):
    """Renew the leases of what the node works on."""


@attrs.frozen
class TokenDue(Message[NodeSession, None]):
    """Half the life of the node's token is over: send it another."""


@attrs.frozen
class TryAgain(Message[NodeSession, None]):
    """Try again to send a unit, or to settle its result."""

    job: UUID
    unit: int
    attempt: int
