"""What nodes said last of attempts that failed, as their job's owner reads it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

LOGS_MOST: Final = 40  # attempts of a job of which it is kept
SHOWN_MOST: Final = 20  # attempts at once


@attrs.frozen
class AttemptLog:
    """One attempt that failed. ``lines``: what its node said last, nothing where none is kept."""

    unit: int
    frames: str | None
    attempt: int
    node_id: UUID | None
    ended_at: datetime
    error_class: str | None
    error: str | None
    lines: str = attrs.field(repr=False)


class AttemptLogs:
    """Each method raises ``sql.database.Unavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_job(self, job: UUID, unit: int | None) -> Sequence[AttemptLog]:
        """The last attempts of a job, or of one of its units, that failed; the newest first."""
        rows = await self._database.all("attempt_logs", job, unit, SHOWN_MOST)
        return [AttemptLog(**row) for row in rows]

    async def expire(self, before: datetime, jobs: int) -> bool:
        """Remove those of some jobs that ended before; whether there were any."""
        return bool(await self._database.all("attempt_logs_expire", before, jobs))
