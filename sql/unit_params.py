"""The parameters of a unit: those of its job, narrowed to the unit's part."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from rendertrust.frame_range import parse
from rendertrust.tiling import grid
from sql.scheduler_rows import GRID

# Parameters that a tile lacks: its file has the renderer's own format.
OF_THE_WHOLE: Final = ("format",)
RENDER: Final = "render"
VIDEO: Final = "video"
CHECKED: Final = frozenset({RENDER, VIDEO})  # job types that are checked
Kind: TypeAlias = Literal["frame", "chunk", "tile", "merged", "video"]


def params_of(params: Mapping[str, Any], frames: str | None, tile: int | None) -> dict[str, Any]:
    """Return a unit's parameters; with ``frames`` None, those of the job."""
    told = {name: value for name, value in params.items() if name != GRID}
    if frames is None:
        return told
    numbers = parse(frames)
    told |= {"frame": numbers[0]} if len(numbers) == 1 else {"frames": list(numbers)}
    if GRID not in params:
        return told
    tiles = grid(params["width"], params["height"], *params[GRID])
    if tile is None:
        return {**told, "tiles": [each.members for each in tiles]}
    told["tile"] = tiles[tile].members
    return {name: value for name, value in told.items() if name not in OF_THE_WHOLE}


def kind_of(job_type: str, params: Mapping[str, Any]) -> Kind:
    """Return the kind of a unit's result."""
    if job_type == VIDEO:
        return "video"
    if "tile" in params:
        return "tile"
    if "tiles" in params:
        return "merged"
    return "frame" if len(params.get("frames") or [0]) == 1 else "chunk"
