"""Durations of a job's units, from the complete ones."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from rendertrust.frame_range import parse
from sql.scheduler_rows import UnitDuration

Alike: TypeAlias = tuple[UUID, bool]  # the tiles of a job, or its other units
DONE_MOST: Final = 50  # the last ones of each job determine its pace


@attrs.frozen
class UnitDurations:
    """The number of complete units of a job, and the median seconds per frame."""

    done: int
    seconds: float


def paces(units: Iterable[UnitDuration]) -> dict[Alike, UnitDurations]:
    """Return durations by job; tiles are separate, as they take less than frames."""
    found: defaultdict[Alike, list[float]] = defaultdict(list)
    for unit in units:
        found[unit.job, unit.is_tile].append(unit.seconds / frames_of(unit.frames))
    return {alike: UnitDurations(len(seconds), median(seconds)) for alike, seconds in found.items()}


def frames_in(params: Mapping[str, Any]) -> int:
    """Count the frames in a unit's own parameters; at least one."""
    named = params.get("frames")
    return max(len(named), 1) if isinstance(named, list) else 1  # pyright: ignore[reportUnknownArgumentType]


def frames_of(frames: str | None) -> int:
    """Count the frames of a unit; at least one."""
    return 1 if frames is None else max(len(parse(frames)), 1)
