"""The units that a session holds for its node, each with how far it is."""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from typing import TypeAlias
from uuid import UUID

import attrs

from actors.ledger.messages import Effect, UnitFail
from actors.node_session.log_tail import LogTail
from actors.node_session.messages import AlternativesFound
from actors.scheduler.messages import Assignment
from rendertrust.protocol import JobResult, PartsWanted, Running

UnitKey: TypeAlias = tuple[UUID, int]
# The effect of a failure, by who else could be asked; None: the node's word is enough.
Doubted: TypeAlias = Callable[[AlternativesFound | None], UnitFail]


class Phase(Enum):
    """How far a unit is, as this session knows."""

    WAITING = auto()  # not sent: the node has no free slot, or its hello is awaited
    SENT = auto()  # the frame left; nothing was heard of it
    RUNNING = auto()  # the node said so
    ENDING = auto()  # its result came, and is on its way into the books


@attrs.define(eq=False)
class HeldUnit:
    """One unit. Times are seconds of the monotonic clock.

    ``heard_at`` is when the node last spoke of it, ``vouched_at`` what its last lease was based on,
    ``asked_at`` when the Ledger was last asked about it, ``begun_at`` when the attempt began.
    """

    assignment: Assignment
    phase: Phase = Phase.WAITING
    heard_at: float | None = None
    vouched_at: float | None = None
    asked_at: float | None = None
    begun_at: float | None = None
    paced_at: float | None = None  # when it was last held against the others of its job
    quoted_at: float | None = None  # when it was last held against its quote
    is_started: bool = False  # RUNNING stands in the books
    result: JobResult | None = None
    effect: Effect | None = None  # what the Ledger is asked to do with it at its end
    doubted: Doubted | None = None  # a stranger's word that would end it: others are looked for
    is_stuck: bool = False  # several nodes lost it, or it is beyond them: an admin is told
    is_looked_at: bool = False  # in the background: what lies in the store of its result
    # Of what the store is asked about parts now, and what the node has asked for since.
    asks_parts: dict[str, PartsWanted | None] = attrs.field(factory=dict[str, PartsWanted | None])
    tries: int = 0
    offers: int = 0  # of parts that came to nothing
    said: LogTail = attrs.field(factory=LogTail)
    shown: set[int] = attrs.field(factory=set[int])  # frames of which there is a picture

    @property
    def key(self) -> UnitKey:
        return (self.assignment.job, self.assignment.unit)

    @property
    def attempt(self) -> int:
        return self.assignment.attempt

    @property
    def is_out(self) -> bool:
        """Whether the node has it."""
        return self.phase is not Phase.WAITING

    @property
    def running(self) -> Running:
        """It, in a frame."""
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
        """The unit at this attempt."""
        held = self._held.get((job, unit))
        return held if held is not None and held.attempt == attempt else None

    def named(self, job_id: str, unit: int | None, attempt: int | None) -> HeldUnit | None:
        """The unit that a frame speaks of; what it leaves out is what this node was given."""
        try:
            job = UUID(job_id)
        except ValueError:
            return None
        held = self._held.get((job, unit)) if unit is not None else self._only(job)
        if held is None or attempt not in (None, held.attempt):
            return None
        return held

    def _only(self, job: UUID) -> HeldUnit | None:
        """The job's one unit here, or its first: the reference knows jobs of one unit only."""
        units = [held for held in self._held.values() if held.key[0] == job]
        return min(units, key=lambda held: held.key[1]) if units else None

    def sendable(self, slots: int | None) -> list[HeldUnit]:
        """Of which the next may be sent: none while all slots work; a node may have none told."""
        out = sum(held.phase in (Phase.SENT, Phase.RUNNING) for held in self._held.values())
        return self.waiting() if slots is None or out < slots else []

    def waiting(self) -> list[HeldUnit]:
        """Those that the node does not have."""
        return [held for held in self._held.values() if held.phase is Phase.WAITING]

    def compare(self, running: Iterable[Running]) -> "HelloComparison":
        """What a node says it has against what it was given."""
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
    """After a hello. ``lost`` ran in the books, and the node knows nothing of them."""

    keep: tuple[HeldUnit, ...]
    drop: tuple[Running, ...]
    lost: tuple[HeldUnit, ...]
    unsent: tuple[HeldUnit, ...]
