"""Jobs as their owners and the console read them. Only the Ledger writes them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.error_code import ErrorCode
from sql.batched_reads import BatchedReads
from sql.database import Database
from sql.job_plan import JobPlan, plan_of
from sql.page import Page

HASHED: Final = re.compile("[0-9a-f]{64}")
SORTED_MOST: Final = 10_000  # only the newest are sorted; a filter finds older ones
STATUSES: Final = (
    *("QUEUED", "DISPATCHED", "RUNNING", "PAUSED"),
    *("COMPLETED", "FAILED", "CANCELLED"),
)


@attrs.frozen
class OwnerJobRow:
    id: UUID
    node_id: UUID | None
    plan: JobPlan = attrs.field(repr=False)
    status: str
    result_ref: str | None
    error_message: str | None
    retry_count: int
    price: int
    charged: int
    queued_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None
    retry_of: UUID | None
    created_at: datetime
    updated_at: datetime
    units: int
    done: int
    failed: int
    priority: int
    cap: int | None
    paused: str | None
    refunded: int = 0  # the part of the charge that disputes gave back

    @property
    def job_type(self) -> str:
        """The type of the job."""
        return self.plan.job_type


@attrs.frozen
class PastJob:
    """A job as submitted, and its status. ``retried_by``: the job that retries it.

    ``frames``: those of its first unit.
    """

    id: UUID
    user_id: UUID
    plan: JobPlan = attrs.field(repr=False)
    status: str
    price: int
    units: int
    retried_by: UUID | None
    frames: str | None = None


@attrs.frozen
class OwnerUnitRow:
    number: int
    state: str
    attempt: int
    node_id: UUID | None


@attrs.frozen
class ResultFacts:
    """Size and SHA-256 of a job's result, as its node reported them, or None.

    ``expired``: the object has been deleted.
    """

    size: int | None
    sha256: bytes | None
    expired: bool = False


@attrs.frozen
class PagedUnit:
    """A unit as its job's owner sees it. ``missing``: tiles that are not complete yet.

    ``frame``: for a render submitted with a frame number instead of ``frames``. ``feeds``: the
    number of the unit that is assembled from this tile. ``given_back``: why its charge was refunded
    after completion.
    """

    number: int
    frames: str | None
    tile: int | None
    state: str
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
    given_back: str | None = None


@attrs.frozen
class OrphanTilesRow:
    """Delivered tiles of a job's frames that cannot be completed.

    ``tiles``: their number; ``checking``: how many are not charged yet; ``charged``: the charge of
    the others, in units of money.
    """

    tiles: int
    checking: int
    charged: int


@attrs.frozen
class OpenCheck:
    """A unit that waits for its verdict, and since when."""

    unit: int
    since: datetime


@attrs.frozen
class PaceRow:
    """Complete units and their mean seconds; seconds of running units; number of waiting units."""

    done: int
    mean: float | None
    at_work: Sequence[float]
    waiting: int


@attrs.frozen
class StoredAnswer:
    """A stored request and answer of an idempotency key: {status, body}."""

    request: bytes
    answer: dict[str, Any]


@attrs.frozen
class JobOrder:
    """A job to be submitted: the facts on which its price and terms depend."""

    user: UUID
    job_type: str
    key: str | None  # the idempotency key


@attrs.frozen
class JobTerms:
    """The price of a job in units, whether the user may submit it, and the earlier answer, if any.

    ``price_number``: the row of the price table.
    """

    price: int
    price_number: int
    active: bool
    before: StoredAnswer | None


_COLUMNS = tuple(field.name for field in attrs.fields(OwnerJobRow) if field.name != "plan")


def _job(row: Any) -> OwnerJobRow:
    return OwnerJobRow(**{name: row[name] for name in _COLUMNS}, plan=plan_of(row))


def _terms(row: Any) -> JobTerms:
    before = None if row["request"] is None else StoredAnswer(row["request"], row["answer"])
    return JobTerms(row["price"], row["price_number"], row["active"], before)


class Jobs:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down."""

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

        None if ``span.after`` is not the user's.
        """
        if span.after is not None:
            known = await self._database.one("job_is_of_user", user, span.after)
            if known is None:
                return None
        bounds = (user, span.limit, span.offset, span.after)
        if status is None:
            rows = await self._database.all("jobs_of_user", *bounds)
        else:
            rows = await self._database.all("jobs_of_user_with_status", *bounds, status)
        return [_job(row) for row in rows]

    async def count(self, user: UUID, status: str | None) -> int:
        """Count the user's jobs that match."""
        if status is None:
            row = await self._database.one("jobs_count", user)
        else:
            row = await self._database.one("jobs_count_with_status", user, status)
        return 0 if row is None else int(row["count"])

    async def by_id(self, job: UUID, user: UUID) -> OwnerJobRow | None:
        row = await self._database.one("job_of_user", job, user)
        return None if row is None else _job(row)

    async def past(self, job: UUID, owner: UUID | None) -> PastJob | None:
        """Return a job as submitted; of any user if ``owner`` is None."""
        row = await self._database.one("job_to_retry", job, owner)
        return None if row is None else PastJob(**_with_plan(row))

    async def result(self, job: UUID) -> ResultFacts:
        """Return the facts of the result of a job with one unit."""
        row = await self._database.one("job_result", job)
        return ResultFacts(None, None) if row is None else ResultFacts(**row)

    async def pace(self, job: UUID, now: datetime) -> PaceRow:
        """Return how fast the job's units are completed."""
        row = await self._database.one("job_pace", job, now)
        assert row is not None, "an aggregate answers one row"
        return PaceRow(**row)

    async def open_checks(self, job: UUID, units: Sequence[int]) -> Sequence[OpenCheck]:
        """Return the open checks of these units."""
        rows = await self._database.all("open_checks", job, list(units))
        return [OpenCheck(**row) for row in rows]

    async def loose_tiles(self, job: UUID) -> OrphanTilesRow:
        """Return the job's delivered tiles of frames that cannot be completed."""
        row = await self._database.one("loose_tiles", job)
        assert row is not None, "an aggregate answers one row"
        return OrphanTilesRow(**row)

    async def given_back(self, job: UUID) -> int:
        """Count the job's units whose charge was refunded after completion."""
        row = await self._database.one("job_given_back", job)
        assert row is not None, "an aggregate answers one row"
        return int(row["count"])

    async def units(self, job: UUID) -> Sequence[OwnerUnitRow]:
        rows = await self._database.all("job_units", job)
        return [OwnerUnitRow(**row) for row in rows]

    async def unit_page(self, job: UUID, after: int, limit: int) -> Sequence[PagedUnit]:
        """Return the units with numbers above ``after``, by number."""
        rows = await self._database.all("unit_page", job, after, limit)
        return [PagedUnit(**row) for row in rows]


@attrs.frozen
class JobFilter:
    """Filter for jobs; None: any. ``node``, ``user`` and ``error`` match parts of a text."""

    statuses: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    node: str | None = None
    user: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: str | None = None  # prefix of the id

    def bounds(self) -> tuple[Any, ...]:
        """Return the filter as arguments of the queries."""
        texts = (self.node, self.user, self.error)
        kinds = (self.statuses and list(self.statuses), self.types and list(self.types))
        return (*kinds, *texts, self.since, self.until, self.id)


def named(file: str | None) -> str | None:
    """Return the file's name; None if the name is only a hash."""
    return None if file is None or HASHED.match(file) else file


@attrs.frozen
class ListedJob:
    """A row of a list. ``file``: the scene's name, if known."""

    id: UUID
    job_type: str
    status: str
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
    refunded: int = 0  # part of the charge
    file: str | None = attrs.field(default=None, converter=named)

    @property
    def paid(self) -> int:
        """The charge less refunds."""
        return self.charged - self.refunded

    @property
    def took(self) -> float | None:
        """The seconds from submission to end."""
        if self.completed_at is None:
            return None
        return (self.completed_at - self.created_at).total_seconds()


@attrs.frozen
class ConsoleJob:
    """One job with its names."""

    id: UUID
    user_id: UUID
    email: str
    user_name: str
    node_id: UUID | None
    node_name: str | None
    plan: JobPlan = attrs.field(repr=False)
    status: str
    price: int
    retry_count: int
    retry_of: UUID | None
    result_ref: str | None
    error_message: str | None
    created_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None
    retried_by: UUID | None
    units: int
    done: int = 0
    failed: int = 0
    charged: int = 0
    priority: int = 0
    cap: int | None = None
    paused: str | None = None
    held: int = 0  # held for units that have not ended
    at_work: int = 0  # units at a node, or being checked
    next_unit: int | None = None  # first waiting unit
    attempts: int = 0  # over all units
    file: str | None = attrs.field(default=None, converter=named)

    @property
    def job_type(self) -> str:
        """The type of the job."""
        return self.plan.job_type


@attrs.frozen
class ConsoleFrame:
    """A frame or a chunk; for a frame in tiles, the merged unit and the sums over its tiles."""

    number: int
    frames: str | None
    state: str
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
    refunded: int  # of the charge
    has_receipt: bool = False
    given_back: bool = False  # a dispute of the unit, or of one of its tiles, was upheld


@attrs.frozen
class FrameCounts:
    """The number of frames or chunks of a job, without tiles."""

    total: int = 0
    done: int = 0
    failed: int = 0


@attrs.frozen
class ConsolePart:
    """A frame or a chunk, as submitted. ``place``: its position within the job."""

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
    """A unit with its last attempt.

    After an upheld dispute ``verdict`` says so, and ``said`` gives its reason.
    """

    number: int
    state: str
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
    said: str | None = None  # the verifier's reason
    has_receipt: bool = False
    frames: str | None = None  # None: the job is no animation
    tile: int | None = None


@attrs.frozen
class AttemptView:
    """A failed attempt. ``started_at`` None: it never ran."""

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
    """The hold of a unit. ``settled``: the charged part; the rest was released."""

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
    """An entry of the owner's account, and its progress towards the chain."""

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
    """All charges of a job: their number, the last time, and how far all of them have come.

    ``refunded``: in units. Times are None if there is no charge, or while some charge has not come
    that far.
    """

    number: int = 0
    at: datetime | None = None
    signed_at: datetime | None = None
    anchored_at: datetime | None = None
    refunded: int = 0


class JobViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down.

    ``owner`` None: all users.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, wish: JobFilter, sort: str, limit: int, offset: int
    ) -> Sequence[ListedJob]:
        """Return a page; other orders than newest first only cover the newest ``SORTED_MOST``."""
        most = offset + limit if sort == "-created" else SORTED_MOST
        bounds = (owner, *wish.bounds(), most, sort, limit, offset)
        rows = await self._database.all("job_view_page", *bounds)
        return [ListedJob(**row) for row in rows]

    async def counts(self, owner: UUID | None, wish: JobFilter) -> Mapping[str, int]:
        """Count the newest ``SORTED_MOST`` jobs that match by status, whatever status the filter
        names.
        """
        every = attrs.evolve(wish, statuses=None)
        rows = await self._database.all("job_view_counts", owner, *every.bounds(), SORTED_MOST)
        return dict.fromkeys(STATUSES, 0) | {row["name"]: row["count"] for row in rows}

    async def words(self, owner: UUID | None) -> Mapping[str, Sequence[str]]:
        """Return the ``types`` and ``nodes`` to offer in the filter."""
        row = await self._database.one("job_view_words", owner)
        return {"types": [], "nodes": []} if row is None else dict(row)

    async def job(self, owner: UUID | None, job: UUID) -> ConsoleJob | None:
        row = await self._database.one("job_view_job", owner, job)
        return None if row is None else ConsoleJob(**_with_plan(row))

    async def units(self, job: UUID) -> Sequence[ConsoleUnit]:
        rows = await self._database.all("job_view_units", job)
        return [ConsoleUnit(**row) for row in rows]

    async def frames(
        self, job: UUID, state: str | None, limit: int, offset: int
    ) -> Sequence[ConsoleFrame]:
        """Return a page of frames by number, in one state or all."""
        rows = await self._database.all("job_view_frames", job, state, limit, offset)
        return [ConsoleFrame(**row) for row in rows]

    async def frame_counts(self, job: UUID) -> FrameCounts:
        row = await self._database.one("job_view_frame_counts", job)
        assert row is not None, "an aggregate has one row"
        return FrameCounts(**row)

    async def attempts(self, job: UUID) -> Sequence[AttemptView]:
        """Return the failed attempts of a job, oldest first."""
        rows = await self._database.all("job_view_attempts", job)
        return [AttemptView(**row) for row in rows]

    async def holds(self, job: UUID) -> Sequence[ConsoleHold]:
        rows = await self._database.all("job_view_holds", job)
        return [ConsoleHold(**row) for row in rows]

    async def entries(self, job: UUID) -> Sequence[ConsoleEntry]:
        """Return the entries for a job on its owner's account, oldest first."""
        rows = await self._database.all("job_view_entries", job)
        return [ConsoleEntry(**row) for row in rows]

    async def charges(self, job: UUID) -> ConsoleCharges:
        row = await self._database.one("job_view_charges", job)
        return ConsoleCharges() if row is None else ConsoleCharges(**row)

    async def pieces(self, job: UUID, units: Iterable[int]) -> Mapping[int, ConsolePiece]:
        """Return the frames or tiles of some units, by their numbers."""
        rows = await self._database.all("job_view_pieces", job, list(units))
        return {row["number"]: ConsolePiece(**row) for row in rows}

    async def parts(self, job: UUID) -> Sequence[ConsolePart]:
        """Return the frames of the job's units, by number; empty for a job without frames."""
        rows = await self._database.all("job_view_parts", job)
        return [ConsolePart(**row) for row in rows]


def _with_plan(row: Any) -> dict[str, Any]:
    """Return the row's columns, with the plan in place of ``job_type`` and ``payload_ref``."""
    own = {name: one for name, one in row.items() if name not in ("job_type", "payload_ref")}
    return {**own, "plan": plan_of(row)}
