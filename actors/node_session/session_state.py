"""State of one node's session: the node, its hello, its standing, and its units."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref, Timer
from actors.ledger.effects import Effect
from actors.node_session.messages import NodeSession
from actors.node_session.settings import NodeSessionSettings
from actors.node_session.unit_failures import MEMORIES, VRAM, Failure
from actors.ports import Clock
from actors.scheduler.messages import Assignment, unit_memory
from rendertrust.blender_version import UNKNOWN, parse
from rendertrust.device_class import with_build
from rendertrust.protocol import Build, Hello, JobResult, PartsWanted, Running
from rendertrust.relay_frames import BUILDS_MAX
from sql.nodes import NodeIdentity, StandingRecord

UnitKey: TypeAlias = tuple[UUID, int]
AttemptId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
LINES_MOST: Final = 80  # lines of one unit's log
LINE_CHARACTERS_MOST: Final = 400
LOG_CHARACTERS_MOST: Final = 16_000  # characters of these lines together
OFFERED_MOST: Final = 4 * BUILDS_MAX  # builds that a session knows


class ActorContext(Protocol):
    """Services of the session's actor for the objects in it: address, timers, background work."""

    @property
    def ref(self) -> Ref[NodeSession]:
        """The actor's own address."""
        ...

    def after(
        self, seconds: float, message: Message[NodeSession, Any], *, jitter: float = 0.0
    ) -> Timer:
        """Send the actor ``message`` in ``seconds``."""
        ...

    def background(
        self,
        work: Callable[[], Awaitable[Message[NodeSession, Any]]],
        *,
        within: float,
        otherwise: Message[NodeSession, Any],
    ) -> None:
        """Run ``work`` beside the actor, and send the actor the message that it returns."""
        ...


class Phase(Enum):
    """How far a unit is, as far as this session knows."""

    WAITING = auto()  # not sent yet: the node has no free slot, or has sent no hello
    SENT = auto()  # sent; the node has not reported on the unit yet
    RUNNING = auto()  # the node has reported that the unit runs
    ENDING = auto()  # the unit's end in this session is being prepared or requested


@attrs.define
class LogTail:
    """The last log lines of a unit, without blank lines; kept to show why the unit failed."""

    _lines: deque[str] = attrs.field(factory=lambda: deque[str](maxlen=LINES_MOST), repr=False)

    def add(self, text: str) -> None:
        """Append the lines of a text."""
        lines = [line[:LINE_CHARACTERS_MOST] for line in text.splitlines()[-LINES_MOST:]]
        self._lines.extend(line for line in lines if line.strip())

    def new_lines(self, text: str) -> str:
        """Return the lines of a text that no line of the log contains."""
        known = "".join(self._lines)
        return "\n".join(
            line for line in text.splitlines() if line.strip()[:LINE_CHARACTERS_MOST] not in known
        )

    def take(self) -> str:
        """Remove all lines and return them, the oldest first."""
        text = "\n".join(self._lines)[-LOG_CHARACTERS_MOST:]
        self._lines.clear()
        return text


@attrs.define(eq=False)
class HeldUnit:
    """One unit of the session. Times are seconds of the monotonic clock.

    ``heard_at``: when the node last reported on the unit, or was sent it. ``vouched_at``: the time
    from which the unit's last lease was counted (``ledger_requests.vouched_at``). ``asked_at``:
    when the pending commit about it was sent to the Ledger. ``begun_at``: when the attempt began.
    """

    assignment: Assignment
    _phase: Phase = attrs.field(default=Phase.WAITING, alias="phase")
    units: "HeldUnits | None" = attrs.field(default=None, init=False, repr=False)  # its session's
    heard_at: float | None = None
    vouched_at: float | None = None
    asked_at: float | None = None
    begun_at: float | None = None
    pace_checked_at: float | None = None  # when the unit was last compared with others
    quote_checked_at: float | None = None  # when the unit was last compared with its quote
    is_started: bool = False  # the Ledger has booked the unit as RUNNING
    result: JobResult | None = None
    effect: Effect | None = None  # requested from the Ledger to end the unit in this session
    # A failure that would end the unit, and its time. An outside node reported it, so the Scheduler
    # is first asked which other nodes could do the unit.
    doubted: tuple[Failure, datetime] | None = None
    is_stuck: bool = False  # several nodes lost the unit or lack what it needs: alert admins
    is_inspected: bool = False  # the unit's result is being inspected in the background
    # Requests for upload URLs of "result" or "evidence" that are being answered; the value is the
    # node's last further request.
    part_requests: dict[str, PartsWanted | None] = attrs.field(factory=dict)
    tries: int = 0  # tries to send or settle the unit since it was last sent
    aborted_uploads: int = 0  # multipart uploads that were aborted for another length
    log: LogTail = attrs.field(factory=LogTail)
    thumbnails: set[int] = attrs.field(factory=set)  # frames with a stored thumbnail

    @property
    def phase(self) -> Phase:
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        units = self.units
        if units is not None:
            units.discount(self)
        self._phase = phase
        if units is not None:
            units.count(self)

    @property
    def key(self) -> UnitKey:
        return (self.assignment.job, self.assignment.number)

    @property
    def attempt(self) -> int:
        return self.assignment.attempt

    @property
    def id(self) -> AttemptId:
        return (*self.key, self.attempt)

    @property
    def is_out(self) -> bool:
        """True unless the unit still waits to be sent to the node."""
        return self.phase is not Phase.WAITING

    @property
    def running(self) -> Running:
        """Job, unit and attempt, in the form that relay frames use."""
        unit = self.assignment
        return Running(job_id=str(unit.job), unit=unit.number, attempt=unit.attempt)


class HeldUnits:
    """All units of a session, in the order in which they were assigned."""

    def __init__(self) -> None:
        self._held: dict[UnitKey, HeldUnit] = {}
        self._waiting: dict[UnitKey, HeldUnit] = {}
        self._sent = 0  # number of units in the phases SENT and RUNNING

    def __iter__(self) -> Iterator[HeldUnit]:
        return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def add(self, held: HeldUnit) -> None:
        known = self._held.get(held.key)
        if known is not None:
            self.remove(known)
        self._held[held.key], held.units = held, self
        self.count(held)

    def remove(self, held: HeldUnit) -> None:
        if self._held.get(held.key) is held:
            del self._held[held.key]
            self.discount(held)
            held.units = None

    def count(self, held: HeldUnit) -> None:
        """Count a unit in its present phase."""
        if held.phase is Phase.WAITING:
            self._waiting[held.key] = held
        elif held.phase is not Phase.ENDING:
            self._sent += 1

    def discount(self, held: HeldUnit) -> None:
        """Undo ``count``, before the phase of a unit changes."""
        if held.phase is Phase.WAITING:
            del self._waiting[held.key]
        elif held.phase is not Phase.ENDING:
            self._sent -= 1

    def get(self, job: UUID, unit: int) -> HeldUnit | None:
        return self._held.get((job, unit))

    def exactly(self, job: UUID, unit: int, attempt: int) -> HeldUnit | None:
        """Return the unit if the session holds this attempt of it."""
        held = self._held.get((job, unit))
        return held if held is not None and held.attempt == attempt else None

    def named(self, job_id: str, unit: int | None, attempt: int | None) -> HeldUnit | None:
        """Return the unit that a relay frame names; the relay frame may omit the unit's number and
        attempt.
        """
        try:
            job = UUID(job_id)
        except ValueError:
            return None
        held = self._held.get((job, unit)) if unit is not None else self._only(job)
        if held is None or attempt not in (None, held.attempt):
            return None
        return held

    def _only(self, job: UUID) -> HeldUnit | None:
        """Return the job's first unit; nodes that name no unit get only jobs of one unit."""
        units = [held for held in self._held.values() if held.key[0] == job]
        return min(units, key=lambda held: held.key[1]) if units else None

    def sendable(self, slots: int | None) -> list[HeldUnit]:
        """Return the units of which one may be sent now; no units while all ``slots`` are in
        use.
        """
        return self.waiting() if slots is None or self._sent < slots else []

    def waiting(self) -> list[HeldUnit]:
        """Return the units that were not sent to the node yet."""
        return list(self._waiting.values())

    def compare(self, running: Iterable[Running]) -> "HelloComparison":
        """Compare the units that a hello lists as ``running`` with the units of the session."""
        keep: list[HeldUnit] = []
        drop: list[Running] = []
        for said in running:
            held = self.named(said.job_id, said.unit, said.attempt)
            if held is None:
                drop.append(said)
            elif held not in keep:
                keep.append(held)
        rest = [held for held in self._held.values() if held not in keep]
        return HelloComparison(
            keep=tuple(keep),
            drop=tuple(drop),
            lost=tuple(h for h in rest if h.phase is Phase.RUNNING),
            unsent=tuple(h for h in rest if h.phase is Phase.SENT),
        )


@attrs.frozen
class HelloComparison:
    """Comparison of the units that a hello lists with the units of the session.

    ``keep``: units in both. ``drop``: units in the hello that are not assigned to the node. Units
    that the hello does not list are ``lost`` if they were RUNNING, and ``unsent`` if they were only
    SENT.
    """

    keep: tuple[HeldUnit, ...]
    drop: tuple[Running, ...]
    lost: tuple[HeldUnit, ...]
    unsent: tuple[HeldUnit, ...]


@attrs.define(eq=False)
class SessionState:
    """State of a session: its node, what is known about the node, and the node's units.

    ``offered``: the builds of all hellos of the session, as a unit ends in that in which it began.
    ``is_plain``: the node is a simple node (``docs/PROTOCOL.md``), which sends no hello.
    ``is_assigned``: the Scheduler has sent the node's assignments. ``epoch``: number that orders
    this node's sessions at all gateways. ``opened_at``: when the session began, by the database's
    clock and by the monotonic clock.
    """

    node: NodeIdentity
    settings: NodeSessionSettings
    clock: Clock
    standing: StandingRecord = attrs.field(init=False)
    hello: Hello | None = None
    offered: dict[str, Build] = attrs.field(factory=dict[str, Build])
    is_plain: bool = False
    is_assigned: bool = False
    epoch: int = 0
    opened_at: tuple[datetime, float] | None = None
    units: HeldUnits = attrs.field(factory=HeldUnits)

    def __attrs_post_init__(self) -> None:
        self.standing = self.node.standing

    def hear(self, hello: Hello) -> None:
        """Take the node's newest hello."""
        self.hello = hello
        for each in hello.builds:
            if each.build:
                self.offered.pop(each.build, None)  # so that the newest are last
                self.offered[each.build] = each
        for oldest in list(self.offered)[:-OFFERED_MOST]:
            del self.offered[oldest]

    @property
    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return self.clock.monotonic()

    @property
    def device_class(self) -> str:
        """The node's device class from its hello; '' if unknown."""
        return (self.hello.device_class if self.hello is not None else None) or ""

    def build_for(self, unit: Assignment) -> Build | None:
        """Return the build in which the node renders a unit, of the version that the unit needs.

        With ``or_newer``, a newer version only if the node lacks that one, the nearest first. None
        if the unit needs no version, or the node does not say that it has it.
        """
        wanted = parse(unit.plan.needs.blender or "")
        if self.hello is None or wanted == UNKNOWN:
            return None
        newest_last = sorted(self.hello.used_builds, key=lambda each: parse(each.version))
        able = [each for each in newest_last if parse(each.version) >= wanted]
        is_chosen = bool(able) and (unit.plan.spec.or_newer or parse(able[0].version) == wanted)
        return able[0] if is_chosen else None

    def class_for(self, unit: Assignment, signed: str = "") -> str:
        """Return the device class in which the node renders a unit; '' if unknown.

        ``signed``: the build that the node has signed. It counts if the node has offered it, also
        before a newer list of renderers, and the unit may be rendered in its version.
        """
        hello, used = self.hello, self.offered.get(signed)
        is_fit = used is not None and _is_fit(used, unit)
        build = used if is_fit else self.build_for(unit)
        if hello is None or build is None or not build.build or not self.device_class:
            return self.device_class
        return with_build(self.device_class, hello.build or "", build.build)

    def build_named(self, build: str) -> Build | None:
        """Return the node's build with this hash; None if the node does not have it."""
        known = () if self.hello is None else self.hello.used_builds
        return next((each for each in known if build and each.build == build), None)

    def given(self, unit: Assignment, what: str | None) -> int:
        """Return the bytes of memory or graphics memory that the node gives a unit, by the measure
        with which the Scheduler compares nodes; 0 of anything else.
        """
        hello = self.hello
        if hello is None or what not in MEMORIES:
            return 0
        if what == VRAM:
            return unit_memory(None, hello.vram, None, hello.slots)
        is_main_alone = unit.plan.needs.vram is not None  # graphics memory is counted besides
        device = None if is_main_alone else hello.device_class
        return unit_memory(device, hello.ram, hello.vram, hello.slots)

    def serves(self, pool: str) -> bool:
        """Return whether the node accepts work of a pool; a node whose hello names no pools accepts
        all work.
        """
        pools = () if self.hello is None else self.hello.pools
        return not pools or pool in pools

    def is_outsider(self, unit: Assignment) -> bool:
        """Return whether the gateway's owner does not run the node, and the unit's creator neither
        owns nor trusts it.

        An outsider's report of a failure does not end the unit while nodes of other owners could
        try it.
        """
        node, own = self.node, self.settings.own
        return not (unit.is_trusted or unit.user == node.owner or node.id in own)

    def assigned_time(self, unit: Assignment) -> float:
        """Return when a unit was assigned, on the monotonic clock; at most the present.

        For units that an earlier session sent, this time counts as the start of the attempt.
        Database times are converted by ``opened_at``, as this machine's clock may be wrong.
        """
        now = self.now
        if unit.given_at is not None:
            return min(unit.given_at, now)
        if unit.assigned_at is None or self.opened_at is None:
            return now
        at, steady = self.opened_at
        return min(steady + (unit.assigned_at - at).total_seconds(), now)


def _is_fit(build: Build, unit: Assignment) -> bool:
    """Return True if a unit may be rendered in the version of this build."""
    wanted, has = parse(unit.plan.needs.blender or ""), parse(build.version)
    return wanted != UNKNOWN and (has == wanted or (unit.plan.spec.or_newer and has > wanted))
