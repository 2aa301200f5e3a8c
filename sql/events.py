"""Events of jobs, for their owners and followers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.job_status import JobStatus, UnitStatus
from rendertrust.unit_error_code import ErrorCode
from sql.database import Table

_OF_EVENT: Final = (
    *("number", "type", "at", "unit", "state", "attempt", "node_id"),
    *("money", "amount", "error_class", "error_code", "error", "frame"),
)


@attrs.frozen
class EventRow:
    """One change of a job (``unit`` is None) or of a unit; events of a job are numbered 1, 2, 3 …

    ``money`` says what happened to ``amount``: held, charged or released.
    """

    number: int
    type: str  # job.completed, unit.assigned …
    at: datetime
    unit: int | None
    state: JobStatus | UnitStatus
    attempt: int | None = None
    node_id: UUID | None = None
    money: str | None = None
    amount: int | None = None
    error_class: str | None = None
    error_code: ErrorCode | None = None
    error: str | None = None
    frame: int | None = None  # frame of the thumbnail that became available


@attrs.frozen
class EventPage:
    """Events of one job in order, with the job's status when they were read."""

    events: Sequence[EventRow]
    status: JobStatus
    ended: bool


class Events(Table):
    """Queries and deletion of job events. Methods raise ``sql.database.Unavailable``."""

    async def page(self, job: UUID, user: UUID, after: int, limit: int) -> EventPage | None:
        """Return a job's events with numbers above ``after``; None if the user has no such job."""
        rows = await self._database.all("events_of_job", job, user, after, limit)
        if not rows:
            return None
        found = [_event(row) for row in rows if row["number"] is not None]
        return EventPage(found, rows[0]["status"], rows[0]["ended"])

    async def newest(self, jobs: Sequence[UUID]) -> dict[UUID, int]:
        """Return the number of the newest event of each of these jobs; jobs without events are left
        out.
        """
        rows = await self._database.all("events_newest", list(jobs))
        return {row["job"]: row["number"] for row in rows}

    async def expire(self, since: datetime, before: datetime, most: int) -> datetime:
        """Delete events of up to ``most`` jobs that ended from ``since`` to ``before``.

        Return the time from which to continue.
        """
        row = await self._database.one("events_expire", since, before, most)
        assert row is not None, "it names a time"
        at: datetime = row["at"]
        return at


def _event(row: Any) -> EventRow:
    return EventRow(**{name: row[name] for name in _OF_EVENT})
