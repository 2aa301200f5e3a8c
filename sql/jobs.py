"""Reads of jobs for their owners and the console. Only the Ledger writes jobs."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.frame_range import parse
from rendertrust.job_spec import Pool
from rendertrust.job_status import STATUSES, JobStatus, UnitStatus
from rendertrust.unit_error_code import ErrorCode
from sql.audit_log import Act, record
from sql.batched_reads import BatchedReads
from sql.database import Database, Table, names_of
from sql.job_filters import ALL_OWN, SORTED_MOST, JobFilter, OwnJobFilter
from sql.job_plan import JobPlan, plan_of
from sql.page import Page
from sql.query_loader import QUERIES
from sql.units import MINE

HASH: Final = re.compile(r"[0-9a-f]{64}(\.\w{1,10})?")


@attrs.frozen(kw_only=True)
class JobRecord:
    """A job with its plan, its status and its charges."""

    id: UUID
    name: str
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
    node_name: str | None = None
    is_verifying: bool = False  # all that is left to do are verdicts


@attrs.frozen
class PastJob:
    """A job as it was submitted, and its status, to submit it again.

    ``retried_by``: the job that repeats it. ``frames``: the frames of its first unit.
    """

    id: UUID
    user_id: UUID
    name: str
    plan: JobPlan = attrs.field(repr=False)
    status: JobStatus
    price: int
    units: int
    retried_by: UUID | None
    frames: str | None = None
    done: int = 0  # number of complete units


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
    node_name: str | None = None
    copy_node_id: UUID | None = None
    copy_node_name: str | None = None
    delivered_at: datetime | None = None  # when its check began; None: no check
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


_COLUMNS = tuple(name for name in names_of(OwnerJobRow) if name != "plan")


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
        self, user: UUID, span: Page, wanted: OwnJobFilter = ALL_OWN
    ) -> Sequence[OwnerJobRow] | None:
        """Return a page of a user's jobs that match the filter, newest first.

        None if ``span.after`` is not the id of a job of the user.
        """
        if not await span.is_known(self._database, "job_is_of_user", user):
            return None
        bounds = (user, span.limit, span.offset, span.after, wanted.checks)
        status = wanted.status
        if wanted.name is not None:
            named = (*bounds, status, wanted.name, SORTED_MOST)
            rows = await self._database.all("jobs_of_user_named", *named)
        elif status is None:
            rows = await self._database.all("jobs_of_user", *bounds)
        else:
            rows = await self._database.all("jobs_of_user_with_status", *bounds, status)
        return [_job(row) for row in rows]

    async def count(self, user: UUID, wanted: OwnJobFilter = ALL_OWN) -> int:
        """Count the user's jobs that match the filter."""
        bounds, status = (user, wanted.checks), wanted.status
        if wanted.name is not None:
            named = (*bounds, status, wanted.name, SORTED_MOST)
            return await self._database.number("jobs_count_named", *named)
        if status is None:
            return await self._database.number("jobs_count", *bounds)
        return await self._database.number("jobs_count_with_status", *bounds, status)

    async def by_id(self, job: UUID, user: UUID) -> OwnerJobRow | None:
        row = await self._database.one("job_of_user", job, user)
        return None if row is None else _job(row)

    async def rename(self, job: UUID, owner: UUID, name: str, act: Act | None = None) -> bool:
        """Rename a job; False if the owner has no such job. An admin's ``act`` is recorded.

        May also raise ``sql.database.Conflict``.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(QUERIES["job_rename"], job, owner, name)
            if row is not None and act is not None:
                await record(connection, act)
        return row is not None

    async def names(self, jobs: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the names of jobs by their ids; only their owners and admins may see them."""
        rows = await self._database.all("job_names", list(jobs)) if jobs else ()
        return {row["id"]: row["name"] for row in rows}

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
        return await self._database.only(PaceRow, "job_pace", job, now)

    async def open_checks(self, job: UUID, units: Sequence[int]) -> Sequence[OpenCheck]:
        """Return those of the units that wait for a verdict, and since when."""
        return await self._database.rows(OpenCheck, "open_checks", job, list(units))

    async def loose_tiles(self, job: UUID) -> OrphanTilesRow:
        """Return the job's delivered tiles of frames that cannot be completed."""
        return await self._database.only(OrphanTilesRow, "loose_tiles", job)

    async def refunded_units(self, job: UUID) -> int:
        """Count the job's units whose charge was refunded after an upheld dispute."""
        return await self._database.number("job_refunded_units", job)

    async def units(self, job: UUID) -> Sequence[OwnerUnitRow]:
        return await self._database.rows(OwnerUnitRow, "job_units", job)

    async def unit_page(self, job: UUID, after: int, limit: int) -> Sequence[PagedUnit]:
        """Return the job's next units, by number, after the one with number ``after``."""
        return await self._database.rows(PagedUnit, "unit_page", job, after, limit)


def file_name(file: str | None) -> str | None:
    """Return the name of a file; None if it has none, or its object key is only a hash."""
    return None if file is None or HASH.fullmatch(file) else file


@attrs.frozen
class ListedJob:
    """A job in the console's list of jobs.

    ``thumbnail_frame``: the frame of its newest thumbnail. ``film``: the newest job that makes a
    film of its frames. ``preflight``: the newest preflight of its scene. ``is_verifying``: all that
    is left to do are verdicts.
    """

    id: UUID
    name: str
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
    retried_by: UUID | None
    charged: int
    units: int
    done: int
    paused: str | None
    thumbnail_frame: int | None
    thumbnail_at: datetime | None
    film: UUID | None
    film_status: JobStatus | None
    preflight: UUID | None
    preflight_status: JobStatus | None
    is_verifying: bool = False
    refunded: int = 0  # the part of the charge that was refunded
    begun_at: datetime | None = None  # when the first node began with it
    delivered_at: datetime | None = None  # the last delivery that was checked

    @property
    def paid(self) -> int:
        """The charge less refunds."""
        return self.charged - self.refunded

    @property
    def waited(self) -> float | None:
        """The seconds in the queue: from the submission until a node began; None before that."""
        if self.begun_at is None:
            return None
        return max(0.0, (self.begun_at - self.created_at).total_seconds())

    @property
    def took(self) -> float | None:
        """The seconds from when a node began to the end; None while it is open or if none began."""
        if self.completed_at is None or self.begun_at is None:
            return None
        return max(0.0, (self.completed_at - self.begun_at).total_seconds())

    @property
    def checked(self) -> float | None:
        """The seconds of ``took`` after the last delivery; None if no result was verified."""
        if self.status != "COMPLETED" or self.delivered_at is None or self.completed_at is None:
            return None
        return max(0.0, (self.completed_at - self.delivered_at).total_seconds())


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
    is_verifying: bool = False  # all that is left to do are verdicts
    delivered_at: datetime | None = None  # the last delivery that was checked
    file: str | None = attrs.field(default=None, converter=file_name)


@attrs.frozen
class RelatedJob:
    """A job that belongs to another one.

    ``role``: 'preflight' (a check of its scene), 'parent' (the job to which the other one belongs),
    or 'original' (the job of which the other one renders a frame again).
    """

    role: str
    id: UUID
    name: str
    status: JobStatus


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
    delivered_at: datetime | None = None  # when its check began; None: no check
    has_receipt: bool = False
    dispute_upheld: bool = False  # a dispute of the unit, or of one of its tiles, was upheld
    error_code: ErrorCode | None = None


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
    delivered_at: datetime | None = None  # when its check began; None: no check
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
    delivered_at: datetime | None = None  # when its check began; None: no check
    verdict: str | None = None
    said: str | None = None
    frames: str | None = None
    tile: int | None = None
    error_code: str | None = None


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

    async def relatives(self, job: UUID) -> Mapping[str, RelatedJob]:
        """Return the jobs that belong to a job, or to which it belongs, by their roles."""
        rows = await self._database.rows(RelatedJob, "job_view_relatives", job)
        return {row.role: row for row in rows}

    async def units(self, job: UUID) -> Sequence[ConsoleUnit]:
        return await self._database.rows(ConsoleUnit, "job_view_units", job)

    async def frames(
        self, job: UUID, state: str | None, limit: int, offset: int
    ) -> Sequence[ConsoleFrame]:
        """Return a page of the job's frames by number; ``state`` None: in all states."""
        return await self._database.rows(ConsoleFrame, "job_view_frames", job, state, limit, offset)

    async def frame_counts(self, job: UUID) -> FrameCounts:
        return await self._database.only(FrameCounts, "job_view_frame_counts", job)

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

    async def newest(self, job: UUID) -> int | None:
        """Return the frame with the job's newest picture; None if there is no picture."""
        row = await self._database.one("job_view_newest", job)
        return None if row is None else parse(row["frames"])[-1]

    async def parts(self, job: UUID) -> Sequence[ConsolePart]:
        """Return the frames of the job's units without tiles; empty for a job without frames."""
        return await self._database.rows(ConsolePart, "job_view_parts", job)


def _with_plan(row: Any) -> dict[str, Any]:
    """Return the row's columns, with the plan in place of ``job_type`` and ``payload_ref``."""
    own = {name: one for name, one in row.items() if name not in ("job_type", "payload_ref")}
    return {**own, "plan": plan_of(row)}
