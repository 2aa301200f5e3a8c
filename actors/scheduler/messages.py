"""What the Scheduler is asked and told."""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow, Ref
from actors.ledger.messages import NewUnit, Outcome, UnitState
from sql.audit import Act
from sql.retry_policy import tries
from sql.scheduler_rows import NOTHING_SAID, PartResult, StandingRecord

MEMORY_MOST: Final = 4 << 40  # bytes: what a hello says of memory is believed up to that
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

OpenOf: TypeAlias = Literal["jobs", "free jobs", "kinds"]


class Scheduler:
    """Marker: the address of the scheduler actor."""


@attrs.frozen
class Assignment:
    """One unit that a node is to work on. ``avoid`` are the nodes that failed it before.

    ``params`` are narrowed to it; ``parts`` are the results of units that it is made of. ``pool``:
    whose work it is, seen by the node: its own people's, of somebody whom its owner trusts, or any.
    """

    job: UUID
    unit: int
    attempt: int
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    user: UUID
    state: str = "DISPATCHED"
    assigned_at: datetime | None = None
    given_at: float | None = None  # by this machine's steady clock, where this gateway assigned it
    failures: int = 0
    avoid: frozenset[UUID] = frozenset()
    parts: tuple[PartResult, ...] = ()
    pool: str = "any"
    price: int = 0  # in units of money
    paused: bool = False  # by the job's owner: it is not to begin
    faults: int = 0  # failures that were no node's
    unsent: int = 0  # of the attempts before this one, how many no node ever had
    priority: int = 0
    queued_at: datetime = EVER  # its job; with ``place`` within that: when its turn is
    place: int = 0

    @property
    def tries(self) -> int:
        """How often a node was to work on it, this time included."""
        return tries(self.attempt, self.unsent)


@attrs.frozen
class NoCapableNode:
    """Answer: no healthy node has the capability."""


@attrs.frozen
class AllNodesFull:
    """Answer: every capable node has its backlog full; try again in ``retry_after`` seconds."""

    retry_after: int = 5


@attrs.frozen
class TooManyOpen:
    """Answer: the user has ``most`` jobs open, or free jobs, or jobs of different kinds: as many as
    they may. A kind is what a job asks of a node: its type, pool and needs.
    """

    most: int
    of: OpenOf = "jobs"


DispatchOutcome: TypeAlias = NoCapableNode | AllNodesFull | TooManyOpen | Outcome


@attrs.frozen
class Dispatch(Message[Scheduler, DispatchOutcome]):
    """From the web: place a job. The Ledger answers for us, unless no node will do.

    A job that is cut into ``pieces`` waits where all nodes are full; the first unit is placed here,
    the others follow from the database.

    ``job`` is chosen by the caller. With ``queue`` the job waits when no node is capable.
    On success the Ledger's answer is ``Posted`` whose unit names the node, or ``Replayed`` with the
    first answer. ``idempotency``: (key, SHA-256 of the request). ``price_number``: which price.
    ``retry_of``: the job that it does again; ``act``: of the admin who wants that.
    """

    job: UUID
    user: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    price: int
    queue: bool = False
    idempotency: tuple[str, bytes] | None = None
    price_number: int | None = None
    retry_of: UUID | None = None
    act: Act | None = None
    pieces: tuple[NewUnit, ...] = ()
    priority: int = 0
    cap: int | None = None

    @property
    def is_free(self) -> bool:
        """Whether nothing is held for it."""
        return not any(piece.price for piece in self.pieces) if self.pieces else not self.price


@attrs.frozen
class WaitCounts:
    """Of the nodes that have the unit's type among their capabilities, how many there are of each.

    ``ready`` have room now, ``full`` have none, ``resting`` gave work back lately, ``barred`` may
    not be given this work as they are drained, quarantined or revoked, ``away`` are silent,
    ``closed`` do not do this user's work in its pool, ``unable`` said at their last hello that they
    cannot do it now, or have not what it needs; ``small`` lack nothing but memory, ``elsewise`` the
    device (cpu, gpu), ``older`` a newer Blender, ``bare`` OpenGL. ``unlike`` are of another class
    than its units are to be of. ``odd`` have room or none, and nobody of the gateway's own can
    check what they render: idle others go before them. ``reachable``: the unit's node can be told;
    None: it has none.
    """

    ready: int = 0
    full: int = 0
    resting: int = 0
    barred: int = 0
    closed: int = 0
    away: int = 0
    unable: int = 0
    unlike: int = 0
    small: int = 0
    elsewise: int = 0
    older: int = 0
    bare: int = 0
    odd: int = 0  # of those that are ready or full
    not_before: datetime | None = None
    reachable: bool | None = None

    @property
    def known(self) -> int:
        """Nodes that could do it, were all well."""
        well = self.ready + self.full + self.resting
        lacking = self.unable + self.small + self.unlike + self.elsewise + self.older + self.bare
        return well + self.barred + self.closed + self.away + lacking


@attrs.frozen
class ExplainWaiting(Message[Scheduler, Mapping[int, WaitCounts]]):
    """From the web: what keeps units that have not begun, by number; of those that are known here.

    Of each job the Scheduler knows the next few units.
    """

    job: UUID
    units: tuple[int, ...] = (0,)


@attrs.frozen
class FleetSummary:
    """The nodes that may do a kind of work now. ``blender`` is the newest of theirs, ``memory`` in
    bytes the most that one has; (0, 0) and 0: none of them said. ``slots``: units at once, in all.
    ``ours`` of them are the gateway's own.
    """

    nodes: int = 0
    slots: int = 0
    blender: tuple[int, int] = (0, 0)
    memory: int = 0
    has_gpu: bool = False
    ours: int = 0


@attrs.frozen
class GetFleet(Message[Scheduler, FleetSummary]):
    """From the web: what the nodes are that may do a user's work of a type in a pool."""

    user: UUID
    job_type: str
    pool: str


@attrs.frozen
class GetVerifierCoverage(Message[Scheduler, Mapping[UUID, bool]]):
    """From the web: whether somebody who is there could check what these nodes render; of those
    that are connected here and render.
    """

    nodes: tuple[UUID, ...]


@attrs.frozen
class NodeProved(Message[Scheduler, None]):
    """From the web: the node's key was proved, and who owns it now; its session is to know."""

    node: UUID
    owner: UUID | None


@attrs.frozen
class NodeSeen(Message[Scheduler, None]):
    """From the web (heartbeat, verify) and NodeSession (pong, hello): the node lives."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float | None  # None: unchanged

    def coalesce_key(self) -> Hashable:
        return self.node


@attrs.frozen
class StandingChanged(Message[Scheduler, None]):
    """From the web: what was just said about a node. Other gateways read it from the database."""

    node: UUID
    standing: StandingRecord


@attrs.frozen
class NodeGone(Message[Scheduler, None]):
    """From the Lifeline: silent for 90 s (not healthy)."""

    node: UUID


@attrs.frozen
class SessionOpened(Message[Scheduler, None]):
    """From a NodeSession, until it is answered: it serves this node now.

    Answered by a told ``Assignments``. ``epoch`` orders the sessions of one node at all gateways:
    the one with the greatest serves it, any other is closed with 4003.
    """

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    session: Ref[Any]
    epoch: int
    standing: StandingRecord = NOTHING_SAID


@attrs.frozen
class SessionReady(Message[Scheduler, None]):
    """From a NodeSession, after hello: how many units its node takes at once, and of which types.

    ``offered`` narrows the registered capabilities; None: it did not say. ``pools``: whose work it
    takes; none named: anybody's. The rest is what it is made of; ``ram`` and ``vram``
    in bytes, for all slots.
    """

    node: UUID
    session: Ref[Any]
    slots: int | None
    offered: tuple[str, ...] | None = None
    pools: tuple[str, ...] = ()
    device_class: str | None = None
    blender: str | None = None
    ram: int | None = None
    vram: int | None = None
    opengl: bool | None = None


@attrs.frozen
class FindAlternatives(Message[Scheduler, None]):
    """From a NodeSession whose node could not do a unit: who else could. ``memory`` bytes at least,
    and ``opengl``, are what it lacked. Answered by a told ``Elsewhere``.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    session: Ref[Any]
    memory: int = 0
    opengl: bool = False


@attrs.frozen
class SessionClosed(Message[Scheduler, None]):
    """From a NodeSession at its end; without effect if a newer session serves the node."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class NodeDeclined(Message[Scheduler, None]):
    """From a NodeSession: its node gave a unit back, by nobody's fault: it drains, or stops."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class RecallDeclined(Message[Scheduler, None]):
    """From a NodeSession: of what was to go to another node, its node has this already.

    From the Notifier, of another gateway, with the ``node`` of ours that it was to go to.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID | None = None


@attrs.frozen
class StealRequest:
    """``node`` has nothing to do, and would begin this unit, which waits elsewhere, at once."""

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class StealRequests(Message[Scheduler, None]):
    """From the Notifier, of another gateway: what its idle nodes would take from busy ones here.

    Answered by nobody, by ``RecallDeclined``, or by ``PeerAssigned``.
    """

    requests: tuple[StealRequest, ...]


@attrs.frozen
class GatewayMembership(Message[Scheduler, None]):
    """From the Notifier, while there are other gateways: which of how many this one is."""

    index: int
    gateways: int


@attrs.frozen
class PeerClaimed(Message[Scheduler, None]):
    """From the Notifier, of another gateway: it gives these units to its nodes now, each with the
    attempt that it will be. The database says whether it did.
    """

    units: tuple[tuple[UUID, int, int], ...]


@attrs.frozen
class PeerAssigned(Message[Scheduler, None]):
    """From the Notifier, of another gateway: it gave units to nodes that it does not serve."""

    nodes: tuple[UUID, ...]


@attrs.frozen
class PeerServes(Message[Scheduler, None]):
    """From the Notifier, of another gateway: a session with this epoch serves the node there.

    An older session of the node here is closed.
    """

    node: UUID
    epoch: int


Hint: TypeAlias = (
    StealRequests | RecallDeclined | PeerAssigned | PeerClaimed | PeerServes
)  # from one gateway to all others


@attrs.frozen
class UnitsChanged(Message[Scheduler, None]):
    """From whoever committed a change of units: what they are now."""

    units: tuple[UnitState, ...]


@attrs.frozen
class JobPaused(Message[Scheduler, None]):
    """From the web, and the Notifiers of all gateways: its owner paused a job.

    What nodes were not yet sent of it goes back.
    """

    job: UUID


@attrs.frozen
class Wake(Message[Scheduler, None]):
    """From the web and the Bus: there is something new in the database; look soon."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE


@attrs.frozen
class JobsChanged(Message[Scheduler, None]):
    """From the web: these jobs changed in ways that ``UnitsChanged`` does not tell; read them."""

    jobs: tuple[UUID, ...]


@attrs.frozen
class IsLoaded(Message[Scheduler, bool]):
    """From the web: whether everything open was read once. Until then no dispatch is answered."""


@attrs.frozen
class AccessChanged(Message[Scheduler, None]):
    """From the web: organisations or trust changed; answered when it goes by that."""


@attrs.frozen
class Poll(Message[Scheduler, None]):
    """A timer: read the next page of what is open, and mend what is known differently here."""


@attrs.frozen
class ReadJobs(Message[Scheduler, None]):
    """A timer: the same for the jobs of which something unknown was heard."""


@attrs.frozen
class BalanceLoad(Message[Scheduler, None]):
    """A timer: see whether units wait at some nodes while others have nothing to do."""


@attrs.frozen
class Refill(Message[Scheduler, None]):
    """A timer: read the next units of jobs of which few are known that wait."""


@attrs.frozen
class StandingsDue(Message[Scheduler, None]):
    """A timer: read what was said about nodes lately, here or at another gateway."""


@attrs.frozen
class PlaceDue(Message[Scheduler, None]):
    """A timer: a unit that had to wait may be placed now."""


@attrs.frozen
class PauseOver(Message[Scheduler, None]):
    """A timer: a node that gave units back may be tried again."""

    node: UUID


@attrs.frozen
class ResendMissed(Message[Scheduler, None]):
    """A timer: tell sessions that missed a message everything again."""
