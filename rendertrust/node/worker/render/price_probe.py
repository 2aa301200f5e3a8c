"""Price probe: times small renders of some frames, and renders a preview."""

import os
import time
from collections.abc import Sequence
from typing import Any

from ..ipc import Progress, Say, SceneError
from ..scene.loader import opened
from ..scene.nondeterminism import is_drawn
from ..scene.output import set_format, size_of
from ..scene.settings import prepare, samples_of, set_samples
from . import tiles
from .frames import still, thumbnail, thumbnail_share

NEARLY_NONE = (0, 0, 2, 2)  # rendering so few pixels measures all other work of a frame
SMALL = 32  # longer side of a drawn picture of nearly no pixels; regions are drawn with a margin
DRAWN_SAMPLES = 8  # of the longer renders of EEVEE, whose first sample may take long
LOOK_SAMPLES = 16  # samples that suffice for a denoised preview
ROUNDS = 3  # repeated measurements of a frame: other load only adds time, so the least is right
Taken = tuple[float, float]  # wall clock seconds, and processor seconds
Size = tuple[int, int]
Picture = tuple[Size, Sequence[int] | None, int]  # size, area (None: all of it), and samples
Trial = tuple[Size, int]  # the size of a frame's trial renders, and the samples of the longer one


def probe(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render each of ``frames`` whole, with few samples, and report the seconds.

    A frame is rendered with one sample and with as many as ``pixel_samples`` allow, in its own size
    or a smaller one of ``pixels_most``, so that every part of the picture counts for what it takes.
    A render of nearly no pixels measures the base time of a frame; where OpenGL draws, another one
    measures the time of a sample. Then a preview of the current frame is rendered. Measuring ends
    early if the next frame would end after ``seconds``.
    """
    scene = opened(bpy, order)
    current = scene.frame_current
    prepare(scene, order)
    if scene.render.engine != "CYCLES" and not is_drawn(scene):
        raise SceneError(f"the engine {scene.render.engine} cannot be measured")
    samples, own_size = samples_of(scene) or 1, size_of(scene)
    least = DRAWN_SAMPLES if is_drawn(scene) else 2
    trial = trial_of(own_size, samples, order["pixels_most"], order["pixel_samples"], least)
    scene.cycles.use_adaptive_sampling = False  # the measured price must be for all samples
    set_format(scene.render.image_settings, "IMAGE", "PNG")
    scene.render.use_compositing = False
    pictures = trials_of(scene, own_size, trial)
    progress = Progress(say, len(order["frames"]) * ROUNDS * len(pictures) + 2)
    progress.watch(bpy)
    since = time.monotonic()
    loaded = _set_up(bpy, scene, order, progress, pictures)
    left = order["seconds"] - (time.monotonic() - since)
    measured = _in_time(bpy, scene, {**order, "seconds": left}, progress, pictures)
    progress.next("a small picture")
    _resize(scene, own_size)
    set_samples(scene, samples)
    say("frame", frame=current, **_shown(bpy, scene, current, order))
    say(
        "done",
        load_seconds=round(loaded, 3),
        samples=samples,
        width=own_size[0],
        height=own_size[1],
        peak_bytes=progress.peak_bytes,
        probed_pixels=trial[0][0] * trial[0][1],
        probed_samples=trial[1] if samples_of(scene) else 2,
        frames=measured,
    )


def trial_of(
    size: Size, samples: int, pixels_most: int, pixel_samples: int, least: int = 2
) -> Trial:
    """Return the trial renders of a frame of this size, with ``least`` samples or more."""
    width, height = size
    share = min(1.0, (pixels_most / (width * height)) ** 0.5)
    trial = max(int(width * share), 1), max(int(height * share), 1)
    return trial, min(max(pixel_samples // (trial[0] * trial[1]), least), samples)


def _set_up(
    bpy: Any, scene: Any, order: dict[str, Any], progress: Progress, pictures: dict[str, Picture]
) -> float:
    """Render once without measuring, because this sets up data that later renders reuse.

    Return the seconds until Blender was ready: for the scene, and for the shaders of a drawn one.
    """
    progress.next("setting up")
    began: float = order["began"]
    loaded = time.monotonic() - began
    # A whole picture is drawn, because its shaders may be others than those of a small one.
    first = pictures["one_seconds" if is_drawn(scene) else "base_seconds"]
    timed(bpy, scene, order["frames"][0], os.path.join(order["out"], "trial.png"), first)
    return time.monotonic() - began if is_drawn(scene) else loaded


def _in_time(
    bpy: Any, scene: Any, order: dict[str, Any], progress: Progress, pictures: dict[str, Picture]
) -> list[dict[str, Any]]:
    path = os.path.join(order["out"], "trial.png")
    started, taken = time.monotonic(), dict[int, list[Taken]]()
    in_turn = [frame for _ in range(ROUNDS) for frame in order["frames"]]
    for done, frame in enumerate(in_turn):
        gone = time.monotonic() - started
        if done and gone * (done + 1) / done > order["seconds"]:
            break
        for one in pictures.values():
            progress.next(f"frame {frame}")
            taken.setdefault(frame, []).append(timed(bpy, scene, frame, path, one))
    threads = None if order.get("device") else scene.render.threads
    return [told(frame, each, threads, [*pictures]) for frame, each in taken.items()]


def trials_of(scene: Any, own_size: Size, trial: Trial) -> dict[str, Picture]:
    """Return the renders that measure a frame, by the name of their seconds in the report."""
    size, many = trial
    whole: dict[str, Picture] = {"one_seconds": (size, None, 1), "many_seconds": (size, None, many)}
    if not is_drawn(scene):
        return {"base_seconds": (own_size, NEARLY_NONE, many), **whole}
    share = min(1.0, SMALL / max(size))
    small = max(int(size[0] * share), 1), max(int(size[1] * share), 1)
    base: Picture = (small, None, 1)
    if samples_of(scene) is None:
        return {"base_seconds": base, "one_seconds": (size, None, 1)}
    return {"base_seconds": base, "sample_seconds": (small, None, many), **whole}


def told(
    frame: int, taken: Sequence[Taken], threads: int | None, names: Sequence[str]
) -> dict[str, Any]:
    """Return a frame's seconds for a report.

    ``taken``: those of its trials, in turns, which have these ``names``. If an engine has no
    samples, more samples take as long as one. ``threads`` None: a card renders, whose time is no
    processor's.
    """
    many = len(names)
    seconds = [wall for wall, _ in taken] if threads is None else idle_seconds(taken, threads)
    found = {name: seconds[turn::many] for turn, name in enumerate(names)}
    return {"frame": frame, "many_seconds": found["one_seconds"], **found}


def timed(bpy: Any, scene: Any, frame: int, path: str, picture: Picture) -> Taken:
    """Render a frame, or an area of it, and return the times."""
    size, area, samples = picture
    _resize(scene, size)
    set_samples(scene, samples)
    return _taken(bpy, scene, frame, area, path)


def _resize(scene: Any, size: Size) -> None:
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100


def _taken(bpy: Any, scene: Any, frame: int, area: Sequence[int] | None, path: str) -> Taken:
    if area is None:
        scene.render.use_border = scene.render.use_crop_to_border = False
    else:
        x, y, width, height = area
        tiles.select(scene, (x, y, width, height))
    began, before = time.monotonic(), time.process_time()
    still(bpy, scene, frame, path)  # its seconds do not include the change to the frame
    return time.monotonic() - began, time.process_time() - before


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
    set_samples(scene, min(samples_of(scene) or 1, LOOK_SAMPLES))
    scene.cycles.use_denoising, scene.cycles.denoiser = True, "OPENIMAGEDENOISE"
    still(bpy, scene, frame, os.path.join(order["out"], "look.png"))
    return thumbnail(bpy, scene, order["out"], frame, is_small=True)
