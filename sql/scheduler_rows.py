"""Rows of nodes, jobs and units, as the Scheduler and the Lifeline read them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs
import orjson

# In a job's parameters: [columns, rows] of the tiles of each frame, written by us.
GRID: Final = "_tiles"
# In a job's parameters: what its price follows from, where that is its work.
PRICED: Final = "_priced"
# Who may see the work: mine, trusted, or left out: any.
POOL: Final = "_pool"
MINE, TRUSTED, ANY = "mine", "trusted", "any"
# Of units at work: of low, normal and high priority.
WEIGHTS: Final[Mapping[int, int]] = {-1: 1, 0: 2, 1: 4}
ACTIVE, DRAINING, QUARANTINED, REVOKED = "ACTIVE", "DRAINING", "QUARANTINED", "REVOKED"


def weight(priority: int) -> int:
    """How many units a user may have at work for each one of a user with a lesser priority."""
    return WEIGHTS[priority]


def result_key(user: UUID, job: UUID, unit: int, attempt: int) -> str:
    """Where the result of one attempt goes; nobody else ever writes there."""
    return f"results/{user}/{job}/{unit}/{attempt}/result"


def evidence_key(user: UUID, job: UUID, unit: int, attempt: int) -> str:
    """Where what it is checked by goes."""
    return beside(result_key(user, job, unit, attempt))


def beside(result: str) -> str:
    """The key of the evidence of a result that lies under a key."""
    return f"{result.rpartition('/')[0]}/evidence"


@attrs.frozen
class StandingRecord:
    """What people say about a node, and why. Of two words on one node the greater version holds."""

    name: str = ACTIVE
    version: int = 0
    reason: str = ""

    def may_work_for(self, user: UUID, owner: UUID | None) -> bool:
        """Whether a node that ``owner`` owns may begin a unit of this user."""
        return self.name == ACTIVE or (self.name == QUARANTINED and user == owner)


NOTHING_SAID: Final = StandingRecord()


def standing_of(row: Any) -> StandingRecord:
    """As a row of nodes has it."""
    return StandingRecord(row["standing"], row["standing_version"], row["standing_reason"])


@attrs.frozen
class StandingRow:
    """A node about which something was said ``at`` a time, and what was said last."""

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
    silent_seconds: float | None = None  # since its last sign of life; None: it never gave one
    epoch: int = 0  # of its newest session


@attrs.frozen
class PartResult:
    """The result of a unit that another one is made of, as far as it is known here."""

    unit: int
    attempt: int
    sha256: str | None
    size: int | None


def parts_of(told: Sequence[str] | None) -> tuple[PartResult, ...]:
    """Of a unit that is made of others, in their order, as the database tells them."""
    return tuple(PartResult(*orjson.loads(one)) for one in told or ())


JobPlace: TypeAlias = tuple[datetime, UUID]  # since when a job waits, and its id


@attrs.frozen
class OpenJob:
    """A job that has not ended, and how many of its units have not."""

    id: UUID
    queued_at: datetime
    units: int

    @property
    def place(self) -> JobPlace:
        """Its place among all open jobs."""
        return self.queued_at, self.id


@attrs.frozen
class SessionStart:
    """The number of a node's session among those of all gateways, and when it began, by the
    database's clock.
    """

    epoch: int
    at: datetime


@attrs.frozen
class OpenJobTerms:
    """What an open job counts as among its user's; of its parameters pool and needs alone."""

    job: UUID
    user: UUID
    job_type: str
    params: dict[str, Any]
    units: int
    is_free: bool


@attrs.frozen
class OpenUnit:
    """A unit that has not ended, with what its job says about it.

    ``avoid`` are nodes that failed this unit, ``barred`` those that failed any of the job's. A unit
    with a copy at work is two of these.
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
    started_at: datetime | None = None  # of this attempt, or of one before it
    copied: int = 0  # the newest attempt that was made beside another
    is_copy: bool = False  # this attempt is beside another one
    paused: str | None = None  # by whom its job is: its "owner", or at its "cap"
    faults: int = 0  # failures that were no node's
    unsent: int = 0  # of the attempts before this one, how many no node ever had
    answered: bool = False  # its copy delivered, and waits for its verdict
    needs_memory: int = 0  # bytes: nodes that gave less had too little
    needs_opengl: bool = False  # as a node found that has none


@attrs.frozen
class SceneReport:
    """A node, and whose it is, that said of a unit that its scene is at fault."""

    node: UUID
    owner: UUID | None


@attrs.frozen
class UnitDuration:
    """How long a unit took that is complete: ``frames`` it rendered, or a tile of one."""

    job: UUID
    frames: str | None
    is_tile: bool
    seconds: float


# The parameters of a job, where the reader has them.
KnownParams: TypeAlias = Callable[[UUID], dict[str, Any] | None]


def nothing_known(_: UUID) -> None:
    """Nothing is known of any job."""


LeaseId: TypeAlias = tuple[UUID, int, int, UUID]  # job, unit, attempt, node


@attrs.frozen
class Lease:
    """How long from now a unit may stay with its node without a sign of life."""

    job: UUID
    unit: int
    attempt: int
    node: UUID
    seconds: float

    @property
    def id(self) -> LeaseId:
        return self.job, self.unit, self.attempt, self.node
