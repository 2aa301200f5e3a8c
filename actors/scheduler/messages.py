"""Messages of the scheduler."""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow, Ref
from actors.ledger.messages import Outcome, UnitState
from rendertrust.protocol import Hello
from sql.audit import Act
from sql.job_plan import JobPlan
from sql.nodes import NOTHING_SAID, StandingRecord
from sql.retry_policy import tries
from sql.units import PartResult

MEMORY_MOST: Final = 4 << 40  # bytes: a hello that declares more counts as this
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

OpenOf: TypeAlias = Literal["jobs", "free jobs", "kinds"]


class Scheduler:
    """Marker: the address of the scheduler actor."""


@attrs.frozen
class Assignment:
    """A unit that a node is to work on; sent to its session.

    ``plan`` is the job's, and ``params`` are those of the unit. ``avoid`` are the nodes that failed
    it before; ``parts`` are the results of the units that it is made of. ``pool``: whose work it
    is, seen by the node: its owner's or organisation's (mine), of a user whom its owner trusts, or
    anybody's.
    """

    job: UUID
    unit: int
    attempt: int
    plan: JobPlan = attrs.field(repr=False)
    params: dict[str, Any] = attrs.field(repr=False)
    user: UUID
    state: str = "DISPATCHED"
    assigned_at: datetime | None = None
    given_at: float | None = None  # by the monotonic clock, if this gateway assigned it
    failures: int = 0
    avoid: frozenset[UUID] = frozenset()
    parts: tuple[PartResult, ...] = ()
    pool: str = "any"
    price: int = 0  # in units of money
    paused: bool = False  # by the job's owner: it must not begin
    faults: int = 0  # failures that no node caused
    unsent: int = 0  # earlier attempts that no node ever had
    priority: int = 0
    queued_at: datetime = EVER  # its job; with ``place`` within the job it orders the units
    place: int = 0

    @property
    def job_type(self) -> str:
        """The type of its job."""
        return self.plan.job_type

    @property
    def tries(self) -> int:
        """How many attempts a node had, this one included."""
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
    """Answer: the user has as many open jobs, free jobs or kinds of jobs as they may.

    A kind is what a job asks of a node: its type, pool and requirements.
    """

    most: int
    of: OpenOf = "jobs"


DispatchOutcome: TypeAlias = NoCapableNode | AllNodesFull | TooManyOpen | Outcome


@attrs.frozen
class Dispatch(Message[Scheduler, DispatchOutcome]):
    """From the web: place a new job. Answered by the Ledger, or here if no node can take it.

    Success is the Ledger's ``Posted``, whose unit names the node, or ``Replayed`` with the first
    answer. A job of several units waits if all nodes are full; its first unit is placed here, the
    others are read from the database. With ``queue`` in its spec the job also waits if no node is
    capable.

    ``job`` is chosen by the sender. ``idempotency``: (key, SHA-256 of the request).
    ``price_number``: which price applies. ``retry_of``: the job that this one repeats; ``act``: of
    the admin who ordered that.
    """

    job: UUID
    user: UUID
    plan: JobPlan = attrs.field(repr=False)
    idempotency: tuple[str, bytes] | None = None
    price_number: int | None = None
    retry_of: UUID | None = None
    act: Act | None = None

    @property
    def is_many(self) -> bool:
        """True if it has several units."""
        return len(self.plan.units) > 1

    @property
    def is_free(self) -> bool:
        """True if it costs nothing, so that nothing is held for it."""
        return not self.plan.price


@attrs.frozen
class WaitCounts:
    """Nodes with the unit's job type among their capabilities, counted by what keeps them from it.

    ``ready`` have room now, ``full`` have none, ``paused`` declined work lately, ``barred`` are
    drained, quarantined or revoked, ``silent`` give no sign of life, ``closed`` do not do this
    user's work in its pool. ``unable`` left the job type out of their last hello, or lack several
    things. The others lack one thing: ``wrong_class`` the device class that the job is pinned to,
    ``low_memory``, ``wrong_device`` (cpu, gpu), ``old_blender`` or ``no_opengl``.

    ``unverifiable`` are ready or full, and no verifier can check their results: other idle nodes go
    before them. ``reachable``: the unit's node has a session here; None: the unit has no node.
    """

    ready: int = 0
    full: int = 0
    paused: int = 0
    barred: int = 0
    closed: int = 0
    silent: int = 0
    unable: int = 0
    wrong_class: int = 0
    low_memory: int = 0
    wrong_device: int = 0
    old_blender: int = 0
    no_opengl: int = 0
    unverifiable: int = 0  # of those that are ready or full
    not_before: datetime | None = None
    reachable: bool | None = None

    @property
    def known(self) -> int:
        """How many nodes were counted, whatever keeps them from the unit."""
        able = self.ready + self.full + self.paused + self.barred + self.closed + self.silent
        lacking = self.wrong_class + self.low_memory + self.wrong_device + self.old_blender
        return able + lacking + self.no_opengl + self.unable


@attrs.frozen
class ExplainWaiting(Message[Scheduler, Mapping[int, WaitCounts]]):
    """From the web: what keeps units from beginning, by number; only of units that are known here.

    The scheduler knows the next few units of each job.
    """

    job: UUID
    units: tuple[int, ...] = (0,)


@attrs.frozen
class FleetSummary:
    """Summary of the nodes that may do a kind of work now.

    ``slots``: units that they run at once, in all. ``blender`` is their newest version and
    ``memory`` the most bytes of one; (0, 0) and 0: none of them said. ``ours``: how many of them
    the gateway's owner runs.
    """

    nodes: int = 0
    slots: int = 0
    blender: tuple[int, int] = (0, 0)
    memory: int = 0
    has_gpu: bool = False
    ours: int = 0


@attrs.frozen
class GetFleet(Message[Scheduler, FleetSummary]):
    """From the web: summarise the nodes that may do a user's work of a type in a pool."""

    user: UUID
    job_type: str
    pool: str


@attrs.frozen
class GetVerifierCoverage(Message[Scheduler, Mapping[UUID, bool]]):
    """From the web: whether an online verifier can check these nodes' results.

    Answered for those that are connected here and render.
    """

    nodes: tuple[UUID, ...]


@attrs.frozen
class NodeProved(Message[Scheduler, None]):
    """From the web: a node's key was proved; its session learns who owns the node."""

    node: UUID
    owner: UUID | None


@attrs.frozen
class NodeSeen(Message[Scheduler, None]):
    """From the web (heartbeat, verify) and NodeSession (pong, hello): a node's sign of life."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float | None  # None: unchanged

    def coalesce_key(self) -> Hashable:
        return self.node


@attrs.frozen
class StandingChanged(Message[Scheduler, None]):
    """From the web: a node's new standing. Other gateways read it from the database."""

    node: UUID
    standing: StandingRecord


@attrs.frozen
class NodeGone(Message[Scheduler, None]):
    """From the Lifeline: a node was silent for 90 s, so it is not healthy."""

    node: UUID


@attrs.frozen
class SessionOpened(Message[Scheduler, None]):
    """From a NodeSession, repeated until it is answered: it serves this node now.

    Answered by a told ``Assignments``. ``epoch`` orders the sessions of one node at all gateways:
    the one with the greatest serves the node, any other is closed with 4003.
    """

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    session: Ref[Any]
    epoch: int
    standing: StandingRecord = NOTHING_SAID


@attrs.frozen
class SessionReady(Message[Scheduler, None]):
    """From a NodeSession: its node said hello, or changed what it says of itself.

    Its capabilities narrow the registered ones; a hello that names none does not.
    """

    node: UUID
    session: Ref[Any]
    hello: Hello


@attrs.frozen
class FindAlternatives(Message[Scheduler, None]):
    """From a NodeSession: which other nodes could do a unit that its node could not do.

    ``memory`` in bytes, and ``opengl``, are what the node lacked. Answered by a told
    ``AlternativesFound``.
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
    """From a NodeSession: its node declined a unit, because it drains or stops."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class RecallDeclined(Message[Scheduler, None]):
    """From a NodeSession: its node has a unit already that was recalled for another node.

    From the Notifier, of another gateway: with the ``node`` here that the unit was recalled for.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID | None = None


@attrs.frozen
class StealRequest:
    """A unit that waits at a busy node, while the idle ``node`` would begin it at once."""

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class StealRequests(Message[Scheduler, None]):
    """From the Notifier, of another gateway: units that its idle nodes would take from nodes here.

    Followed by ``PeerAssigned``, by ``RecallDeclined``, or by nothing.
    """

    requests: tuple[StealRequest, ...]


@attrs.frozen
class GatewayMembership(Message[Scheduler, None]):
    """From the Notifier: this gateway's number, and how many gateways there are."""

    index: int
    gateways: int


@attrs.frozen
class PeerClaimed(Message[Scheduler, None]):
    """From the Notifier, of another gateway: it assigns units, each with this attempt.

    The database says whether it did.
    """

    units: tuple[tuple[UUID, int, int], ...]


@attrs.frozen
class PeerAssigned(Message[Scheduler, None]):
    """From the Notifier, of another gateway: it assigned units to nodes that it does not serve."""

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
    """From the actor that committed a change of units: their new states."""

    units: tuple[UnitState, ...]


@attrs.frozen
class JobPaused(Message[Scheduler, None]):
    """From the web, and the Notifiers of all gateways: a job's owner paused it.

    Its units that were not sent to their nodes yet are recalled.
    """

    job: UUID


@attrs.frozen
class Wake(Message[Scheduler, None]):
    """From the web and the bus: something in the database is new; read it soon."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE


@attrs.frozen
class JobsChanged(Message[Scheduler, None]):
    """From the web: jobs changed in ways that ``UnitsChanged`` does not report; read them."""

    jobs: tuple[UUID, ...]


@attrs.frozen
class IsLoaded(Message[Scheduler, bool]):
    """From the web: whether everything open was read once; until then no dispatch is answered."""


@attrs.frozen
class AccessChanged(Message[Scheduler, None]):
    """From the web: organisations or trust changed; answered once placement obeys the change."""


@attrs.frozen
class Poll(Message[Scheduler, None]):
    """A timer: read the next page of what is open, and correct the state by it."""


@attrs.frozen
class ReadJobs(Message[Scheduler, None]):
    """A timer: read the jobs that are not fully known."""


@attrs.frozen
class BalanceLoad(Message[Scheduler, None]):
    """A timer: move units from busy nodes to idle ones."""


@attrs.frozen
class Refill(Message[Scheduler, None]):
    """A timer: read the next units of jobs with few waiting units here."""


@attrs.frozen
class StandingsDue(Message[Scheduler, None]):
    """A timer: read the standings that were set lately, here or at another gateway."""


@attrs.frozen
class PlaceDue(Message[Scheduler, None]):
    """A timer: a unit that had to wait may be placed now."""


@attrs.frozen
class PauseOver(Message[Scheduler, None]):
    """A timer: a node that declined units may get work again."""

    node: UUID


@attrs.frozen
class ResendMissed(Message[Scheduler, None]):
    """A timer: tell sessions that missed a message everything again."""
