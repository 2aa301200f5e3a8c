"""The units of a job: frames, chunks of frames, or tiles of a frame and the frame made of them.

Units are numbered by frame, and take turns in the requested order. A frame costs the same however
it is split: a chunk costs the sum of its frames, and the tiles of a frame together its price.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import attrs

from rendertrust.frame_range import (
    FrameRangeError,
    canonical,
    chunks,
    merged,
    ordered,
    ranges_of,
)
from rendertrust.job_spec import JobSpec
from rendertrust.tiling import grid
from sql.job_plan import NewUnit
from web.http.problem import Fault

UNITS_MAX: Final = 5_000  # of one job: they are created, and cancelled, in one transaction
FRAMES_OF_JOB_MAX: Final = 20_000  # a quote reads and prices all of them; repeated ones count twice
# A frame's number -> units of money; or the price of each, where all frames cost the same.
Cost: TypeAlias = Callable[[int], int] | int


@attrs.frozen
class UnitPlan:
    """The units of a job and all its ``frames``; a job without frames is one unit."""

    units: tuple[NewUnit, ...]
    frames: tuple[int, ...] = ()


def plan_of(spec: JobSpec, cost: Cost) -> UnitPlan | list[Fault]:
    """Return the units of a job whose frames have these costs, or what is wrong with it."""
    if spec.frames is None:
        faults = _alone(spec)
        return faults or UnitPlan((NewUnit(_cost_of((0,), cost)),))
    faults = _disagreeing(spec)
    if faults:
        return faults
    try:
        ranges = ranges_of(spec.frames)
    except FrameRangeError as fault:
        return [Fault("frames", "value", str(fault))]
    if (count := sum(map(len, ranges))) > FRAMES_OF_JOB_MAX:
        said = f"name {count} frames; a job has {FRAMES_OF_JOB_MAX} frames at most"
        return [Fault("frames", "value", f"{said}: split it into several jobs")]
    frames = merged(ranges)
    if spec.tiles is None:
        faults = _too_many(-(-len(frames) // spec.chunk))
        if faults:
            return faults
        return UnitPlan((*_whole(chunks(frames, spec.chunk), spec.order, cost),), frames)
    columns, rows = (int(number) for number in spec.tiles.split("x"))
    try:
        count = len(grid(spec.params["width"], spec.params["height"], columns, rows))
    except ValueError as fault:
        return [Fault("tiles", "value", str(fault))]
    faults = _too_many(len(frames) * (count + 1))
    if faults:
        return faults
    return UnitPlan((*_tiled(chunks(frames, 1), spec.order, cost, count),), frames)


def _alone(spec: JobSpec) -> list[Fault]:
    """Return faults for options that need frames."""
    given = spec.body()
    said = [name for name in ("chunk", "tiles", "order") if name in given]
    return [Fault(name, "value", "goes with frames; name them") for name in said]


def _disagreeing(spec: JobSpec) -> list[Fault]:
    params = spec.params
    faults = [
        Fault(f"params.{name}", "value", "is said by frames already; leave it out")
        for name in ("frame", "frames", "tile", "tiles")
        if name in params
    ]
    if spec.tiles is not None and params.get("noisy"):
        faults.append(Fault("params.noisy", "value", "is of whole frames; leave out tiles, or it"))
    if spec.tiles is not None and spec.chunk > 1:
        faults.append(Fault("tiles", "value", "are of one frame each; leave chunk out"))
    sides = [params.get(name) for name in ("width", "height")]
    if spec.tiles is not None and not all(
        type(side) is int and 0 < side <= 16_384 for side in sides
    ):
        faults.append(Fault("params", "value", "must give width and height where frames are tiled"))
    return faults


def _too_many(units: int) -> list[Fault]:
    """Return the fault of a job of too many units, before any of them is made."""
    if units <= UNITS_MAX:
        return []
    said = f"make {units} units; a job has {UNITS_MAX} at most: ask for larger chunks"
    return [Fault("frames", "value", f"{said}, or split it into several jobs")]


def _places(count: int, order: str) -> list[int]:
    """Return the turn of each of ``count`` parts."""
    places = [0] * count
    for turn, number in enumerate(ordered(range(count), order)):
        places[number] = turn
    return places


def _whole(parts: Sequence[tuple[int, ...]], order: str, cost: Cost) -> Iterator[NewUnit]:
    for part, place in zip(parts, _places(len(parts), order), strict=True):
        yield NewUnit(_cost_of(part, cost), place, canonical(part))


def _cost_of(frames: Sequence[int], cost: Cost) -> int:
    return cost * len(frames) if isinstance(cost, int) else sum(map(cost, frames))


def _tiled(
    parts: Sequence[tuple[int, ...]], order: str, cost: Cost, count: int
) -> Iterator[NewUnit]:
    """Yield the tiles of each frame, and then the unit that assembles them."""
    for index, (part, turn) in enumerate(zip(parts, _places(len(parts), order), strict=True)):
        prices = _shares(_cost_of(part, cost), count)
        frames, place, whole = canonical(part), turn * (count + 1), (index + 1) * (count + 1) - 1
        for tile in range(count):
            yield NewUnit(prices[tile], place + tile, frames, tile, whole)
        yield NewUnit(0, place + count, frames, missing=count)


def _shares(price: int, count: int) -> list[int]:
    """Split a frame's price among its tiles."""
    sums = [price * part // count for part in range(count + 1)]
    return [after - before for before, after in pairwise(sums)]
