"""What nodes said last of attempts that ended, as their job's owner reads it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

LOGS_MOST: Final = 40  # attempts of a job that failed, of which it is kept
DONE_MOST: Final = 100  # of its others
DONE_LINES: Final = 64  # of each of those, the last,
DONE_CHARACTERS: Final = 4_000  # within so many characters
SHOWN_MOST: Final = 20  # attempts of each kind at once


@attrs.frozen
class AttemptLog:
    """One attempt that failed, or came well. ``lines``: what its node said last, nothing where none
    is kept.
    """

    unit: int
    frames: str | None
    attempt: int
    node_id: UUID | None
    ended_at: datetime
    error_class: str | None
    error: str | None
    lines: str = attrs.field(repr=False)
    completed: bool


class AttemptLogs:
    """Each method raises ``sql.database.Unavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_job(self, job: UUID, unit: int | None) -> Sequence[AttemptLog]:
        """The last attempts of a job, or of one of its units, that failed, and those that came
        well; the newest first.
        """
        rows = await self._database.all("attempt_logs", job, unit, SHOWN_MOST)
        return [AttemptLog(**row) for row in rows]

    async def expire(self, before: datetime, jobs: int) -> bool:
        """Remove those of some jobs that ended before; whether there were any."""
        return bool(await self._database.all("attempt_logs_expire", before, jobs))


def last_of(lines: str) -> str:
    """What is kept of an attempt that came well."""
    return "\n".join(lines.split("\n")[-DONE_LINES:])[-DONE_CHARACTERS:]
