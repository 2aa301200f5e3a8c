"""Effects of a tile's result or failure on its frame, and of the frame's failure on its tiles."""

from typing import Final

import attrs

from actors.ledger.draft import Draft
from actors.ledger.postings import Refusal, release
from actors.ledger.unit_changes import change
from sql.account_names import work_reference
from sql.books import UnitRow

LOST: Final = "another tile of its frame failed"


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
