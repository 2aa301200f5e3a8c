"""Attempts at a job's units, failed and successful ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from sql.jobs import AttemptView, ConsoleUnit

STANDS: Final = ("DISPATCHED", "RUNNING", "VERIFYING", "COMPLETED")


@attrs.frozen
class AttemptRow:
    """An attempt. ``place`` is its unit and its number there. ``state``: the unit's, LOST or
    FAILED.

    ``frames`` are those of the unit, None if it is not part of an animation; ``tile`` is a tile of
    one frame. ``took`` is in seconds; None if it never began, or is running.
    """

    place: tuple[int, int]
    node: str | None
    given_at: datetime | None
    state: str
    took: float | None
    error: str | None = None
    verdict: str | None = None
    said: str | None = None
    frames: str | None = None
    tile: int | None = None


def tries_of(attempts: Sequence[AttemptView], units: Sequence[ConsoleUnit]) -> list[AttemptRow]:
    """Return all attempts by unit and number."""
    lost = [_lost(each) for each in attempts]
    return sorted([*lost, *map(_standing, filter(_stands, units))], key=lambda each: each.place)


def _lost(of: AttemptView) -> AttemptRow:
    state, took = "FAILED" if of.error_class else "LOST", _took(of.started_at, of.ended_at)
    return AttemptRow(
        (of.number, of.attempt),
        of.node_name,
        of.assigned_at,
        state,
        took,
        of.error,
        of.verdict,
        of.said,
        of.frames,
        of.tile,
    )


def _standing(of: ConsoleUnit) -> AttemptRow:
    took = _took(of.started_at, of.ended_at)
    place = (of.number, of.attempt)
    told = (None, of.verdict, of.said, of.frames, of.tile)
    return AttemptRow(place, of.node_name, of.assigned_at, of.state, took, *told)


def _stands(unit: ConsoleUnit) -> bool:
    """Return whether the unit's present attempt must be added from the unit's own row."""
    return unit.attempt > 0 and unit.state in STANDS


def _took(begun: datetime | None, ended: datetime | None) -> float | None:
    return None if begun is None or ended is None else (ended - begun).total_seconds()
