"""Parser of a render unit's parameters into the worker's order."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from rendertrust.blender_addon import addon_id, is_addon_path
from rendertrust.frame_range import FRAME_MAX
from rendertrust.job_spec import CHUNK_MAX, FORMATS, SAMPLES_MAX, SIDE_LEAST, SIDE_MAX
from rendertrust.job_types import VIDEO
from rendertrust.node.cache import safe_path
from rendertrust.node.plugin import Failed, Task
from rendertrust.tiling import TILES_MAX

PATHS: Final = "rendertrust-paths.json"  # input that maps paths in the scene to inputs
OCIO_SUFFIXES: Final = (".ocio", ".ocioz")
KNOWN: Final = frozenset(
    (
        *("frame", "frames", "width", "height", "samples", "format", "noisy", "evidence"),
        *("tile", "tiles", "scene"),
    )
)


def refused(error: str) -> Failed:
    """Return the failure of an invalid unit, which would fail on every node."""
    return Failed(failure="scene", error=error)


def whole(params: Mapping[str, Any], name: str, least: int, most: int) -> int | Failed | None:
    """Return a whole number within bounds; None if the parameter is missing."""
    value = params.get(name)
    if value is None:
        return None
    if not _is_whole(value, least, most):
        return refused(f"{name} must be a whole number from {least} to {most}")
    return cast("int", value)


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def order_of(params: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
    """Return the worker's order for a unit's parameters, or why the parameters are invalid."""
    given = {name: value for name, value in params.items() if value is not None}
    resolution = given.pop("resolution", None)
    if resolution is not None:
        if not isinstance(resolution, list) or len(resolution) != 2:  # pyright: ignore[reportUnknownArgumentType]
            return refused("resolution must be [width, height]")
        given["width"], given["height"] = resolution
    if unknown := sorted(set(given) - KNOWN):
        return refused(f"render does not know the parameter {unknown[0]!r}")
    order: dict[str, Any] = {}
    for part in (_picture(given), _frames(given), _parts(given)):
        if isinstance(part, Failed):
            return part
        order |= part
    return _agreed(order)


def _picture(given: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
    order: dict[str, Any] = {}
    side = (SIDE_LEAST, SIDE_MAX)
    bounds = (("width", *side), ("height", *side), ("samples", 1, SAMPLES_MAX))
    for name, least, most in bounds:
        value = whole(given, name, least, most)
        if isinstance(value, Failed):
            return value
        if value is not None:
            order[name] = value
    if ("width" in order) != ("height" in order):
        return refused("width and height must be given together")
    wanted = given.get("format")
    if wanted is not None and wanted not in FORMATS:
        return refused(f"format must be one of {', '.join(FORMATS)}")
    return order if wanted is None else {**order, "format": wanted}


def _frames(given: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
    """Parse ``frame``, or ``frames``, which one Blender renders in the given order."""
    frame = whole(given, "frame", -FRAME_MAX, FRAME_MAX)
    if isinstance(frame, Failed):
        return frame
    several = given.get("frames")
    if several is None:
        return {} if frame is None else {"frames": [frame]}
    if frame is not None:
        return refused("frame and frames cannot be given together")
    if not isinstance(several, list) or not 1 <= len(several) <= CHUNK_MAX:  # pyright: ignore[reportUnknownArgumentType]
        return refused(f"frames must be a list of 1 to {CHUNK_MAX} numbers")
    numbers = cast("list[object]", several)
    if not all(_is_whole(number, -FRAME_MAX, FRAME_MAX) for number in numbers):
        return refused(f"frames must be whole numbers from -{FRAME_MAX} to {FRAME_MAX}")
    if len(set(numbers)) != len(numbers):
        return refused("frames names a frame twice")
    return {"frames": numbers}


def _parts(given: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
    """Parse a tile to render, tiles to merge, and the files to write beside the picture."""
    order: dict[str, Any] = {}
    for name in ("noisy", "evidence"):
        if name in given:
            if type(given[name]) is not bool:
                return refused(f"{name} must be true or false")
            order[name] = given[name]
    if "tile" in given:
        if not is_tile(given["tile"]):
            return refused("tile must be [x, y, width, height] in pixels from the upper left")
        order["tile"] = given["tile"]
    if "tiles" in given:
        tiles = given["tiles"]
        if not isinstance(tiles, list) or not 1 <= len(tiles) <= TILES_MAX:  # pyright: ignore[reportUnknownArgumentType]
            return refused(f"tiles must be a list of 1 to {TILES_MAX} tiles")
        if not all(map(is_tile, cast("list[object]", tiles))):
            return refused("each of tiles must be [x, y, width, height] in pixels")
        order["tiles"] = tiles
    return order


def is_tile(value: object) -> bool:
    """Return True if ``value`` is [x, y, width, height] of a rectangle of pixels."""
    if not isinstance(value, list) or len(value) != 4:  # pyright: ignore[reportUnknownArgumentType]
        return False
    x, y, width, height = cast("list[object]", value)
    at = all(_is_whole(number, 0, SIDE_MAX) for number in (x, y))
    return at and all(_is_whole(number, 1, SIDE_MAX) for number in (width, height))


def _agreed(order: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
    """Refuse combinations of parameters that exclude each other."""
    in_parts = [name for name in ("tile", "tiles") if name in order]
    if len(in_parts) > 1:
        return refused("tile (render a tile) and tiles (merge tiles) cannot be given together")
    if in_parts and len(order.get("frames", ())) > 1:
        return refused("tiles need exactly one frame")
    if in_parts and (order.get("noisy") or order.get("evidence")):
        return refused("noisy and evidence are for whole frames, not for tile or tiles")
    if "tile" in order and "format" in order:
        return refused("a tile has no format; give the format where the tiles are merged")
    return {key: value for key, value in order.items() if value is not False}


def scene_of(task: Task) -> str | Failed:
    """Return the scene: the named input, the only .blend file, or the only input."""
    named = task.params.get("scene")
    if named is not None:
        path = safe_path(named) if isinstance(named, str) else None
        if path is None or str(path) not in task.inputs:
            return refused("scene must name one of the inputs by its path")
        return str(path)
    names = [name for name in task.inputs if name != PATHS and not is_addon_path(name)]
    blends = [name for name in names if name.endswith(".blend")] or names
    if not blends:
        return refused("the unit has no input: the payload is not an upload of this gateway")
    if len(blends) > 1:
        return refused(f"{len(blends)} inputs are .blend files; name one by `scene`")
    return blends[0]


def addons_of(task: Task) -> Mapping[str, list[str]]:
    """Return the member ``addons`` of the worker's order, if the inputs have add-ons."""
    found = sorted(name for name in task.inputs if addon_id(name) is not None)
    return {"addons": found} if found else {}


def ocio_of(task: Task) -> str | Failed | None:
    """Return the input that is the scene's OpenColorIO configuration; None without one."""
    if task.job_type == VIDEO:  # whose own scene uses Blender's configuration
        return None
    found = [name for name in task.inputs if name.endswith(OCIO_SUFFIXES)]
    if len(found) > 1:
        return refused(f"{len(found)} inputs are OpenColorIO configurations; send one")
    return found[0] if found else None


def placed_tiles(tiles: Sequence[Any], task: Task) -> list[list[Any]] | Failed:
    """Add to each tile the path of its file, the input ``tiles/N.exr``, where N counts from 0."""
    paths = [f"tiles/{number}.exr" for number in range(len(tiles))]
    for path in paths:
        if path not in task.inputs:
            return refused(
                f"the input {path} is missing: each tile needs a file, in the order of tiles"
            )
    return [[*tile, path] for tile, path in zip(tiles, paths, strict=True)]
