"""Results of preflights, stored once per content and user."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.job_status import JobStatus
from sql.database import Table
from sql.overruns import Overrun, Underquoted

HOUR: Final = timedelta(hours=1)


@attrs.frozen
class PreflightRow:
    """A preflight.

    ``facts``: the result of the preflight. Until there is a result, ``status`` and the following
    fields describe the preflight's job; they are None without a job. ``node_id``: the node that ran
    the preflight. ``by_embedded``: that node is an embedded verifier.
    """

    job_id: UUID
    asked_at: datetime
    facts: dict[str, Any] | None
    status: JobStatus | None
    error_message: str | None
    result_key: str | None
    node_id: UUID | None
    by_embedded: bool


class Preflights(Table):
    async def of(self, user: UUID, content: bytes) -> PreflightRow | None:
        """Return the user's preflight of some content, if any."""
        return await self._database.row(PreflightRow, "preflight_of", user, content)

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

    async def begin(
        self, user: UUID, content: bytes, job: UUID, now: datetime, before: UUID | None
    ) -> bool:
        """Record that ``job`` replaces ``before`` as the job of the preflight; False if another job
        was faster.
        """
        row = await self._database.one("preflight_begin", user, content, job, now, before)
        return row is not None

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
