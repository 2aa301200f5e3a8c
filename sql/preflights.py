"""Results of preflights: of each user and content the newest few."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.job_status import JobStatus
from sql.database import Table
from sql.overruns import Overrun, Underquoted

HOUR: Final = timedelta(hours=1)
KEPT_MOST: Final = 16  # preflights of a user and content


@attrs.frozen
class PreflightRow:
    """A preflight.

    ``facts``: the result of the preflight. Until there is a result, ``status`` and the following
    fields describe the preflight's job; they are None without a job. ``node_id``: the node that ran
    the preflight. ``by_embedded``: that node is an embedded verifier. ``number`` counts the
    preflights of the user's content. ``first_frame`` and ``last_frame`` are the ends of the frames
    that the request named; None if it named none.
    """

    number: int
    job_id: UUID
    asked_at: datetime
    first_frame: int | None
    last_frame: int | None
    facts: dict[str, Any] | None
    status: JobStatus | None
    error_message: str | None
    result_key: str | None
    node_id: UUID | None
    by_embedded: bool


@attrs.frozen
class NewPreflight:
    """A preflight to insert: its number and job, the time, and the ends of the frames it is for."""

    number: int
    job: UUID
    at: datetime
    ends: tuple[int, int] | None


class Preflights(Table):
    async def of(self, user: UUID, content: bytes) -> list[PreflightRow]:
        """Return the user's preflights of some content, newest first."""
        return await self._database.rows(PreflightRow, "preflights_of", user, content, KEPT_MOST)

    async def overruns(self, user: UUID, content: bytes) -> list[Overrun]:
        """Return the overruns of failed units in the user's jobs on the file with this SHA-256."""
        return await self._database.rows(Overrun, "overruns_of_content", user, content.hex())

    async def underquoted(self, job: UUID) -> list[Underquoted]:
        """Return the overruns of the job's failed units, sorted by unit."""
        rows = [dict(row) for row in await self._database.all("underquoted_of", job)]
        return [
            Underquoted(
                price=row.pop("price"), together=(*row.pop("together"),), overrun=Overrun(**row)
            )
            for row in rows
        ]

    async def begin(self, user: UUID, content: bytes, new: NewPreflight) -> bool:
        """Insert a preflight; return False if another request has inserted one with its number."""
        first, last = new.ends or (None, None)
        values = (new.number, new.job, new.at, first, last, KEPT_MOST)
        return await self._database.one("preflight_begin", user, content, *values) is not None

    async def found(self, user: UUID, job: UUID, facts: dict[str, Any]) -> None:
        """Store what the job found."""
        await self._database.execute("preflight_found", user, job, facts)

    async def lately(self, user: UUID, now: datetime) -> tuple[int, datetime | None]:
        """Count the user's preflights within the last hour; also return the time of the first."""
        row = await self._database.one("preflight_count", user, now - HOUR)
        assert row is not None, "a count answers one row"
        return row["count"], row["first"]

    async def expire(self, before: datetime) -> None:
        """Delete preflights that were requested before ``before``."""
        await self._database.execute("preflight_expire", before)
