"""State of one node's session: the node, what it said of itself, and the units held for it."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref, Timer
from actors.ledger.messages import Effect
from actors.node_session.dispatch_frames import pool_of
from actors.node_session.messages import NodeSession
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.node_session.unit_failures import Failure
from actors.ports import Clock
from actors.scheduler.messages import MEMORY_MOST, Assignment
from rendertrust.protocol import Hello, JobResult, PartsWanted, Running
from sql.nodes import StandingRecord
from sql.units import ANY

UnitKey: TypeAlias = tuple[UUID, int]
AttemptId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
LINES_MOST: Final = 80
LINE_CHARACTERS_MOST: Final = 400
LOG_CHARACTERS_MOST: Final = 16_000  # of all lines together


class ActorContext(Protocol):
    """The kernel, as the parts of a session use it: their actor's address, timers and work."""

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
    """How far a unit is, as this session knows."""

    WAITING = auto()  # not sent: the node has no free slot, or its hello is awaited
    SENT = auto()  # the frame left; nothing was heard of it
    RUNNING = auto()  # the node said so
    ENDING = auto()  # its result came, and is on its way into the books


@attrs.define
class LogTail:
    """The last log lines of a unit, without blank ones; kept to show why it failed."""

    _lines: deque[str] = attrs.field(factory=lambda: deque[str](maxlen=LINES_MOST), repr=False)

    def add(self, text: str) -> None:
        """Append the lines of a text."""
        lines = [line[:LINE_CHARACTERS_MOST] for line in text.splitlines()[-LINES_MOST:]]
        self._lines.extend(line for line in lines if line.strip())

    def new_lines(self, text: str) -> str:
        """Return the lines of a text that are not yet here, not even as a part of others."""
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

    ``heard_at`` is when the node last spoke of it, ``vouched_at`` what its last lease was based on,
    ``asked_at`` when the Ledger was last asked about it, ``begun_at`` when the attempt began.
    """

    assignment: Assignment
    phase: Phase = Phase.WAITING
    heard_at: float | None = None
    vouched_at: float | None = None
    asked_at: float | None = None
    begun_at: float | None = None
    paced_at: float | None = None  # when it was last compared with the others of its job
    quoted_at: float | None = None  # when it was last compared with its quote
    is_started: bool = False  # it is RUNNING in the books
    result: JobResult | None = None
    effect: Effect | None = None  # what the Ledger is asked to do with it at its end
    # An outside node's report that would end the unit, and its time; the Scheduler is asked first
    # which other nodes could do it.
    doubted: tuple[Failure, datetime] | None = None
    is_stuck: bool = False  # several nodes lost it, or it is beyond them: an admin is told
    is_inspected: bool = False  # its result is being looked at in the store, in the background
    # Of what the store is asked about parts now, and what the node has asked for since.
    asks_parts: dict[str, PartsWanted | None] = attrs.field(factory=dict[str, PartsWanted | None])
    tries: int = 0
    offers: int = 0  # of parts that came to nothing
    log: LogTail = attrs.field(factory=LogTail)
    thumbnails: set[int] = attrs.field(factory=set[int])  # frames that have one

    @property
    def key(self) -> UnitKey:
        return (self.assignment.job, self.assignment.unit)

    @property
    def attempt(self) -> int:
        return self.assignment.attempt

    @property
    def id(self) -> AttemptId:
        return (*self.key, self.attempt)

    @property
    def is_out(self) -> bool:
        """True if the node has it."""
        return self.phase is not Phase.WAITING

    @property
    def running(self) -> Running:
        """The unit, as frames name it."""
        unit = self.assignment
        return Running(job_id=str(unit.job), unit=unit.unit, attempt=unit.attempt)


class HeldUnits:
    """All held units, in the order in which they came."""

    def __init__(self) -> None:
        self._held: dict[UnitKey, HeldUnit] = {}

    def __iter__(self) -> Iterator[HeldUnit]:
        return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def add(self, held: HeldUnit) -> None:
        self._held[held.key] = held

    def remove(self, held: HeldUnit) -> None:
        if self._held.get(held.key) is held:
            del self._held[held.key]

    def get(self, job: UUID, unit: int) -> HeldUnit | None:
        return self._held.get((job, unit))

    def exactly(self, job: UUID, unit: int, attempt: int) -> HeldUnit | None:
        """Return the unit at this attempt."""
        held = self._held.get((job, unit))
        return held if held is not None and held.attempt == attempt else None

    def named(self, job_id: str, unit: int | None, attempt: int | None) -> HeldUnit | None:
        """Return the unit that a frame names; what it leaves out is as this node was given it."""
        try:
            job = UUID(job_id)
        except ValueError:
            return None
        held = self._held.get((job, unit)) if unit is not None else self._only(job)
        if held is None or attempt not in (None, held.attempt):
            return None
        return held

    def _only(self, job: UUID) -> HeldUnit | None:
        """Return the job's first unit here: the reference knows jobs of one unit only."""
        units = [held for held in self._held.values() if held.key[0] == job]
        return min(units, key=lambda held: held.key[1]) if units else None

    def sendable(self, slots: int | None) -> list[HeldUnit]:
        """Return the units of which the next may be sent: none while all ``slots`` work."""
        out = sum(held.phase in (Phase.SENT, Phase.RUNNING) for held in self._held.values())
        return self.waiting() if slots is None or out < slots else []

    def waiting(self) -> list[HeldUnit]:
        """Return the units that the node does not have."""
        return [held for held in self._held.values() if held.phase is Phase.WAITING]

    def compare(self, running: Iterable[Running]) -> "HelloComparison":
        """Compare what a node says it runs with what it was given."""
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
    """Result of a hello. ``lost`` units ran in the books, and the node does not have them."""

    keep: tuple[HeldUnit, ...]
    drop: tuple[Running, ...]
    lost: tuple[HeldUnit, ...]
    unsent: tuple[HeldUnit, ...]


@attrs.define(eq=False)
class SessionState:
    """The node of a session, and how far the session is.

    ``is_plain``: the node is a client of the reference, which sends no hello. ``is_assigned``: the
    Scheduler has sent the node's assignments. ``epoch`` orders the sessions of this node at all
    gateways. ``opened_at`` is when the session began, by the database's clock and by the monotonic
    one.
    """

    node: NodeIdentity
    settings: NodeSessionSettings
    clock: Clock
    standing: StandingRecord = attrs.field(init=False)
    hello: Hello | None = None
    is_plain: bool = False
    is_assigned: bool = False
    epoch: int = 0
    opened_at: tuple[datetime, float] | None = None
    units: HeldUnits = attrs.field(factory=HeldUnits)

    def __attrs_post_init__(self) -> None:
        self.standing = self.node.standing

    @property
    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return self.clock.monotonic()

    @property
    def device_class(self) -> str:
        """The machine's device class, as its hello says; '' where it says none."""
        return (self.hello.device_class if self.hello is not None else None) or ""

    @property
    def unit_memory(self) -> int:
        """Bytes of memory that the node gives one unit, as its hello says, up to a bound."""
        hello = self.hello
        return 0 if hello is None else min(hello.ram or 0, MEMORY_MOST) // hello.slots

    def serves(self, pool: str) -> bool:
        """Return whether the node takes work of a pool, as its hello says."""
        pools = () if self.hello is None else self.hello.pools
        return not pools or pool in pools

    def is_outsider(self, unit: Assignment) -> bool:
        """Return whether the node is neither the gateway's own, nor the creator's, nor trusted by
        the creator: then its report alone does not end the unit.
        """
        node, own = self.node, self.settings.own
        return pool_of(unit, node.owner) == ANY and node.id not in own

    def begin_of(self, unit: Assignment) -> float:
        """Return when an attempt began that an earlier session sent: when it was assigned, at the
        earliest. Sessions at other gateways may have sent it, of which nothing is known here.

        The database's times are compared with the time that it gave when this session began, as
        this machine's clock may be wrong.
        """
        now = self.now
        if unit.given_at is not None:
            return min(unit.given_at, now)
        if unit.assigned_at is None or self.opened_at is None:
            return now
        at, steady = self.opened_at
        return min(steady + (unit.assigned_at - at).total_seconds(), now)
