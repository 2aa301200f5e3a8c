"""Checks of deliveries, and their evidence.

The Ledger writes checks and evidence, the Verifier its claims on checks, and the scenes whose
regions cannot be compared.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import attrs

from rendertrust.comparison_method import ComparisonMethod
from rendertrust.job_types import RENDERED
from rendertrust.verdict_reason import VerdictReason
from sql.database import Connection, Table, names_of
from sql.job_plan import JobPlan, plan_of
from sql.query_loader import QUERIES
from sql.statement_batch import Part, columns_of
from sql.unit_retry_policy import tries
from sql.units import PartResult, evidence_key, parts_of

if TYPE_CHECKING:
    from sql.books import Changes, Keys, Rows

CheckId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
Place: TypeAlias = tuple[datetime, UUID, int]  # time, job, unit
_DECIDED: Final = (
    *("job", "unit", "attempt", "verdict", "said", "verifier_id"),
    *("decided_at", "strike", "withdrawn", "compared", "remade", "distance"),
    *("verifier_class", "loose", "reason", "method"),
)
ALL_RENDERED: Final = " ".join(sorted(RENDERED))  # what a verifier with Blender can check
PENDING: Final = "pending"  # what the console shows as the verdict of an undecided check


@attrs.frozen
class WordRow:
    """A node's report that a unit's scene is at fault, with the device class of the node."""

    job_id: UUID
    unit: int
    attempt: int
    node_id: UUID
    device_class: str
    said_at: datetime

    @property
    def id(self) -> CheckId:
        """The attempt."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class SceneReport:
    """A node, with its owner, that reported a unit's scene as at fault."""

    node: UUID
    owner: UUID | None


@attrs.frozen
class DeliveredResult:
    """A result of an attempt, and who earns how much if it is valid."""

    job: UUID
    unit: int
    attempt: int
    node: UUID
    result_ref: str | None
    sha256: bytes | None = None
    size: int | None = None
    verified: bool = False
    operator: str | None = None  # the account that earns: the owner's, or suspense
    share_percent: int = 70
    dispute_window: timedelta = timedelta(days=7)  # how long the operator's share stays pending


# Returns the members of a delivered result in their order.
DELIVERED: Final = attrgetter(*names_of(DeliveredResult))


@attrs.frozen(kw_only=True)
class CheckRow(DeliveredResult):
    """A check, whose state is PENDING, and later DECIDED with a ``verdict``.

    ``work``: the work record that the node signed, in canonical JSON. ``strike``: the invalid
    result counts as a strike for the node. ``withdrawn``: the scene is at fault, so no result of
    the unit counts as a strike. ``drawn``: the result was drawn for a comparison, with probability
    ``odds``. ``compared``: ``regions``, ``whole`` or ``plugin``. ``remade``: the picture was also
    rebuilt from the evidence and compared. ``distance``: the largest difference, in multiples of
    the noise; None if unknown. ``verifier_class``: the verifier's device class. ``loose``: the
    verifier says that honest frames of the scene may differ. ``reason``: why the result is
    ``unverified`` or ``unverifiable``; ``said`` has the sentence. ``method``: how the result was
    compared, if not with the same seeds.
    """

    device_class: str
    work: str | None = attrs.field(default=None, repr=False)
    node_signature: str | None = attrs.field(default=None, repr=False)
    opened_at: datetime
    evidence_sha256: bytes | None = None
    evidence_size: int | None = None
    state: str = "PENDING"
    verdict: str | None = None
    said: str = ""
    verifier_id: UUID | None = None
    decided_at: datetime | None = None
    strike: bool = False
    withdrawn: bool = False
    drawn: bool | None = None
    odds: float | None = None
    compared: str | None = None
    remade: bool = False
    distance: float | None = None
    verifier_class: str | None = None
    loose: bool = False
    reason: VerdictReason | None = None
    method: ComparisonMethod | None = attrs.field(
        default=None, converter=attrs.converters.optional(ComparisonMethod)
    )

    @property
    def id(self) -> CheckId:
        """The unit and its attempt."""
        return self.job, self.unit, self.attempt

    @property
    def window_seconds(self) -> int:
        """The dispute window, as it is stored."""
        return int(self.dispute_window.total_seconds())

    @property
    def picture(self) -> str | None:
        """Hash of the signed pixels or else of the object; equal for equal pictures."""
        pixels = None if self.work is None else json.loads(self.work)["pixels"]
        if pixels is not None:
            return str(pixels["sha256"])
        return None if self.sha256 is None else self.sha256.hex()


@attrs.frozen
class UncutScene:
    """A scene for which a check found that regions render differently from the whole frame."""

    scene: tuple[UUID, str]  # the owner, and the payload's reference
    found_by: CheckId
    at: datetime


@attrs.frozen
class VerifierLoad:
    """A verifier that is connected to a gateway, and how busy it is.

    ``cores``: None if the verifier does not say. ``checking``: the results in the check that it
    runs. ``load``: the share, 0 to 1, of the last minutes in which it ran checks. ``checks``: the
    job types that it can check, with spaces. ``others``: its device classes with its other builds
    of Blender, with spaces.
    """

    node: UUID
    device_class: str
    cores: int | None = None
    checking: int = 0
    load: float = 0.0
    checks: str = ALL_RENDERED
    others: str = ""


@attrs.frozen
class SeenVerifier:
    """A verifier that was connected to a gateway recently. Embedded verifiers have no owner.

    ``checks``: the job types that it can check, with spaces. ``others``: its device classes with
    its other builds of Blender, with spaces.
    """

    node: UUID
    device_class: str
    owner: UUID | None
    checks: str = ALL_RENDERED
    others: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The device classes in which the verifier can check results, its own first."""
        return (self.device_class, *self.others.split())

    def can_check(self, job_type: str) -> bool:
        """Return True if the verifier can check results of a job type."""
        return job_type in self.checks.split()


@attrs.frozen
class Pending:
    """A pending check with the data of its job that decisions need."""

    row: CheckRow
    plan: JobPlan = attrs.field(repr=False)
    user: UUID
    frames: str | None
    price: int
    failures: int  # failed attempts by the nodes' fault
    faults: int  # failed attempts by no node's fault
    unsent: int  # earlier attempts that no node ever received
    owner: UUID | None  # owner of the node that delivered the result
    # Owners of nodes that delivered the same pixels for this unit, in a result that was drawn,
    # compared and found invalid.
    agreeing: frozenset[UUID] = frozenset()
    tile: int | None = None
    parts: tuple[PartResult, ...] = ()  # results of the units from which this unit is assembled
    took: float = 0.0  # seconds from the unit's start to the delivery, by the database's clock
    is_uncut: bool = False  # regions of the scene cannot be compared
    # A result of the scene was found invalid without a strike, as honest renders may differ.
    # Sampling does not deter from lies in such a scene, so all its results are compared.
    is_loose: bool = False
    may_release: bool = False  # if valid, it counts towards the end of its node's quarantine
    is_again: bool = False  # the result was settled without a full comparison and is compared now
    # Places (x, y) where the creator's own render differs most, as the creator's comparison says.
    disputed: tuple[tuple[float, float], ...] | None = None
    # Seconds, by the database's clock, from the delivery (if ``is_again``, from the opening of the
    # dispute) to the reading of this row.
    waited: float = 0.0

    @property
    def seconds(self) -> float:
        """The longer of the unit's seconds at its node and of the price's measurement.

        The time at the node alone says too little, as a node may deliver a wrong result at once.
        """
        pricing = self.plan.pricing
        measured = None if pricing is None else pricing.seconds_of(self.price)
        return max(self.took, measured or 0.0)

    @property
    def pool(self) -> str:
        """The pool of nodes that may do the job."""
        return self.plan.spec.pool

    @property
    def job_type(self) -> str:
        return self.plan.job_type

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as the unit's node received them."""
        return self.plan.params_of(self.frames, self.tile)

    @property
    def place(self) -> "Place":
        """The position among pending checks."""
        return self.row.opened_at, self.row.job, self.row.unit

    def is_between(self, after: "Place | None", until: "Place | None") -> bool:
        """Return True if the check's place lies after ``after`` and not after ``until``.

        None means no bound.
        """
        return (after is None or self.place > after) and (until is None or self.place <= until)

    @property
    def tries(self) -> int:
        """The number of attempts at the unit, including this one."""
        return tries(self.row.attempt, self.unsent)


# The attributes of a check that are read from columns, which may have other names.
_NAMES: Final = [name for name in names_of(CheckRow) if name != "dispute_window"]
_COLUMNS: Final = {"job": "job_id", "node": "node_id"}
# The attributes in the order of the columns that ``books_checks_insert`` writes.
_INSERTED: Final = (
    *("job", "unit", "attempt", "node", "device_class", "result_ref", "sha256", "size", "work"),
    *("node_signature", "verified", "operator", "share_percent", "window_seconds"),
    *_NAMES[_NAMES.index("opened_at") :],
)


async def lock_checks(connection: Connection, keys: "Keys", rows: "Rows") -> None:
    """Read the checks of all attempts at the units into ``rows``.

    If a unit has two attempts, a verdict on one attempt may end the other attempt.
    """
    both = {key for key, unit in rows.units.items() if unit.is_delivered_beside}
    concerned = sorted(keys.checks | both)
    if not concerned:
        return
    named = [list(column) for column in zip(*concerned, strict=True)]
    for row in await connection.fetch(QUERIES["books_checks_lock"], *named):
        check = check_row(row)
        rows.checks[check.id] = check


def check_parts(changes: "Changes", seen: "Mapping[CheckId, int]") -> Iterator[Part]:
    """Yield the writes of a batch: inserts of deliveries and updates of decided checks.

    ``seen``: of checks that were read without locks, the transactions that wrote them.
    """
    new = [row for row in changes.checks if row.id in changes.new_checks]
    decided = [row for row in changes.checks if row.id not in changes.new_checks]
    yield "books_checks_insert", columns_of(new, *_INSERTED)
    columns = [*columns_of(decided, *_DECIDED), [seen.get(row.id) for row in decided]]
    yield "books_checks_decide", columns
    yield "books_words_insert", columns_of(changes.words, *names_of(WordRow))


def pending(rows: Sequence[Any]) -> list[Pending]:
    """Convert rows to ``Pending`` checks."""
    return [_pending(row) for row in rows]


def _pending(row: Any) -> Pending:
    return Pending(
        row=attrs.evolve(check_row(row), opened_at=row["since"]),
        plan=plan_of(row),
        user=row["user_id"],
        frames=row["frames"],
        price=row["price"],
        failures=row["failures"],
        faults=row["faults"],
        unsent=row["unsent"],
        owner=row["owner"],
        agreeing=frozenset(row["agreeing"]),
        tile=row["tile"],
        parts=parts_of(row["parts"]),
        took=max(row["took"], 0.0),
        is_uncut=row["is_uncut"],
        is_loose=row["is_loose"],
        may_release=row["may_release"],
        is_again=row["is_again"],
        disputed=_places(row["places"]),
        waited=row["waited"],
    )


def _places(flat: list[float] | None) -> tuple[tuple[float, float], ...] | None:
    return None if flat is None else tuple(zip(flat[::2], flat[1::2], strict=True))


def check_row(row: Any) -> CheckRow:
    """Build a check from a row of ``checks``."""
    values = {name: row[_COLUMNS.get(name, name)] for name in _NAMES}
    return CheckRow(**values, dispute_window=timedelta(seconds=row["window_seconds"]))


@attrs.frozen
class EvidenceRow:
    """The evidence of the attempt that completed a unit."""

    user_id: UUID
    job_id: UUID
    unit: int
    attempt: int
    sha256: bytes
    size: int

    @property
    def key(self) -> str:
        """The object's key."""
        return evidence_key(self.user_id, self.job_id, self.unit, self.attempt)


class EvidenceReads(Table):
    """Reads of evidence, and of who can check it, for the web."""

    async def verifier_classes(self, within: float) -> frozenset[str]:
        """Return the device classes of the verifiers connected within so many seconds."""
        rows = await self._database.all("verifier_classes", within)
        return frozenset(row["device_class"] for row in rows)

    async def of(self, job: UUID, unit: int, owner: UUID) -> EvidenceRow | None:
        """Return the evidence of a unit of one of ``owner``'s jobs, unless the evidence has
        expired.
        """
        return await self._database.row(EvidenceRow, "evidence_of_unit", job, unit, owner)


@attrs.frozen
class ConsoleCheck:
    """A check with its unit and nodes, for the console.

    ``verdict``: the outcome, or ``pending``; ``said`` explains it, and ``reason`` is the code of an
    ``unverified`` or ``unverifiable`` one. ``grid``: the columns and rows of tiles, if the job's
    frames are cut.
    """

    job_id: UUID
    unit: int
    attempt: int
    frames: str | None
    tile: int | None
    grid: Sequence[int] | None
    node_id: UUID
    node_name: str
    device_class: str
    verdict: str
    said: str
    strike: bool
    verifier_name: str | None
    opened_at: datetime
    decided_at: datetime | None
    reason: VerdictReason | None


@attrs.frozen
class CheckFilter:
    """Filter for checks: by node, by verdict, by a text in the node's name or the verdict's
    reason, which may also be the beginning of the job's id.
    """

    node: UUID | None = None
    verdict: str | None = None
    text: str | None = None


class CheckViews(Table):
    """Queries of checks for the console.

    Methods raise ``sql.database.Unavailable``. If ``owner`` is None, checks on the nodes of all
    users are read.
    """

    async def page(
        self, owner: UUID | None, wanted: CheckFilter, limit: int
    ) -> Sequence[ConsoleCheck]:
        """Return the newest checks that match the filter."""
        about = (wanted.node, wanted.verdict, wanted.text)
        return await self._database.rows(ConsoleCheck, "check_view_page", owner, *about, limit)

    async def counts(self, owner: UUID | None, since: datetime) -> Mapping[str, int]:
        """Count checks by verdict: checks of deliveries since ``since``, and all pending checks."""
        rows = await self._database.all("check_view_counts", owner, since)
        return {row["verdict"]: row["number"] for row in rows}

    async def oldest(self, owner: UUID | None) -> datetime | None:
        """Return when the oldest pending result was delivered; None if there is none."""
        row = await self._database.one("check_view_oldest", owner)
        return None if row is None else row["since"]
