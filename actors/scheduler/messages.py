"""Messages of the scheduler."""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow, Ref
from actors.ledger.effects import JobInsert
from actors.ledger.messages import Outcome, UnitState
from rendertrust.blender_version import BlenderVersion
from rendertrust.job_status import UnitStatus
from rendertrust.protocol import Hello
from sql.audit_log import Act
from sql.nodes import NOTHING_SAID, StandingRecord
from sql.unit_retry_policy import tries
from sql.units import ANY, UnitFacts

MEMORY_MOST: Final = 4 << 40  # bytes; the most memory that a node is believed to have
CPU: Final = "cpu"
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

OpenOf: TypeAlias = Literal["jobs", "free jobs", "kinds"]


def unit_memory(
    device_class: str | None, ram: int | None, vram: int | None, slots: int | None
) -> int:
    """Return the bytes of memory for one unit that the fields of a hello declare.

    ``ram`` and ``vram`` are for all slots together. On a GPU the memory is at most the slot's part
    of ``vram``, if the node declares ``vram``.
    """
    given = min(ram or 0, MEMORY_MOST)
    if device_kind(device_class) not in ("", CPU) and vram is not None:
        given = min(given, vram)
    return given // max(slots or 1, 1)


def device_kind(device_class: str | None) -> str:
    """Return the kind of device, with which a device class begins (``cpu/x86_64``); '' if
    unknown.
    """
    return (device_class or "").partition("/")[0].lower()


class Scheduler:
    """Marker: the address of the scheduler actor."""


# The scheduler changes the facts of its own units; those of an assignment stay as they were sent.
@attrs.frozen(kw_only=True)  # pyright: ignore[reportGeneralTypeIssues]
class Assignment(UnitFacts):
    """A unit that is assigned to a node; sent to the node's session.

    ``pool``: whose work it is for the node: its owner's or organisation's (``mine``), of a user
    whom its owner trusts (``trusted``), or of any user (``any``).
    """

    state: UnitStatus = "DISPATCHED"
    given_at: float | None = None  # monotonic time of the assignment, if this gateway made it
    paused: bool = False  # the job's owner paused it: the unit must not begin
    pool: str = ANY
    is_trusted: bool = False  # the unit's creator trusts the node (``access.is_trusted``)

    @property
    def job_type(self) -> str:
        return self.plan.job_type

    @cached_property
    def params(self) -> dict[str, Any]:
        """The unit's parameters, as its node gets them."""
        return self.plan.params_of(self.frames, self.tile)

    @property
    def tries(self) -> int:
        """The number of attempts that reached a node, this one included."""
        return tries(self.attempt, self.unsent)


@attrs.frozen
class NoCapableNode:
    """Answer to ``Dispatch``: no healthy node can do the job.

    ``blenders``: versions of Blender that nodes have which lack only the job's version.
    ``card_bytes``: the most graphics memory that a node gives a unit, if nodes lack only the card
    that the job asks for; 0: none has a card. None: there is another reason.
    """

    blenders: tuple[BlenderVersion, ...] = ()
    card_bytes: int | None = None


@attrs.frozen
class AllNodesFull:
    """Answer to ``Dispatch``: no capable node has room; try again in ``retry_after`` seconds."""

    retry_after: int = 5


@attrs.frozen
class TooManyOpen:
    """Answer to ``Dispatch``: the user has reached a limit for open jobs.

    ``of``: the limit is for all jobs, for free jobs, or for kinds of jobs. Jobs are of one kind if
    they ask the same of a node (type, pool, requirements).
    """

    most: int
    of: OpenOf = "jobs"


DispatchOutcome: TypeAlias = NoCapableNode | AllNodesFull | TooManyOpen | Outcome


@attrs.frozen
class Dispatch(Message[Scheduler, DispatchOutcome]):
    """From the web: submit and place a new job. Answered by the Ledger, or here if refused.

    Success is the Ledger's ``Posted``, whose unit names the node, or ``Replayed`` with the answer
    to the first request. If all nodes are full, a job of several units is queued; with ``queue`` in
    its spec any job is, even if no node is capable. Only the job's first unit is placed with the
    dispatch; the others are read from the database afterwards.

    ``insert``: the job, whose id the sender chooses. ``idempotency``: (key, SHA-256 of the
    request). ``act``: the admin's action to record, if an admin repeats the job.
    """

    insert: JobInsert
    idempotency: tuple[str, bytes] | None = None
    act: Act | None = None


@attrs.frozen
class WaitCounts:
    """Numbers of nodes registered for a unit's job type, by the reason why they do not run it.

    ``ready`` have room now, ``full`` have none, ``paused`` declined work lately, ``barred`` are
    drained, quarantined or revoked, ``silent`` give no sign of life, ``closed`` may not do this
    user's work in the job's pool. ``unable`` left the job type out of their last hello, or lack
    several requirements. The others lack one requirement: ``wrong_class`` are not of the device
    class that the job is pinned to; ``low_memory``, ``wrong_device`` (cpu, gpu), ``other_blender``
    and ``no_opengl``.

    ``unverifiable``: ready or full nodes whose results no verifier can check; other idle nodes are
    preferred. ``not_before``: the unit's start time. ``reachable``: whether the unit's node has a
    session at this gateway; None if the unit has no node.
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
    other_blender: int = 0
    no_opengl: int = 0
    unverifiable: int = 0  # of those that are ready or full
    not_before: datetime | None = None
    reachable: bool | None = None

    @property
    def known(self) -> int:
        """The number of nodes counted, for all reasons together."""
        able = self.ready + self.full + self.paused + self.barred + self.closed + self.silent
        lacking = self.wrong_class + self.low_memory + self.wrong_device + self.other_blender
        return able + lacking + self.no_opengl + self.unable


@attrs.frozen
class ExplainWaiting(Message[Scheduler, Mapping[int, WaitCounts]]):
    """From the web: ask why units of a job do not begin; answered with counts by unit number.

    Units that the scheduler has not read are left out: it reads the next few of each job.
    """

    job: UUID
    units: tuple[int, ...] = (0,)


@attrs.frozen
class FleetSummary:
    """Summary of the nodes that may do a kind of work now.

    ``slots``: the total number of slots. ``blenders``: the versions of Blender that they have, the
    oldest first. ``memory``: the most bytes that one of them has for a unit; 0: no node declares
    it. ``has_opengl``:
    one of them has OpenGL, or does not say. ``ours``: the number of connected nodes that the
    gateway's owner runs.
    """

    nodes: int = 0
    slots: int = 0
    blenders: tuple[BlenderVersion, ...] = ()
    memory: int = 0
    has_gpu: bool = False
    has_opengl: bool = False
    ours: int = 0


@attrs.frozen
class GetFleet(Message[Scheduler, FleetSummary]):
    """From the web: summarise the nodes that may do a user's work of a type in a pool."""

    user: UUID
    job_type: str
    pool: str


@attrs.frozen
class GetVerifierCoverage(Message[Scheduler, Mapping[UUID, bool]]):
    """From the web: ask whether an online verifier can check these nodes' results.

    The answer contains only the nodes that are connected here and render.
    """

    nodes: tuple[UUID, ...]


@attrs.frozen
class NodeProved(Message[Scheduler, None]):
    """From the web: a node proved that it has its key; its session is informed of the owner."""

    node: UUID
    owner: UUID | None


@attrs.frozen
class NodeSeen(Message[Scheduler, None]):
    """From the web (heartbeat, verify) and NodeSession (opening, pong): a node's sign of life."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float | None  # None: unchanged

    def coalesce_key(self) -> Hashable:
        return (self.node, self.load is None)


@attrs.frozen
class StandingChanged(Message[Scheduler, None]):
    """From the web, and from the Verifier after a quarantine or a release: a node's new standing.

    Other gateways read the standing from the database.
    """

    node: UUID
    standing: StandingRecord


@attrs.frozen
class NodeGone(Message[Scheduler, None]):
    """From the Lifeline: a node was silent for 90 s, so it is not healthy."""

    node: UUID


@attrs.frozen
class SessionOpened(Message[Scheduler, None]):
    """From a NodeSession, repeated until it is answered: the session serves this node now.

    The answer is the message ``Assignments``. ``epoch`` orders a node's sessions at all gateways:
    the session with the greatest epoch serves the node, the others are closed with code 4003.
    """

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    session: Ref[Any]
    epoch: int
    standing: StandingRecord = NOTHING_SAID


@attrs.frozen
class SessionReady(Message[Scheduler, None]):
    """From a NodeSession: its node sent a hello, or changed what its hello declares.

    Capabilities in the hello narrow the registered ones; without any, the registered ones count.
    """

    node: UUID
    session: Ref[Any]
    hello: Hello


@attrs.frozen
class FindAlternatives(Message[Scheduler, None]):
    """From a NodeSession: ask which other nodes could do a unit that its node could not do.

    ``memory`` and ``vram`` (bytes), ``opengl`` and ``scripts`` are what the node lacked. The answer
    is the message ``AlternativesFound``.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    session: Ref[Any]
    memory: int = 0
    opengl: bool = False
    vram: int = 0
    scripts: bool = False


@attrs.frozen
class SessionClosed(Message[Scheduler, None]):
    """From a NodeSession at its end; without effect if a newer session serves the node."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class NodeDeclined(Message[Scheduler, None]):
    """From a NodeSession: its node takes no units now, for example because it drains or stops."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class NodeFailed(Message[Scheduler, None]):
    """From a NodeSession: its node, which fails often, has failed again; other nodes go first for a
    while.

    ``failures``: its recent failures (``sql.node_failures``).
    """

    node: UUID
    session: Ref[Any]
    failures: int


@attrs.frozen
class RecallDeclined(Message[Scheduler, None]):
    """From a NodeSession: a recalled unit stays, because its node has already received it.

    Also from another gateway, through the Notifier: ``node`` is the node of this gateway for which
    the unit was recalled.
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
    """From another gateway, through the Notifier: units that its idle nodes could take over.

    The answer is ``PeerAssigned``, ``RecallDeclined`` or nothing.
    """

    requests: tuple[StealRequest, ...]


@attrs.frozen
class GatewayMembership(Message[Scheduler, None]):
    """From the Notifier: this gateway's number, from 0, and the number of gateways."""

    index: int
    gateways: int


@attrs.frozen
class PeerClaimed(Message[Scheduler, None]):
    """From another gateway, through the Notifier: it is assigning these (job, unit, attempt).

    Whether the assignments were committed is read from the database later.
    """

    units: tuple[tuple[UUID, int, int], ...]


@attrs.frozen
class PeerAssigned(Message[Scheduler, None]):
    """From another gateway, through the Notifier: it assigned units to nodes that others serve."""

    nodes: tuple[UUID, ...]


@attrs.frozen
class PeerServes(Message[Scheduler, None]):
    """From another gateway, through the Notifier: a session there serves this node.

    A session of the node here with a lower epoch is closed.
    """

    node: UUID
    epoch: int


@attrs.frozen
class UnitsChanged(Message[Scheduler, None]):
    """From the actor that committed a change of units (by ``announce``): their new states."""

    units: tuple[UnitState, ...]


@attrs.frozen
class JobPaused(Message[Scheduler, None]):
    """From the web, and the Notifiers of all gateways: a job's owner paused it.

    Its assigned units are recalled unless their nodes have received them.
    """

    job: UUID


Hint: TypeAlias = (
    StealRequests | RecallDeclined | PeerAssigned | PeerClaimed | PeerServes | JobPaused
)  # from one gateway to all others


@attrs.frozen
class Wake(Message[Scheduler, None]):
    """From the web, if ``AccessChanged`` was not answered in time: read everything again soon."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE


@attrs.frozen
class JobsChanged(Message[Scheduler, None]):
    """From the web: jobs changed in ways that ``UnitsChanged`` does not report; read them again."""

    jobs: tuple[UUID, ...]


@attrs.frozen
class IsLoaded(Message[Scheduler, bool]):
    """From the web: ask whether all open units have been read once; until then dispatches wait."""


@attrs.frozen
class AccessChanged(Message[Scheduler, None]):
    """From the web: organisations or trust changed; answered once placement obeys the change."""


@attrs.frozen
class Poll(Message[Scheduler, None]):
    """A timer: read the next page of open jobs, and correct the state by it."""


@attrs.frozen
class ReadJobs(Message[Scheduler, None]):
    """A timer: read the jobs whose state here may be incomplete or out of date."""


@attrs.frozen
class BalanceLoad(Message[Scheduler, None]):
    """A timer: move units from busy nodes to idle ones."""


@attrs.frozen
class Refill(Message[Scheduler, None]):
    """A timer: read the next units of jobs with few waiting units here."""


@attrs.frozen
class StandingsDue(Message[Scheduler, None]):
    """A timer: read the standings that changed lately, at this or another gateway."""


@attrs.frozen
class PlaceDue(Message[Scheduler, None]):
    """A timer: the start time or grace period of a unit is over, so it may be placed now."""


@attrs.frozen
class PauseOver(Message[Scheduler, None]):
    """A timer: the pause of a node that declined units is over, unless its session has ended."""

    session: Ref[Any]


@attrs.frozen
class RestOver(Message[Scheduler, None]):
    """A timer: the rest of a node that failed again is over, unless it failed once more."""

    node: UUID


@attrs.frozen
class ResendMissed(Message[Scheduler, None]):
    """A timer: send all assignments again to sessions that missed a message."""
