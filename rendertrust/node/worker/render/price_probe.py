"""Price probe: times crops of some frames, and renders a preview."""

import os
import time
from collections.abc import Sequence
from typing import Any

from ..ipc import Progress, Say, SceneError
from ..scene.loader import opened
from ..scene.output import set_format, size_of
from ..scene.settings import prepare
from . import tiles
from .frames import still, thumbnail, thumbnail_share

NEARLY_NONE = (0, 0, 2, 2)  # rendering so few pixels measures all other work of a frame
LOOK_SAMPLES = 16  # samples that suffice for a denoised preview
Taken = tuple[float, float]  # wall clock seconds, and processor seconds


def probe(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render ``crops`` ([x, y, width, height]) of each of ``frames`` and report the seconds.

    At most ``samples_most`` samples per pixel are rendered. A render of nearly no pixels measures
    the base time of a frame. Then a preview of the current frame is rendered. A frame after the
    first is left out if, judging by the earlier frames, it would end after ``seconds``.
    """
    scene = opened(bpy, order)
    current = scene.frame_current
    prepare(scene, order)
    if scene.render.engine != "CYCLES":
        raise SceneError(f"the engine is {scene.render.engine}; only Cycles can be probed")
    loaded = time.monotonic() - order["began"]  # load time of Blender and the scene
    samples, width_height = scene.cycles.samples, size_of(scene)
    scene.cycles.samples = min(samples, order["samples_most"])
    scene.cycles.use_adaptive_sampling = False  # the measured price must be for all samples
    set_format(scene.render.image_settings, "IMAGE", "PNG")
    scene.cycles.use_denoising = scene.render.use_compositing = False
    progress = Progress(say, len(order["frames"]) * (len(order["crops"]) + 1) + 2)
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
    path = os.path.join(order["out"], "crop.png")
    # The first render of a process is not measured, because it sets up data that later renders
    # reuse.
    progress.next("setting up")
    _taken(bpy, scene, order["frames"][0], NEARLY_NONE, path)
    started, measured = time.monotonic(), list[dict[str, Any]]()
    for frame in order["frames"]:
        gone = time.monotonic() - started
        if measured and gone * (len(measured) + 1) / len(measured) > order["seconds"]:
            break
        taken: list[Taken] = []
        for area in (NEARLY_NONE, *order["crops"]):
            progress.next(f"frame {frame}")
            taken.append(_taken(bpy, scene, frame, area, path))
        base, *crops = idle_seconds(taken, scene.render.threads)
        pixels = [width * height for _, _, width, height in order["crops"]]
        told = {"frame": frame, "base_seconds": base, "seconds": crops, "pixels": pixels}
        measured.append(told)
    return measured


def _taken(bpy: Any, scene: Any, frame: int, area: Sequence[int], path: str) -> Taken:
    x, y, width, height = area
    tiles.select(scene, (x, y, width, height))
    before = time.process_time()
    seconds = still(bpy, scene, frame, path)
    return seconds, time.process_time() - before


def idle_seconds(taken: Sequence[Taken], threads: int) -> list[float]:
    """Return the seconds that the renders would take on an idle machine, by processor time.

    A price must not depend on other load. The cheapest render has few pixels, so mostly one thread
    is busy in its time. The further processor time of other renders is divided among all threads.
    """
    base = min(processor for _, processor in taken)
    least = min(base, *(seconds for seconds, _ in taken))
    return [round(least + (processor - base) / threads, 3) for _, processor in taken]


def _shown(bpy: Any, scene: Any, frame: int, order: dict[str, Any]) -> dict[str, str]:
    """Render a preview of the whole frame with few samples; return the file's name."""
    width, height = size_of(scene)
    share = thumbnail_share((width, height))
    render = scene.render
    render.use_border = render.use_crop_to_border = False
    render.resolution_x = max(round(width * share), 4)
    render.resolution_y, render.resolution_percentage = max(round(height * share), 4), 100
    scene.cycles.samples = min(scene.cycles.samples, LOOK_SAMPLES)
    scene.cycles.use_denoising, scene.cycles.denoiser = True, "OPENIMAGEDENOISE"
    still(bpy, scene, frame, os.path.join(order["out"], "look.png"))
    return thumbnail(bpy, scene, order["out"], frame, is_small=True)
