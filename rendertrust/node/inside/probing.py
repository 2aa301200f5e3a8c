"""A price probe: how long small pieces of some frames take, and how one looks, small."""

import os
import time
from typing import Any

from . import cutting
from .rendering import THUMBNAIL, still, thumbnail
from .scene import opened, prepare, set_format, size_of
from .speech import Progress, Say, SceneError

BASE_SIDE = 2  # pixels: a render of so little takes the time of everything but pixels
LOOK_SAMPLES = 16  # enough, with a denoiser, to see what it is


def probe(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render ``crops`` ([x, y, width, height]) of each of ``frames``, with ``samples_most`` at
    most, and say the seconds of each; also those of nearly no pixels, which every frame costs.
    Then show the current frame, small. Frames that would end after so many ``seconds``, as the ones
    before went, are left out, but for the first.
    """
    scene = opened(bpy, order)
    current = scene.frame_current
    prepare(scene, order)
    if scene.render.engine != "CYCLES":
        raise SceneError(f"the engine is {scene.render.engine}; only Cycles can be probed")
    loaded = time.monotonic() - order["began"]  # Blender itself is loaded, too
    samples, width_height = scene.cycles.samples, size_of(scene)
    scene.cycles.samples = min(samples, order["samples_most"])
    scene.cycles.use_adaptive_sampling = False  # the price is for what may be needed
    set_format(scene.render.image_settings, "IMAGE", "PNG")
    scene.cycles.use_denoising = scene.render.use_compositing = False
    progress = Progress(say, len(order["frames"]) * (len(order["crops"]) + 1) + 1)
    progress.watch(bpy)
    measured = _in_time(bpy, scene, order, progress)
    probed_samples = scene.cycles.samples
    progress.next("a small picture")
    say("frame", frame=current, **_shown(bpy, scene, current, order))
    say(
        "done",
        load_seconds=round(loaded, 3),
        samples=samples,
        probed_samples=probed_samples,
        width=width_height[0],
        height=width_height[1],
        frames=measured,
    )


def _in_time(
    bpy: Any, scene: Any, order: dict[str, Any], progress: Progress
) -> list[dict[str, Any]]:
    started, measured = time.monotonic(), list[dict[str, Any]]()
    for frame in order["frames"]:
        gone = time.monotonic() - started
        if measured and gone * (len(measured) + 1) / len(measured) > order["seconds"]:
            break
        measured.append(_frame(bpy, scene, frame, order, progress))
    return measured


def _frame(
    bpy: Any, scene: Any, frame: int, order: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Seconds of one frame's crops. The first render also pays for what is kept: it is not told."""
    seconds: list[float] = []
    pixels: list[int] = []
    path = os.path.join(order["out"], "crop.png")
    for area in [[0, 0, BASE_SIDE, BASE_SIDE], *order["crops"]]:
        x, y, width, height = area
        cutting.select(scene, (x, y, width, height))
        progress.next(f"frame {frame}")
        seconds.append(still(bpy, scene, frame, path))
        pixels.append(width * height)
    return {
        "frame": frame,
        "base_seconds": seconds[0],
        "seconds": seconds[1:],
        "pixels": pixels[1:],
    }


def _shown(bpy: Any, scene: Any, frame: int, order: dict[str, Any]) -> dict[str, str]:
    """The whole frame, as small as it is shown and with few samples; gives the file's name."""
    width, height = size_of(scene)
    share = min(THUMBNAIL / max(width, height), 1.0)
    render = scene.render
    render.use_border = render.use_crop_to_border = False
    render.resolution_x = max(round(width * share), 4)
    render.resolution_y, render.resolution_percentage = max(round(height * share), 4), 100
    scene.cycles.samples = min(scene.cycles.samples, LOOK_SAMPLES)
    scene.cycles.use_denoising, scene.cycles.denoiser = True, "OPENIMAGEDENOISE"
    still(bpy, scene, frame, os.path.join(order["out"], "look.png"))
    return thumbnail(bpy, scene, order["out"], frame)
