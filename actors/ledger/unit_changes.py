"""Changes of units' rows, and what follows from each for the job's row and for a tile's frame.

A change of one unit costs the same however many units the job has.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from actors.ledger.draft import Draft
from actors.ledger.postings import Refusal, release
from rendertrust.job_status import AT_WORK, ENDED, REACHED, EndedStatus, ReachedStatus, UnitStatus
from sql.account_names import work_reference
from sql.books import JobRow, UnitRow, evolve
from sql.unit_retry_policy import tries

LOST: Final = "another tile of its frame failed"
_COMMITTED: Final = AT_WORK | {"VERIFYING", "COMPLETED"}


def change(draft: Draft, unit: UnitRow, changed: UnitRow, **of_job: Any) -> None:
    """Store a changed unit and update its job's row; ``of_job``: further columns of the job."""
    job = draft.job_of(unit)
    draft.put_unit(changed)
    draft.jobs.put(job.id, job_after(job, unit, changed, draft.now, **of_job))


def without_copy(unit: UnitRow) -> UnitRow:
    """Return the unit without its speculative attempt."""
    return evolve(
        unit,
        copy_node_id=None,
        copy_assigned_at=None,
        copy_started_at=None,
        copy_lease_until=None,
        copy_delivered_at=None,
    )


def with_copy_only(unit: UnitRow) -> UnitRow:
    """Return the unit with its speculative attempt as the only one."""
    state: UnitStatus = "DISPATCHED" if unit.copy_started_at is None else "RUNNING"
    return evolve(
        without_copy(unit),
        state=state if unit.copy_delivered_at is None else "VERIFYING",
        attempt=unit.copy_attempt,
        node_id=unit.copy_node_id,
        assigned_at=unit.copy_assigned_at,
        started_at=unit.copy_started_at or unit.started_at,
        lease_until=unit.copy_lease_until,
    )


def next_attempt(unit: UnitRow) -> int:
    """Return the lowest attempt number that was never assigned."""
    return max(unit.attempt, unit.copy_attempt) + 1


def job_after(
    job: JobRow, before: UnitRow, after: UnitRow, now: datetime, **changes: Any
) -> JobRow:
    """Return the job with its counters updated after a change of one unit, and its status.

    ``changes`` are further columns to set.
    """
    counts: dict[str, Any] = {
        "open_units": job.open_units + _is_open(after) - _is_open(before),
        "failed_units": job.failed_units + _more("FAILED", before, after),
        "cancelled_units": job.cancelled_units + _more("CANCELLED", before, after),
        "retry_count": job.retry_count + _retries(after) - _retries(before),
        "committed": job.committed + _committed(after) - _committed(before),
        "charged": job.charged + after.price * _more("COMPLETED", before, after),
    }
    counts["reached"] = max(job.reached, _reached(after), key=REACHED.index)
    counts["paused"] = _paused(job, counts)
    if after.state == "FAILED" and before.state != "FAILED":
        counts["unit_error"] = after.error_message
    return with_status(evolve(job, **counts, **changes), now)


def cancelled(job: JobRow, units: Sequence[UnitRow], now: datetime) -> JobRow:
    """Return the job after these open units were cancelled."""
    return with_status(
        evolve(
            job,
            open_units=job.open_units - len(units),
            cancelled_units=job.cancelled_units + len(units),
            committed=job.committed - sum(map(_committed, units)),
        ),
        now,
    )


def with_status(job: JobRow, now: datetime) -> JobRow:
    """Return the job with the status that follows from its other columns.

    Apart from pauses and retried units, the status never goes backwards.
    """
    status = job.status
    if job.open_units:
        status = job.reached if job.paused is None else "PAUSED"
    elif job.completed_at is None:
        status = _ended(job)
    has_ended = not job.open_units
    return evolve(
        job,
        status=status,
        paused=None if has_ended else job.paused,
        error_message=job.unit_error if status == "FAILED" else None,
        completed_at=(job.completed_at or now) if has_ended else None,
        updated_at=now,
    )


def _paused(job: JobRow, counts: Mapping[str, Any]) -> str | None:
    """Return the job's ``paused``: a pause at the cap ends when a unit's price is released."""
    is_less = counts["committed"] < job.committed
    return None if job.paused == "cap" and is_less else job.paused


def _is_open(unit: UnitRow) -> bool:
    return unit.state not in ENDED


def _more(state: UnitStatus, before: UnitRow, after: UnitRow) -> int:
    return (after.state == state) - (before.state == state)


def _committed(unit: UnitRow) -> int:
    return unit.price if unit.state in _COMMITTED else 0


def _reached(unit: UnitRow) -> ReachedStatus:
    """Return how far a unit has ever come, even if it waits again by now."""
    if unit.started_at is not None or unit.state in ("RUNNING", "VERIFYING", "COMPLETED"):
        return "RUNNING"
    return "DISPATCHED" if unit.attempt > 0 else "QUEUED"


def _ended(job: JobRow) -> EndedStatus:
    if job.cancelled_units:
        return "CANCELLED"
    return "FAILED" if job.failed_units else "COMPLETED"


def _retries(unit: UnitRow) -> int:
    return tries(unit.attempt, unit.unsent) - 1


def note_completed(draft: Draft, unit: UnitRow) -> None:
    """Decrease ``missing`` of the unit that is assembled from this completed one."""
    frame = _unit_assembled_from(draft, unit)
    if frame is not None:
        draft.units.put(
            (frame.job_id, frame.number), attrs.evolve(frame, missing=frame.missing - 1)
        )
        if frame.missing == 1:
            draft.touched[frame.job_id, frame.number] = None


def has_failed_frame(draft: Draft, unit: UnitRow) -> bool:
    """Return True if the tile's frame has failed and has not been retried."""
    frame = _unit_assembled_from(draft, unit)
    return frame is not None and frame.state == "FAILED"


def failed_with_frame(unit: UnitRow) -> bool:
    """Return True if the tile failed only because another part of its frame did."""
    return unit.state == "FAILED" and unit.feeds is not None and unit.error_code == "part_failed"


def note_failed(draft: Draft, unit: UnitRow) -> bool | Refusal:
    """Fail the frame of a failed tile, and all of the frame's tiles that wait.

    Running tiles finish. Creators are not charged for waiting tiles that have become useless.
    """
    frame = _unit_assembled_from(draft, unit)
    if frame is None or frame.state != "QUEUED":
        return True
    for tile in draft.units_of(unit.job_id):
        is_other = tile.feeds == unit.feeds and tile.number != unit.number
        if is_other and tile.state == "QUEUED":
            failed = fail_tile(draft, tile, tile)
            if failed is not True:
                return failed
    change(
        draft,
        frame,
        _failed(draft, frame, f"unit {unit.number}, which it is assembled from, failed"),
    )
    return True


def fail_tile(draft: Draft, before: UnitRow, tile: UnitRow) -> bool | Refusal:
    """Fail a tile of a failed frame, and release its hold.

    ``before``: the tile's row before the effect; ``tile``: the row with the effect's other changes.
    """
    released = release(draft, work_reference(tile.job_id, tile.number))
    if not isinstance(released, bool):
        return released
    change(draft, before, _failed(draft, tile, LOST))
    return True


def _failed(draft: Draft, unit: UnitRow, words: str) -> UnitRow:
    return attrs.evolve(
        unit,
        state="FAILED",
        lease_until=None,
        not_before=None,
        error_class="scene",
        error_code="part_failed",
        error_message=words,
        ended_at=draft.now,
    )


def _unit_assembled_from(draft: Draft, unit: UnitRow) -> UnitRow | None:
    return None if unit.feeds is None else draft.units.get((unit.job_id, unit.feeds))
