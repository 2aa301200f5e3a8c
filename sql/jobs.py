"""Rows of jobs, as their owner reads them. Only the Ledger writes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class JobRow:
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
    created_at: datetime
    updated_at: datetime


@attrs.frozen
class Terms:
    """What a job costs, in units, and whether the user may order it."""

    price: int
    active: bool


@attrs.frozen
class UnitRow:
    number: int
    state: str
    attempt: int
    node_id: UUID | None


@attrs.frozen
class KeptAnswer:
    """What was asked and answered under an idempotency key: {status, body}."""

    request: bytes
    answer: dict[str, Any]


_COLUMNS = tuple(field.name for field in attrs.fields(JobRow))


def _job(row: Any) -> JobRow:
    return JobRow(**{name: row[name] for name in _COLUMNS})


class Jobs:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def terms(self, user: UUID, job_type: str) -> Terms:
        row = await self._database.one("job_terms", user, job_type)
        assert row is not None, "a query without FROM has one row"
        return Terms(row["price"], row["active"])

    async def page(
        self, user: UUID, status: str | None, limit: int, offset: int
    ) -> Sequence[JobRow]:
        """A page of the user's jobs, newest first."""
        rows = await self._database.all("jobs_of_user", user, status, limit, offset)
        return [_job(row) for row in rows]

    async def count(self, user: UUID, status: str | None) -> int:
        """How many match, whatever the page."""
        row = await self._database.one("jobs_count", user, status)
        return 0 if row is None else int(row["count"])

    async def by_id(self, job: UUID, user: UUID) -> JobRow | None:
        row = await self._database.one("job_of_user", job, user)
        return None if row is None else _job(row)

    async def kept_answer(self, user: UUID, key: str) -> KeptAnswer | None:
        """What was answered under an idempotency key."""
        row = await self._database.one("idempotency_answer", user, key)
        return None if row is None else KeptAnswer(**row)

    async def units(self, job: UUID) -> Sequence[UnitRow]:
        rows = await self._database.all("job_units", job)
        return [UnitRow(**row) for row in rows]
