"""Reads of jobs for their owners and the console. Only the Ledger writes jobs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.job_spec import Pool
from rendertrust.job_status import STATUSES, JobStatus, UnitStatus
from rendertrust.unit_error_code import ErrorCode
from sql.batched_reads import BatchedReads
from sql.database import Database, Table
from sql.job_plan import JobPlan, plan_of
from sql.page import Page
from sql.units import MINE

HASH: Final = re.compile(r"[0-9a-f]{64}(\.\w{1,10})?")
SORTED_MOST: Final = 10_000  # only so many of the newest matching jobs are sorted or counted


@attrs.frozen(kw_only=True)
class JobRecord:
    """A job with its plan, its status and its charges."""

    id: UUID
    node_id: UUID | None
    plan: JobPlan = attrs.field(repr=False)
    status: JobStatus
    result_ref: str | None
    error_message: str | None
    retry_count: int
    retry_of: UUID | None
    price: int
    created_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None
    units: int
    done: int = 0
    failed: int = 0
    charged: int = 0
    refunded: int = 0  # the part of the charge that was refunded
    priority: int = 0
    cap: int | None = None
    paused: str | None = None

    @property
    def paid(self) -> int:
        """The charge less refunds."""
        return self.charged - self.refunded

    @property
    def job_type(self) -> str:
        return self.plan.job_type


@attrs.frozen(kw_only=True)
class OwnerJobRow(JobRecord):
    """A job as its owner reads it."""

    queued_at: datetime
    updated_at: datetime


@attrs.frozen
class PastJob:
    """A job as it was submitted, and its status, to submit it again.

    ``retried_by``: the job that repeats it. ``frames``: the frames of its first unit.
    """

    id: UUID
    user_id: UUID
    plan: JobPlan = attrs.field(repr=False)
    status: JobStatus
    price: int
    units: int
    retried_by: UUID | None
    frames: str | None = None


@attrs.frozen
class OwnerUnitRow:
    number: int
    state: UnitStatus
    attempt: int
    node_id: UUID | None


@attrs.frozen
class ResultFacts:
    """Size and SHA-256 of a job's result, as its node reported them; None: it reported none.

    ``expired``: the object with the result has been deleted.
    """

    size: int | None
    sha256: bytes | None
    expired: bool = False


@attrs.frozen
class PagedUnit:
    """A unit as its job's owner sees it.

    ``missing``: the number of its tiles that are not complete. ``frame``: the frame number of a
    render that was submitted with ``frame`` instead of ``frames``. ``feeds``: the number of the
    unit that is assembled from this tile. ``refund_reason``: why its dispute was upheld.
    ``refunded``: the part of its charge that was refunded, for whatever reason.
    ``unverified_reason``: the code in its check or receipt why its result is not verified.
    """

    number: int
    frames: str | None
    tile: int | None
    state: UnitStatus
    attempt: int
    node_id: UUID | None
    price: int
    result_key: str | None
    result_sha256: bytes | None
    result_size: int | None
    verified: bool
    error_class: str | None
    error_code: ErrorCode | None
    error_message: str | None
    missing: int
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    copy_node_id: UUID | None = None
    frame: str | None = None
    feeds: int | None = None
    refund_reason: str | None = None
    refunded: int = 0
    unverified_reason: str | None = None

    @property
    def paid(self) -> int:
        """The unit's charge less refunds."""
        return self.price - self.refunded if self.state == "COMPLETED" else 0


@attrs.frozen
class OrphanTilesRow:
    """Delivered tiles of a job's frames that cannot be completed.

    ``tiles``: their number. ``checking``: how many wait for a verdict and are not charged yet.
    ``charged``: the charges of the others less refunds, in 1/10,000 credits.
    """

    tiles: int
    checking: int
    charged: int


@attrs.frozen
class OpenCheck:
    """A unit whose result waits for a verdict, and since when."""

    unit: int
    since: datetime


@attrs.frozen
class PaceRow:
    """Progress of a job's units.

    ``done``: number of complete units; ``mean``: their mean duration in seconds. ``at_work``: for
    each running unit, the seconds so far. ``waiting``: number of waiting units.
    """

    done: int
    mean: float | None
    at_work: Sequence[float]
    waiting: int


@attrs.frozen
class StoredAnswer:
    """A request's SHA-256 and its answer {status, body}, stored under an idempotency key."""

    request: bytes
    answer: dict[str, Any]


@attrs.frozen
class JobOrder:
    """The properties of a job to be submitted that decide its price and terms."""

    user: UUID
    job_type: str
    key: str | None  # the idempotency key


@attrs.frozen
class JobTerms:
    """The price and terms on which a user may submit a job.

    ``price``: from the price table, in 1/10,000 credits. ``price_number``: number of the row of the
    price table from which ``price`` comes.
    ``active``: the user may submit jobs. ``before``: the answer stored under the request's
    idempotency key, if there is one.
    """

    price: int
    price_number: int
    active: bool
    before: StoredAnswer | None

    def in_pool(self, pool: Pool) -> "JobTerms":
        """Return the terms for jobs in a pool: in the pool ``mine`` work costs nothing."""
        return attrs.evolve(self, price=0) if pool == MINE else self


_COLUMNS = tuple(field.name for field in attrs.fields(OwnerJobRow) if field.name != "plan")


def _job(row: Any) -> OwnerJobRow:
    return OwnerJobRow(**{name: row[name] for name in _COLUMNS}, plan=plan_of(row))


def _terms(row: Any) -> JobTerms:
    before = None if row["request"] is None else StoredAnswer(row["request"], row["answer"])
    return JobTerms(row["price"], row["price_number"], row["active"], before)


class Jobs:
    """Reads of jobs for their owners; each raises ``Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._terms = BatchedReads(self._terms_of)

    async def terms(self, order: JobOrder) -> JobTerms:
        return await self._terms.get(order)

    async def _terms_of(self, orders: Sequence[JobOrder]) -> Sequence[JobTerms]:
        columns = ([o.user for o in orders], [o.job_type for o in orders], [o.key for o in orders])
        return [_terms(row) for row in await self._database.all("job_terms", *columns)]

    async def page(
        self, user: UUID, status: str | None, span: Page
    ) -> Sequence[OwnerJobRow] | None:
        """Return a page of a user's jobs, newest first.

        None if ``span.after`` is not the id of a job of the user.
        """
        if not await span.is_known(self._database, "job_is_of_user", user):
            return None
        bounds = (user, span.limit, span.offset, span.after)
        if status is None:
            rows = await self._database.all("jobs_of_user", *bounds)
        else:
            rows = await self._database.all("jobs_of_user_with_status", *bounds, status)
        return [_job(row) for row in rows]

    async def count(self, user: UUID, status: str | None) -> int:
        """Count the user's jobs with this status, or all."""
        if status is None:
            return await self._database.number("jobs_count", user)
        return await self._database.number("jobs_count_with_status", user, status)

    async def by_id(self, job: UUID, user: UUID) -> OwnerJobRow | None:
        row = await self._database.one("job_of_user", job, user)
        return None if row is None else _job(row)

    async def past(self, job: UUID, owner: UUID | None) -> PastJob | None:
        """Return a job as it was submitted; ``owner`` None: the job may be any user's."""
        row = await self._database.one("job_to_retry", job, owner)
        return None if row is None else PastJob(**_with_plan(row))

    async def result(self, job: UUID) -> ResultFacts:
        """Return the size and SHA-256 of the result of a job with one unit."""
        row = await self._database.one("job_result", job)
        return ResultFacts(None, None) if row is None else ResultFacts(**row)

    async def pace(self, job: UUID, now: datetime) -> PaceRow:
        """Return the progress of the job's units, to estimate when the job ends."""
        row = await self._database.one("job_pace", job, now)
        assert row is not None, "an aggregate returns one row"
        return PaceRow(**row)

    async def open_checks(self, job: UUID, units: Sequence[int]) -> Sequence[OpenCheck]:
        """Return those of the units that wait for a verdict, and since when."""
        return await self._database.rows(OpenCheck, "open_checks", job, list(units))

    async def loose_tiles(self, job: UUID) -> OrphanTilesRow:
        """Return the job's delivered tiles of frames that cannot be completed."""
        row = await self._database.one("loose_tiles", job)
        assert row is not None, "an aggregate returns one row"
        return OrphanTilesRow(**row)

    async def refunded_units(self, job: UUID) -> int:
        """Count the job's units whose charge was refunded after an upheld dispute."""
        return await self._database.number("job_refunded_units", job)

    async def units(self, job: UUID) -> Sequence[OwnerUnitRow]:
        return await self._database.rows(OwnerUnitRow, "job_units", job)

    async def unit_page(self, job: UUID, after: int, limit: int) -> Sequence[PagedUnit]:
        """Return the job's next units, by number, after the one with number ``after``."""
        return await self._database.rows(PagedUnit, "unit_page", job, after, limit)


@attrs.frozen
class JobFilter:
    """Filter for jobs; None: any value.

    ``node``: part of the node's name, or the beginning of its id. ``user``: part of the user's
    email address, or the beginning of their id. ``error``: part of the job's error message.
    """

    statuses: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    node: str | None = None
    user: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: str | None = None  # prefix of the id

    def bounds(self) -> tuple[Any, ...]:
        """Return the filter's values in the order of the queries' parameters."""
        texts = (self.node, self.user, self.error)
        kinds = (self.statuses and list(self.statuses), self.types and list(self.types))
        return (*kinds, *texts, self.since, self.until, self.id)


def file_name(file: str | None) -> str | None:
    """Return the name of a file; None if it has none, or its object key is only a hash."""
    return None if file is None or HASH.fullmatch(file) else file


@attrs.frozen
class ListedJob:
    """A job in the console's list of jobs. ``file``: the scene's file name, if known."""

    id: UUID
    job_type: str
    status: JobStatus
    user_id: UUID
    email: str
    node_id: UUID | None
    node_name: str | None
    price: int
    retry_count: int
    retry_of: UUID | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None
    has_picture: bool
    retried_by: UUID | None
    charged: int
    refunded: int = 0  # the part of the charge that was refunded
    file: str | None = attrs.field(default=None, converter=file_name)

    @property
    def paid(self) -> int:
        """The charge less refunds."""
        return self.charged - self.refunded

    @property
    def took(self) -> float | None:
        """The seconds from the job's submission to its end; None while it is open."""
        if self.completed_at is None:
            return None
        return (self.completed_at - self.created_at).total_seconds()


@attrs.frozen(kw_only=True)
class ConsoleJob(JobRecord):
    """A job on its page of the console, with the names of its user, node and file."""

    user_id: UUID
    email: str
    user_name: str
    node_name: str | None
    retried_by: UUID | None
    held: int = 0  # credits held for units that have not ended
    at_work: int = 0  # number of units that are assigned or wait for a verdict
    next_unit: int | None = None  # number of the first waiting unit
    attempts: int = 0  # number of attempts at all units together
    file: str | None = attrs.field(default=None, converter=file_name)


@attrs.frozen
class ConsoleFrame:
    """A frame or a chunk on a job's page of the console.

    For a frame in tiles this is the assembled unit; ``price``, ``charged`` and ``refunded`` include
    the tiles, and ``tiles`` is their number.
    """

    number: int
    frames: str | None
    state: UnitStatus
    attempt: int
    node_name: str | None
    missing: int  # tiles that are not complete
    error_message: str | None
    started_at: datetime | None
    ended_at: datetime | None
    result_size: int | None
    has_result: bool
    tiles: int
    price: int
    charged: int
    refunded: int  # the part of the charge that was refunded
    has_receipt: bool = False
    dispute_upheld: bool = False  # a dispute of the unit, or of one of its tiles, was upheld


@attrs.frozen
class FrameCounts:
    """Numbers of a job's units that are frames or chunks, without tiles."""

    total: int = 0
    done: int = 0
    failed: int = 0


@attrs.frozen
class ConsolePart:
    """The frames of a frame or chunk unit. ``place``: the unit's position in the job's order."""

    number: int
    frames: str
    place: int


@attrs.frozen
class ConsolePiece:
    """The frames or the tile that a unit renders."""

    number: int
    frames: str | None
    tile: int | None


@attrs.frozen
class ConsoleUnit:
    """A unit on a job's page of the console, with its last attempt.

    After an upheld dispute, ``verdict`` is 'refunded' and ``said`` the reason for the decision.
    """

    number: int
    state: UnitStatus
    attempt: int
    node_id: UUID | None
    node_name: str | None
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    not_before: datetime | None
    failures: int
    error_class: str | None
    error_message: str | None
    verified: bool
    result_size: int | None
    result_sha256: bytes | None
    verdict: str | None = None
    said: str | None = None  # the verifier's explanation of the verdict
    has_receipt: bool = False
    frames: str | None = None  # None: the job was not submitted with frames
    tile: int | None = None


@attrs.frozen
class AttemptView:
    """An attempt at a unit that ended without a result.

    ``started_at`` None: the node never started it.
    """

    number: int
    attempt: int
    node_id: UUID | None
    node_name: str | None
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    error_class: str | None
    error: str | None
    verdict: str | None = None
    said: str | None = None
    frames: str | None = None
    tile: int | None = None


@attrs.frozen
class ConsoleHold:
    """The hold of a unit. ``settled``: the amount that was charged."""

    number: int
    amount: int
    settled: int
    state: str
    created_at: datetime
    closed_at: datetime | None
    frames: str | None = None
    tile: int | None = None


@attrs.frozen
class ConsoleEntry:
    """An entry for a unit on the owner's account.

    ``leaf_index``: its leaf in the log. ``signed_at``, ``anchored_at``: when a checkpoint and a
    confirmed anchor first included the leaf.
    """

    number: int
    entry_id: int
    kind: str
    amount: int
    after: int
    description: str
    created_at: datetime
    leaf_index: int | None
    signed_at: datetime | None
    anchored_at: datetime | None
    frames: str | None = None
    tile: int | None = None


@attrs.frozen
class ConsoleCharges:
    """All charges of a job together.

    ``number``: how many; ``at``: the time of the last one. ``signed_at``, ``anchored_at``: when a
    checkpoint and a confirmed anchor included all of them; None if there are no charges, or not all
    are included yet.
    """

    number: int = 0
    at: datetime | None = None
    signed_at: datetime | None = None
    anchored_at: datetime | None = None


class JobViews(Table):
    """Reads of jobs for the console; each raises ``Unavailable`` while the database is down.

    ``owner``: the user whose jobs are read; None: all users' jobs.
    """

    async def page(
        self, owner: UUID | None, job_filter: JobFilter, sort: str, limit: int, offset: int
    ) -> Sequence[ListedJob]:
        """Return a page of matching jobs.

        Unless sorted by newest first, it is a page of the newest ``SORTED_MOST`` matching jobs.
        """
        most = offset + limit if sort == "-created" else SORTED_MOST
        bounds = (owner, *job_filter.bounds(), most, sort, limit, offset)
        return await self._database.rows(ListedJob, "job_view_page", *bounds)

    async def counts(self, owner: UUID | None, job_filter: JobFilter) -> Mapping[str, int]:
        """Count jobs by status, among the newest ``SORTED_MOST`` that match the filter.

        The filter's statuses are ignored.
        """
        every = attrs.evolve(job_filter, statuses=None)
        rows = await self._database.all("job_view_counts", owner, *every.bounds(), SORTED_MOST)
        return dict.fromkeys(STATUSES, 0) | {row["name"]: row["count"] for row in rows}

    async def words(self, owner: UUID | None) -> Mapping[str, Sequence[str]]:
        """Return the job ``types`` and the names of ``nodes`` to offer in the filter."""
        row = await self._database.one("job_view_words", owner)
        return {"types": [], "nodes": []} if row is None else dict(row)

    async def job(self, owner: UUID | None, job: UUID) -> ConsoleJob | None:
        row = await self._database.one("job_view_job", owner, job)
        return None if row is None else ConsoleJob(**_with_plan(row))

    async def units(self, job: UUID) -> Sequence[ConsoleUnit]:
        return await self._database.rows(ConsoleUnit, "job_view_units", job)

    async def frames(
        self, job: UUID, state: str | None, limit: int, offset: int
    ) -> Sequence[ConsoleFrame]:
        """Return a page of the job's frames by number; ``state`` None: in all states."""
        return await self._database.rows(ConsoleFrame, "job_view_frames", job, state, limit, offset)

    async def frame_counts(self, job: UUID) -> FrameCounts:
        row = await self._database.one("job_view_frame_counts", job)
        assert row is not None, "an aggregate returns one row"
        return FrameCounts(**row)

    async def attempts(self, job: UUID) -> Sequence[AttemptView]:
        """Return the job's attempts that ended without a result, by unit and attempt number."""
        return await self._database.rows(AttemptView, "job_view_attempts", job)

    async def holds(self, job: UUID) -> Sequence[ConsoleHold]:
        return await self._database.rows(ConsoleHold, "job_view_holds", job)

    async def entries(self, job: UUID) -> Sequence[ConsoleEntry]:
        """Return the entries for a job on its owner's account, oldest first."""
        return await self._database.rows(ConsoleEntry, "job_view_entries", job)

    async def charges(self, job: UUID) -> ConsoleCharges:
        return await self._database.row(ConsoleCharges, "job_view_charges", job) or ConsoleCharges()

    async def pieces(self, job: UUID, units: Iterable[int]) -> Mapping[int, ConsolePiece]:
        """Return the frames or tiles of some units, by their numbers."""
        rows = await self._database.all("job_view_pieces", job, list(units))
        return {row["number"]: ConsolePiece(**row) for row in rows}

    async def parts(self, job: UUID) -> Sequence[ConsolePart]:
        """Return the frames of the job's units without tiles; empty for a job without frames."""
        return await self._database.rows(ConsolePart, "job_view_parts", job)


def _with_plan(row: Any) -> dict[str, Any]:
    """Return the row's columns, with the plan in place of ``job_type`` and ``payload_ref``."""
    own = {name: one for name, one in row.items() if name not in ("job_type", "payload_ref")}
    return {**own, "plan": plan_of(row)}
