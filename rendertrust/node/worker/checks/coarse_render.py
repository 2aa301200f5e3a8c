"""A small render of the scene, which shows where the picture varies.

Crops are placed where the render varies most. The render also shows whether a picture of one colour
is plausible.
"""

import contextlib
import os
from collections.abc import Generator
from typing import Any

import numpy as np

from ..formats.exr import heads_of, window_in
from ..render import tiles
from ..render.frames import other_format, still
from ..scene.output import set_format, size_of
from ..scene.settings import held
from . import image_comparison
from .crop_placement import Crop
from .open_watchdog import OpenProgress

COARSE_SIDE = 64  # pixels of the small picture's longer side
COARSE_SAMPLES = 4
CELLS = 8  # cells of the grid, in each direction
SMALL = ("cycles.samples", "cycles.use_adaptive_sampling", "render.resolution_percentage")
PASSING = "passing.exr"


def coarse(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress, area: Crop | None = None
) -> list[list[float]]:
    """Return the variance in a grid over the frame or ``area``, from a small render.

    The scene is stripped, as by ``tiles.strip``.
    """
    progress.next("coarse picture")
    tiles.strip(scene)
    path = os.path.join(order["out"], "coarse.exr")
    frame = (order.get("frames") or [scene.frame_current])[0]
    _render(bpy, scene, frame, path)
    return image_comparison.variance(_within(read_raw(path), area, size_of(scene)), CELLS)


def pass_through(bpy: Any, scene: Any, order: dict[str, Any], frames: list[int]) -> None:
    """Render these frames in a small size, so that unbaked simulations continue as in a chunk."""
    for frame in frames:
        _render(bpy, scene, frame, os.path.join(order["out"], PASSING))


def _render(bpy: Any, scene: Any, frame: int, path: str) -> None:
    with _small(scene), other_format(scene) as settings:
        choose_raw(settings)
        still(bpy, scene, frame, path)


def _within(picture: Any, area: Crop | None, size: tuple[int, int]) -> Any:
    """Return the part of a small picture that shows the area; at least one pixel."""
    if area is None:
        return picture
    x, y, across, down = area
    high, wide = picture.shape[:2]
    left, right = x * wide // size[0], -(-(x + across) * wide // size[0])
    above, below = y * high // size[1], -(-(y + down) * high // size[1])
    return picture[high - below : high - above, left:right]  # the lowest row comes first


@contextlib.contextmanager
def _small(scene: Any) -> Generator[None]:
    """Reduce the scene's pixels and samples inside this context."""
    render, cycles = scene.render, scene.cycles
    sides = render.resolution_x, render.resolution_y, render.resolution_percentage
    sampling = cycles.samples, cycles.use_adaptive_sampling
    share = COARSE_SIDE / max(size_of(scene))
    if share < 1:
        width, height = (max(round(side * share), 4) for side in size_of(scene))
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    cycles.samples, cycles.use_adaptive_sampling = min(cycles.samples, COARSE_SAMPLES), False
    try:
        with held(scene, *SMALL):
            yield
    finally:
        render.resolution_x, render.resolution_y, render.resolution_percentage = sides
        cycles.samples, cycles.use_adaptive_sampling = sampling


def choose_raw(settings: Any) -> None:
    """Set the format that ``read_raw`` supports."""
    set_format(settings, "IMAGE", "OPEN_EXR")
    settings.color_depth, settings.color_mode, settings.exr_codec = "32", "RGB", "NONE"


def read_raw(path: str) -> Any:
    """Return float32 values (height, width, 3), the lowest row first, as in Blender."""
    with open(path, "rb") as file:
        _, (head,) = heads_of(file)
        width, height, count = window_in(head)
        if (count, head["compression"]) != (3, b"\0"):
            raise ValueError("the small picture is compressed, or does not have three channels")
        file.seek(8 * height, 1)  # skip the table of offsets; the rows follow in order
        rows = np.frombuffer(file.read(), np.uint8).reshape(height, 8 + 12 * width)
    # channels are stored as blue, green, red
    found = rows[:, 8:].copy().view("<f4").reshape(height, 3, width)
    return found[::-1, ::-1].transpose(0, 2, 1)
