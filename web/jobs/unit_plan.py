"""Split of a job into units: frames, chunks of frames, or tiles and the frames merged from them.

Units are numbered by frame, and assigned in the requested order. Splitting does not change the
price: a chunk costs the sum of its frames, and the tiles of a frame together cost its price.
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
from rendertrust.job_spec import SIDE_MAX, JobSpec
from rendertrust.tiling import grid
from sql.job_plan import NewUnit
from web.http.problem import Fault

UNITS_MAX: Final = 5_000  # per job, as all are created, or cancelled, in one transaction
# A function from a frame's number to its price, or the price if all frames cost the same.
Cost: TypeAlias = Callable[[int], int] | int


@attrs.frozen
class UnitPlan:
    """The units of a job and all its ``frames``; a job without frames is one unit."""

    units: tuple[NewUnit, ...]
    frames: tuple[int, ...] = ()


def split_into_units(spec: JobSpec, cost: Cost) -> UnitPlan | list[Fault]:
    """Return the units of a job, priced by ``cost``, or the faults of its options."""
    if spec.frames is None:
        faults = _needs_frames(spec)
        return faults or UnitPlan((NewUnit(_cost_of((0,), cost)),))
    faults = _conflicts(spec)
    if faults:
        return faults
    try:
        ranges = ranges_of(spec.frames)
    except FrameRangeError as fault:
        return [Fault("frames", "value", str(fault))]
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


def _needs_frames(spec: JobSpec) -> list[Fault]:
    """Return a fault for each option that is only allowed with ``frames``."""
    given = spec.body()
    named = [name for name in ("chunk", "tiles", "order", "video") if name in given]
    return [Fault(name, "value", "is only allowed with frames") for name in named]


def _conflicts(spec: JobSpec) -> list[Fault]:
    """Return a fault for each option or parameter that conflicts with ``frames`` or ``tiles``."""
    params = spec.params
    faults = [
        Fault(f"params.{name}", "value", "must be left out, as frames is given")
        for name in ("frame", "frames", "tile", "tiles")
        if name in params
    ]
    if spec.tiles is not None and params.get("noisy"):
        faults.append(Fault("params.noisy", "value", "cannot be combined with tiles"))
    if spec.tiles is not None and spec.chunk > 1:
        faults.append(Fault("tiles", "value", "cannot be combined with chunk"))
    sides = [params.get(name) for name in ("width", "height")]
    if spec.tiles is not None and not all(
        type(side) is int and 0 < side <= SIDE_MAX for side in sides
    ):
        faults.append(Fault("params", "value", "must include width and height with tiles"))
    return faults


def _too_many(units: int) -> list[Fault]:
    """Return a fault if a job would have more than UNITS_MAX units, before they are created."""
    if units <= UNITS_MAX:
        return []
    said = f"make {units} units; a job has {UNITS_MAX} at most: ask for larger chunks"
    return [Fault("frames", "value", f"{said}, or split it into several jobs")]


def _places(count: int, order: str) -> list[int]:
    """Return, for each of ``count`` parts, its place in the requested order."""
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
