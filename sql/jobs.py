"""Rows of jobs, for their owners. Only the Ledger writes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from rendertrust.error_code import ErrorCode
from sql.batched_reads import BatchedReads
from sql.database import Database
from sql.page import Page


@attrs.frozen
class OwnerJobRow:
    id: UUID
    node_id: UUID | None
    job_type: str
    payload_ref: str
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
    pool: str
    work: int | None = None  # measured microseconds, which determine the price


@attrs.frozen
class PastJob:
    """A job as submitted, and its status. ``retried_by``: the job that retries it.

    ``frames``: those of its first unit.
    """

    id: UUID
    user_id: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any] = attrs.field(repr=False)
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
    """A unit for its job's owner. ``missing``: parts that are not complete.

    ``frame``: of a render without ``frames``, if submitted with a frame number. ``feeds``: the
    number of the unit that is made from this tile. ``given_back``: why its charge was refunded
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
    """``tiles``: delivered tiles of frames that cannot be completed as things are.

    ``checking``: those not charged yet; ``charged``: the charge of the others, in units of money.
    """

    tiles: int
    checking: int
    charged: int


@attrs.frozen
class OpenCheck:
    """A unit that waits for its verdict since then."""

    unit: int
    since: datetime


@attrs.frozen
class PaceRow:
    """Complete units and their mean seconds; seconds of running units; number of waiting ones."""

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
    """A job to be submitted, as far as its terms depend on it."""

    user: UUID
    job_type: str
    key: str | None  # the idempotency key


@attrs.frozen
class JobTerms:
    """The price of a job in units, whether the user may submit it, and an earlier answer.

    ``price_number``: the row of the price table.
    """

    price: int
    price_number: int
    active: bool
    before: StoredAnswer | None


_COLUMNS = tuple(field.name for field in attrs.fields(OwnerJobRow))


def _job(row: Any) -> OwnerJobRow:
    return OwnerJobRow(**{name: row[name] for name in _COLUMNS})


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
        """Return a page of a user's jobs, newest first; None if ``span.after`` is not theirs."""
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
        return None if row is None else PastJob(**row)

    async def result(self, job: UUID) -> ResultFacts:
        """Return the facts of the result of a job with one unit."""
        row = await self._database.one("job_result", job)
        return ResultFacts(None, None) if row is None else ResultFacts(**row)

    async def pace(self, job: UUID, now: datetime) -> PaceRow:
        """Return how fast its units are completed."""
        row = await self._database.one("job_pace", job, now)
        assert row is not None, "an aggregate answers one row"
        return PaceRow(**row)

    async def open_checks(self, job: UUID, units: Sequence[int]) -> Sequence[OpenCheck]:
        """Return the open checks of these units."""
        rows = await self._database.all("open_checks", job, list(units))
        return [OpenCheck(**row) for row in rows]

    async def loose_tiles(self, job: UUID) -> OrphanTilesRow:
        """Return its delivered tiles that no frame is made from."""
        row = await self._database.one("loose_tiles", job)
        assert row is not None, "an aggregate answers one row"
        return OrphanTilesRow(**row)

    async def given_back(self, job: UUID) -> int:
        """Count its units whose charge was refunded after completion."""
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
