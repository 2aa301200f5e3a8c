"""Dependencies between a frame and its tiles, over a draft of the books."""

from typing import Final

import attrs

from actors.ledger.draft import Draft
from actors.ledger.messages import work_reference
from actors.ledger.postings import Refusal, release
from actors.ledger.rows import change
from sql.books import UnitRow

LOST: Final = "another tile of its frame failed"


def feed(draft: Draft, unit: UnitRow) -> None:
    """Count one part less as missing for the unit that is made from this one."""
    fed = _fed(draft, unit)
    if fed is not None:
        draft.units.put((fed.job_id, fed.number), attrs.evolve(fed, missing=fed.missing - 1))
        if fed.missing == 1:
            draft.touched[fed.job_id, fed.number] = None


def is_lost(draft: Draft, unit: UnitRow) -> bool:
    """Return True if the tile's frame has failed and has not been retried."""
    fed = _fed(draft, unit)
    return fed is not None and fed.state == "FAILED"


def was_lost(unit: UnitRow) -> bool:
    """Return True if the tile failed only because another part of its frame did."""
    return unit.state == "FAILED" and unit.feeds is not None and unit.error_code == "part_failed"


def starve(draft: Draft, unit: UnitRow) -> bool | Refusal:
    """Fail a frame whose tile failed, and all of its tiles that wait.

    Running tiles finish. So creators are not charged for tiles that are known to be useless.
    """
    fed = _fed(draft, unit)
    if fed is None or fed.state != "QUEUED":
        return True
    for tile in draft.units_of(unit.job_id):
        is_other = tile.feeds == unit.feeds and tile.number != unit.number
        if is_other and tile.state == "QUEUED":
            lost = lose(draft, tile, tile)
            if lost is not True:
                return lost
    change(
        draft, fed, _failed(draft, fed, f"unit {unit.number}, which it is assembled from, failed")
    )
    return True


def lose(draft: Draft, before: UnitRow, tile: UnitRow) -> bool | Refusal:
    """Fail a waiting tile together with its frame."""
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


def _fed(draft: Draft, unit: UnitRow) -> UnitRow | None:
    return None if unit.feeds is None else draft.units.get((unit.job_id, unit.feeds))
