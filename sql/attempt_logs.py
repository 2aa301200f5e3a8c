"""The last log lines of ended attempts, for the job's owner."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table

LOGS_MOST: Final = 40  # logs of failed attempts per job
DONE_MOST: Final = 100  # logs of successful attempts per job
DONE_LINES: Final = 64  # newest lines of a successful attempt
DONE_CHARACTERS: Final = 4_000  # characters of these lines together
SHOWN_MOST: Final = 20  # attempts of each kind in one read


@attrs.frozen
class AttemptLog:
    """One failed or successful attempt.

    ``lines``: the last log lines, empty if none are kept.
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


class AttemptLogs(Table):
    async def of_job(self, job: UUID, unit: int | None) -> Sequence[AttemptLog]:
        """Return the last failed and successful attempts of a job, or of one unit, newest first."""
        return await self._database.rows(AttemptLog, "attempt_logs", job, unit, SHOWN_MOST)

    async def expire(self, before: datetime, jobs: int) -> bool:
        """Delete logs of up to ``jobs`` jobs that ended before ``before``.

        Return True if there were any logs.
        """
        return bool(await self._database.all("attempt_logs_expire", before, jobs))


def last_of(lines: str) -> str:
    """Return the part of the lines that is kept for a successful attempt."""
    return "\n".join(lines.split("\n")[-DONE_LINES:])[-DONE_CHARACTERS:]
