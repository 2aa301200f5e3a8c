"""Rows of jobs, as their owner reads them. Only the Ledger writes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sql.batched_reads import BatchedReads
from sql.database import Database
from sql.error_code import ErrorCode
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
    work: int | None = None  # microseconds that were measured, which its price follows


@attrs.frozen
class PastJob:
    """A job as it was ordered, and what became of it. ``retried_by`` is the one that retries it.

    ``frames`` are those of its first unit.
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
    """What a node said of the object that it made; both None where it said nothing.

    ``expired``: it is not kept any longer.
    """

    size: int | None
    sha256: bytes | None
    expired: bool = False


@attrs.frozen
class PagedUnit:
    """A unit as its job's owner reads it. ``missing``: so many parts of it are not complete.

    ``frame``: that of a render without ``frames``, where it was asked for one by its number.
    ``feeds``: the number of the unit that is made of this tile. ``given_back``: why its charge was,
    after it was complete.
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
    """So many delivered ``tiles`` are of frames that will not come to be, as things stand.

    ``checking`` of them are not charged yet; the others were ``charged``, in units of money.
    """

    tiles: int
    checking: int
    charged: int


@attrs.frozen
class OpenCheck:
    """A unit that waits for a verdict since then."""

    unit: int
    since: datetime


@attrs.frozen
class PaceRow:
    """Units that are complete, and their mean seconds; seconds ``at_work``; how many wait."""

    done: int
    mean: float | None
    at_work: Sequence[float]
    waiting: int


@attrs.frozen
class StoredAnswer:
    """What was asked and answered under an idempotency key: {status, body}."""

    request: bytes
    answer: dict[str, Any]


@attrs.frozen
class JobOrder:
    """A job that somebody wants done, as far as its terms depend on it."""

    user: UUID
    job_type: str
    key: str | None  # of idempotency


@attrs.frozen
class JobTerms:
    """What a job costs, in units, whether the user may order it, and what he was told before.

    ``price_number`` says which price that is.
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
    """Reads; each raises ``sql.database.Unavailable`` while the database is away."""

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
        """A page of the user's jobs, newest first; None when ``span.after`` is none of his."""
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
        """How many match, whatever the page."""
        if status is None:
            row = await self._database.one("jobs_count", user)
        else:
            row = await self._database.one("jobs_count_with_status", user, status)
        return 0 if row is None else int(row["count"])

    async def by_id(self, job: UUID, user: UUID) -> OwnerJobRow | None:
        row = await self._database.one("job_of_user", job, user)
        return None if row is None else _job(row)

    async def past(self, job: UUID, owner: UUID | None) -> PastJob | None:
        """As it was ordered; of whoever it is when ``owner`` is None."""
        row = await self._database.one("job_to_retry", job, owner)
        return None if row is None else PastJob(**row)

    async def result(self, job: UUID) -> ResultFacts:
        """Of the object that a job of one unit ended with."""
        row = await self._database.one("job_result", job)
        return ResultFacts(None, None) if row is None else ResultFacts(**row)

    async def pace(self, job: UUID, now: datetime) -> PaceRow:
        """How fast its units are done."""
        row = await self._database.one("job_pace", job, now)
        assert row is not None, "an aggregate answers one row"
        return PaceRow(**row)

    async def open_checks(self, job: UUID, units: Sequence[int]) -> Sequence[OpenCheck]:
        """Of these units."""
        rows = await self._database.all("open_checks", job, list(units))
        return [OpenCheck(**row) for row in rows]

    async def loose_tiles(self, job: UUID) -> OrphanTilesRow:
        """Its delivered tiles that no frame is made of."""
        row = await self._database.one("loose_tiles", job)
        assert row is not None, "an aggregate answers one row"
        return OrphanTilesRow(**row)

    async def given_back(self, job: UUID) -> int:
        """Of how many of its units the charge was, after they were complete."""
        row = await self._database.one("job_given_back", job)
        assert row is not None, "an aggregate answers one row"
        return int(row["count"])

    async def units(self, job: UUID) -> Sequence[OwnerUnitRow]:
        rows = await self._database.all("job_units", job)
        return [OwnerUnitRow(**row) for row in rows]

    async def unit_page(self, job: UUID, after: int, limit: int) -> Sequence[PagedUnit]:
        """Those whose number is above ``after``, by number."""
        rows = await self._database.all("unit_page", job, after, limit)
        return [PagedUnit(**row) for row in rows]
