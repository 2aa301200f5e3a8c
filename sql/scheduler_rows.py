"""Rows of nodes, jobs and units for the Scheduler and the Lifeline."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs
import orjson

# In a job's parameters: [columns, rows] of the tiles of each frame, set by the gateway.
GRID: Final = "_tiles"
# In a job's parameters: the basis of its price, if priced by work.
PRICED: Final = "_priced"
# The pool of nodes: mine, trusted, or absent for any.
POOL: Final = "_pool"
MINE, TRUSTED, ANY = "mine", "trusted", "any"
# Weights for low, normal and high priority.
WEIGHTS: Final[Mapping[int, int]] = {-1: 1, 0: 2, 1: 4}
ACTIVE, DRAINING, QUARANTINED, REVOKED = "ACTIVE", "DRAINING", "QUARANTINED", "REVOKED"


def weight(priority: int) -> int:
    """Return the weight of a priority: units at work relative to users with other priorities."""
    return WEIGHTS[priority]


def result_key(user: UUID, job: UUID, unit: int, attempt: int) -> str:
    """Return the key of an attempt's result, which only that attempt writes."""
    return f"results/{user}/{job}/{unit}/{attempt}/result"


def evidence_key(user: UUID, job: UUID, unit: int, attempt: int) -> str:
    """Return the key of an attempt's evidence."""
    return beside(result_key(user, job, unit, attempt))


def beside(result: str) -> str:
    """Return the key of the evidence for a result's key."""
    return f"{result.rpartition('/')[0]}/evidence"


@attrs.frozen
class StandingRecord:
    """A node's standing with its reason. The one with the greater version counts."""

    name: str = ACTIVE
    version: int = 0
    reason: str = ""

    def may_work_for(self, user: UUID, owner: UUID | None) -> bool:
        """Return True if a node of ``owner`` may begin a unit of this user."""
        return self.name == ACTIVE or (self.name == QUARANTINED and user == owner)


NOTHING_SAID: Final = StandingRecord()


def standing_of(row: Any) -> StandingRecord:
    """Read a standing from a row of nodes."""
    return StandingRecord(row["standing"], row["standing_version"], row["standing_reason"])


@attrs.frozen
class StandingRow:
    """A node whose standing changed ``at`` a time, with its latest standing."""

    node: UUID
    owner: UUID | None
    standing: StandingRecord
    at: datetime


@attrs.frozen
class NodeRow:
    id: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float
    verified: bool
    silent_seconds: float | None = None  # since its last sign of life; None: there was none
    epoch: int = 0  # of its newest session


@attrs.frozen
class PartResult:
    """The result of a unit that another one is made from, as far as known here."""

    unit: int
    attempt: int
    sha256: str | None
    size: int | None


def parts_of(told: Sequence[str] | None) -> tuple[PartResult, ...]:
    """Parse the parts of a unit, in order, from the database's JSON."""
    return tuple(PartResult(*orjson.loads(one)) for one in told or ())


JobPlace: TypeAlias = tuple[datetime, UUID]  # queued since, and the id


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
class SessionStart:
    """The epoch of a node's session among those of all gateways, and its start.

    The time is the database's.
    """

    epoch: int
    at: datetime


@attrs.frozen
class OpenJobTerms:
    """The terms of an open job; of its parameters only the pool and requirements."""

    job: UUID
    user: UUID
    job_type: str
    params: dict[str, Any]
    units: int
    is_free: bool


@attrs.frozen
class OpenUnit:
    """An open unit, with the facts of its job.

    ``avoid``: nodes that failed this unit; ``barred``: nodes that failed any unit of the job. A
    unit with a speculative copy yields two rows.
    """

    job: UUID
    unit: int
    user: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    state: str  # QUEUED, DISPATCHED or RUNNING
    attempt: int
    node: UUID | None  # None while QUEUED
    avoid: frozenset[UUID]
    failures: int
    not_before: datetime | None
    assigned_at: datetime | None
    lease_until: datetime | None
    queued_at: datetime
    place: int = 0
    frames: str | None = None
    tile: int | None = None
    parts: tuple[PartResult, ...] = ()
    priority: int = 0
    barred: frozenset[UUID] = frozenset()
    units: int = 1  # of the whole job
    price: int = 0  # in units of money
    started_at: datetime | None = None  # of this or an earlier attempt
    copied: int = 0  # the newest speculative attempt
    is_copy: bool = False  # this attempt is the speculative one
    paused: str | None = None  # why its job is paused: by its "owner", or at its "cap"
    faults: int = 0  # failures that were not a node's
    unsent: int = 0  # earlier attempts that no node ever received
    answered: bool = False  # its copy delivered and waits for its verdict
    needs_memory: int = 0  # bytes: nodes with less had too little
    needs_opengl: bool = False  # set when a node without OpenGL failed it


@attrs.frozen
class SceneReport:
    """A node, with its owner, that reported a unit's scene as at fault."""

    node: UUID
    owner: UUID | None


@attrs.frozen
class UnitDuration:
    """The duration of a complete unit: of its ``frames``, or of a tile."""

    job: UUID
    frames: str | None
    is_tile: bool
    seconds: float


# Returns a job's parameters if the caller already has them.
KnownParams: TypeAlias = Callable[[UUID], dict[str, Any] | None]


def nothing_known(_: UUID) -> None:
    """Return None: no parameters are known."""


LeaseId: TypeAlias = tuple[UUID, int, int, UUID]  # job, unit, attempt, node


@attrs.frozen
class Lease:
    """How long a unit may stay with its node without a sign of life, from now."""

    job: UUID
    unit: int
    attempt: int
    node: UUID
    seconds: float

    @property
    def id(self) -> LeaseId:
        return self.job, self.unit, self.attempt, self.node
