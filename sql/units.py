"""Rows of open jobs and units as the scheduler and the lifeline read them, and units' durations."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs
import orjson

from rendertrust.frame_range import parse
from rendertrust.job_status import UnitStatus
from rendertrust.job_types import RENDER, VIDEO
from sql.job_plan import JobPlan

# The pools of nodes.
MINE, TRUSTED, ANY = "mine", "trusted", "any"
# Weights for low, normal and high priority.
WEIGHTS: Final[Mapping[int, int]] = {-1: 1, 0: 2, 1: 4}
JobPlace: TypeAlias = tuple[datetime, UUID]  # when the job was queued, and its id
# Returns the plan of a job that the caller already knows, or None.
KnownPlan: TypeAlias = Callable[[UUID], JobPlan | None]
LeaseId: TypeAlias = tuple[UUID, int, int, UUID]  # job, unit, attempt, node
Kind: TypeAlias = Literal["frame", "chunk", "tile", "merged", "video", "other"]
Alike: TypeAlias = tuple[UUID, bool]  # job; True for its tiles, False for its other units
# A segment of a result's key after the user: neither empty, nor of dots only, nor encoded.
_SEGMENT: Final = re.compile(r"\.*[\w-][\w.-]*", re.ASCII)
DONE_MOST: Final = 50  # most recently completed units of each job that determine its pace


def weight(priority: int) -> int:
    """Return the weight of a priority: users share slots in the ratio of their units' weights."""
    return WEIGHTS[priority]


def result_key(user: UUID, job: UUID, unit: int, attempt: int) -> str:
    """Return the object-store key of an attempt's result. Only that attempt writes it."""
    return f"results/{user}/{job}/{unit}/{attempt}/result"


def is_result_of(user: UUID, key: str) -> bool:
    """Return True if the gateway may have derived this key for a result of the user.

    In its own bucket, the gateway gives a user URLs only for such keys, whatever a node reported.
    """
    own = f"results/{user}/"
    return key.startswith(own) and all(map(_SEGMENT.fullmatch, key[len(own) :].split("/")))


def evidence_key(user: UUID, job: UUID, unit: int, attempt: int) -> str:
    """Return the object-store key of an attempt's evidence."""
    return beside(result_key(user, job, unit, attempt))


def beside(result: str) -> str:
    """Return the key of the evidence that belongs to a result's key."""
    return f"{result.rpartition('/')[0]}/evidence"


def sheet_key(result: str) -> str:
    """Return the key of the comparison sheet that a disputed result with this key may have."""
    return f"{result.rpartition('/')[0]}/comparison.png"


@attrs.frozen
class PartResult:
    """The result of one of the units from which another is assembled, as far as it is known."""

    unit: int
    attempt: int
    sha256: str | None
    size: int | None


def parts_of(documents: Sequence[str] | None) -> tuple[PartResult, ...]:
    """Parse the results from which a unit is assembled, in order, from the database's JSON."""
    return tuple(PartResult(*orjson.loads(one)) for one in documents or ())


@attrs.frozen
class OpenJob:
    """An open job, and the number of its open units."""

    id: UUID
    queued_at: datetime
    units: int

    @property
    def place(self) -> JobPlace:
        """The position among all open jobs."""
        return self.queued_at, self.id


@attrs.frozen
class OpenJobTerms:
    """An open job without its units and parameters, for limits on a user's open jobs."""

    job: UUID
    user: UUID
    plan: JobPlan = attrs.field(repr=False)
    units: int
    is_free: bool


@attrs.define(eq=False)
class UnitFacts:
    """An attempt at an open unit, with columns of its job.

    ``priority``, ``queued_at`` of its job and ``place`` within the job decide when its turn is.
    ``avoid``: nodes that failed or lost this unit, or could not be sent it; ``barred``: nodes that
    failed any unit of the job.
    """

    job: UUID
    number: int  # of the unit within its job
    user: UUID
    plan: JobPlan = attrs.field(repr=False)
    queued_at: datetime
    attempt: int = 0
    avoid: frozenset[UUID] = frozenset()
    failures: int = 0
    not_before: datetime | None = None
    assigned_at: datetime | None = None
    place: int = 0
    frames: str | None = None
    tile: int | None = None
    parts: tuple[PartResult, ...] = ()
    priority: int = 0
    barred: frozenset[UUID] = frozenset()
    units: int = 1  # number of units of the job
    price: int = 0  # in 1/10,000 credits
    started_at: datetime | None = None  # when this or an earlier attempt started
    copied: int = 0  # number of the newest speculative attempt
    is_copy: bool = False  # this attempt is the speculative one
    faults: int = 0  # failures that no node caused
    unsent: int = 0  # earlier attempts that no node ever received
    answered: bool = False  # its speculative attempt has delivered and waits for its verdict
    needs_memory: int = 0  # bytes; a node with less ran out of memory
    needs_opengl: bool = False  # set when a node without OpenGL failed it
    needs_vram: int = 0  # bytes; a card with less ran out of memory
    needs_scripts: bool = False  # set when a node with a card refused its script shaders
    vram_used: int = 0  # bytes; the most graphics memory that nodes measured of the job's units


@attrs.define
class OpenUnit(UnitFacts):
    """A row of an attempt at an open unit. A unit with a speculative attempt has two rows."""

    state: UnitStatus = attrs.field(kw_only=True)  # QUEUED, DISPATCHED or RUNNING
    node: UUID | None = None  # None while QUEUED
    lease_until: datetime | None = None
    paused: str | None = None  # why its job is paused: 'owner' or 'cap'


@attrs.frozen
class UnitDuration:
    """The duration of a complete unit, and its frames or tile."""

    job: UUID
    frames: str | None
    is_tile: bool
    seconds: float


def nothing_known(_: UUID) -> None:
    """Return None for every job: a ``KnownPlan`` of a caller that knows no plan."""


@attrs.frozen
class Lease:
    """A lease to write: a unit may stay with its node for ``seconds`` without being renewed."""

    job: UUID
    unit: int
    attempt: int
    node: UUID
    seconds: float

    @property
    def id(self) -> LeaseId:
        return self.job, self.unit, self.attempt, self.node


def unit_kind(job_type: str, params: Mapping[str, Any]) -> Kind:
    """Return the kind of result of a unit with this job type and these parameters."""
    if job_type == VIDEO:
        return "video"
    if job_type != RENDER:
        return "other"
    if "tile" in params:
        return "tile"
    if "tiles" in params:
        return "merged"
    return "frame" if len(params.get("frames") or [0]) == 1 else "chunk"


@attrs.frozen
class UnitDurations:
    """The number of complete units of a job, and the median seconds per frame."""

    done: int
    seconds: float


def paces(units: Iterable[UnitDuration]) -> dict[Alike, UnitDurations]:
    """Return each job's number of completed units and their median seconds per frame.

    A job's tiles are counted apart from its other units, as they take less time.
    """
    found: defaultdict[Alike, list[float]] = defaultdict(list)
    for unit in units:
        found[unit.job, unit.is_tile].append(unit.seconds / frames_of(unit.frames))
    return {alike: UnitDurations(len(seconds), median(seconds)) for alike, seconds in found.items()}


def frames_in(params: Mapping[str, Any]) -> int:
    """Count the frames in a unit's parameters; at least one."""
    named = params.get("frames")
    return max(len(named), 1) if isinstance(named, list) else 1  # pyright: ignore[reportUnknownArgumentType]


def frames_of(frames: str | None) -> int:
    """Count the frames of a unit; at least one."""
    return 1 if frames is None else max(len(parse(frames)), 1)
