"""Events of jobs, for their owners and followers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from rendertrust import money
from rendertrust.api_paths import thumbnail_path
from rendertrust.job_status import JobStatus, UnitStatus
from rendertrust.unit_error_code import ErrorCode
from rendertrust.value_types import Credits
from sql.database import Table, row_as


@attrs.frozen
class EventRow:
    """One change of a job (``unit`` is None) or of a unit; events of a job are numbered 1, 2, 3 …

    ``money`` says what happened to ``amount``: held, charged or released. ``job_name``: the job's
    present name.
    """

    number: int
    type: str  # job.completed, unit.assigned …
    job_name: str
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
class Event:
    """A change of a job. ``number`` counts 1, 2, 3 … per job, without gaps.

    ``type`` is ``job.`` and the new status of the job, or ``unit.`` and ``assigned``, ``running``,
    ``verifying``, ``completed``, ``failed``, ``cancelled``, ``retried`` (it waits again),
    ``copied`` (``node_id`` tries it, too) or ``thumbnail``: a small picture of ``frame`` is
    available at the path ``thumbnail``. ``money`` says what the event did to ``amount``: ``held``,
    ``charged`` or ``released``. ``attempt`` is the unit's attempt. For the end of a job,
    ``attempt`` counts how often the job has ended, as a failed job ends again after a retry.
    ``error_code`` is the kind of failure that ``error`` describes. ``job_name`` is the job's
    present name.
    """

    number: int
    type: str
    at: datetime
    job_id: UUID
    unit: int | None
    attempt: int | None
    node_id: UUID | None
    money: str | None
    amount: Credits | None
    error_class: str | None
    error: str | None
    error_code: ErrorCode | None
    frame: int | None
    thumbnail: str | None
    job_name: str


def shown(job: UUID, row: EventRow) -> Event:
    """Return an event as the API, streams and webhooks show it."""
    return Event(
        number=row.number,
        type=row.type,
        at=row.at,
        job_id=job,
        unit=row.unit,
        attempt=row.attempt,
        node_id=row.node_id,
        money=row.money,
        amount=None if row.amount is None else money.render(row.amount),
        error_class=row.error_class,
        error=row.error,
        error_code=row.error_code,
        frame=row.frame,
        thumbnail=thumbnail_path(job, row.frame),
        job_name=row.job_name,
    )


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
        found = [row_as(EventRow, row) for row in rows if row["number"] is not None]
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
