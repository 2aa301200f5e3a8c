"""A job's row after one of its units changed: the same work, however many units it has."""

from datetime import datetime
from typing import Any, Final

import attrs

from sql.books import JobRow, UnitRow

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
AT_WORK = frozenset({"DISPATCHED", "RUNNING"})
_PROGRESS: Final = ("QUEUED", "DISPATCHED", "RUNNING")


def followed(job: JobRow, before: UnitRow, after: UnitRow, now: datetime, **changes: Any) -> JobRow:
    """The job counts what its unit became; ``changes`` are other columns that change with it."""
    ended = after.state in ENDED and before.state not in ENDED
    failed, cancelled = ended and after.state == "FAILED", ended and after.state == "CANCELLED"
    counted = attrs.evolve(
        job,
        open_units=job.open_units - ended,
        failed_units=job.failed_units + failed,
        cancelled_units=job.cancelled_units + cancelled,
        retry_count=job.retry_count + _retries(after) - _retries(before),
        unit_error=after.error_message if failed else job.unit_error,
        updated_at=now,
        **changes,
    )
    status = _ended(counted) if counted.open_units == 0 else _status(job.status, after)
    return attrs.evolve(
        counted,
        status=status,
        error_message=counted.unit_error if status == "FAILED" else None,
        completed_at=now if status in ENDED else None,
    )


def _status(status: str, unit: UnitRow) -> str:
    """It never goes back: a unit that was assigned, or ran, counts when it waits again, too."""
    return max(status, _reached(unit), key=_PROGRESS.index)


def _reached(unit: UnitRow) -> str:
    if unit.started_at is not None or unit.state in ("RUNNING", "COMPLETED"):
        return "RUNNING"
    return "DISPATCHED" if unit.attempt > 0 else "QUEUED"


def _ended(job: JobRow) -> str:
    if job.cancelled_units:
        return "CANCELLED"
    return "FAILED" if job.failed_units else "COMPLETED"


def _retries(unit: UnitRow) -> int:
    return max(unit.attempt - 1, 0)
