"""How long the units of a job take, from those of it that are complete."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from rendertrust.frame_range import parse
from sql.scheduler_rows import UnitDuration

Alike: TypeAlias = tuple[UUID, bool]  # the tiles of a job, or its other units
DONE_MOST: Final = 50  # of each job the last ones tell its pace


@attrs.frozen
class UnitDurations:
    """How many units of a job are complete, and how long half of them took for a frame at most."""

    done: int
    seconds: float


def paces(units: Iterable[UnitDuration]) -> dict[Alike, UnitDurations]:
    """Of each job; tiles take less than frames, and what is made of them less again."""
    found: defaultdict[Alike, list[float]] = defaultdict(list)
    for unit in units:
        found[unit.job, unit.is_tile].append(unit.seconds / frames_of(unit.frames))
    return {alike: UnitDurations(len(seconds), median(seconds)) for alike, seconds in found.items()}


def frames_in(params: Mapping[str, Any]) -> int:
    """How many frames a unit's own parameters name; at least one."""
    named = params.get("frames")
    return max(len(named), 1) if isinstance(named, list) else 1  # pyright: ignore[reportUnknownArgumentType]


def frames_of(frames: str | None) -> int:
    """How many frames a unit has; at least one."""
    return 1 if frames is None else max(len(parse(frames)), 1)
