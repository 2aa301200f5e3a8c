"""What a unit's node is told of its job: the parameters of the whole, narrowed to the piece."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from rendertrust.frame_range import parse
from rendertrust.tiling import grid
from sql.scheduler_rows import GRID

# What a tile has none of: its file is of the renderer's own kind.
OF_THE_WHOLE: Final = ("format",)
RENDER: Final = "render"
VIDEO: Final = "video"
CHECKED: Final = frozenset({RENDER, VIDEO})  # job types of which there is a check
Kind: TypeAlias = Literal["frame", "chunk", "tile", "merged", "video"]


def params_of(params: Mapping[str, Any], frames: str | None, tile: int | None) -> dict[str, Any]:
    """A unit's parameters; ``frames`` None: the job has no pieces, and they are its own."""
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
    """What a unit of work that is checked gives."""
    if job_type == VIDEO:
        return "video"
    if "tile" in params:
        return "tile"
    if "tiles" in params:
        return "merged"
    return "frame" if len(params.get("frames") or [0]) == 1 else "chunk"
