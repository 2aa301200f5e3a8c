"""Rendering of frames."""

import contextlib
import os
import sys
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from ..formats import picture_digest
from ..ipc import MachineError, Progress, Say, SceneError, blamed, one_line
from ..scene import device
from ..scene.files import warnings_of
from ..scene.loader import opened
from ..scene.nondeterminism import drawing_class, is_drawn
from ..scene.output import choose_format, name_of, set_format, size_of
from ..scene.settings import prepare
from . import passes

NOISY = "Noisy Image"
KEPT = (
    *("media_type", "file_format", "color_depth", "color_mode"),
    *("exr_codec", "use_exr_interleave", "quality"),
)
THUMBNAIL = 256  # maximum pixels of the thumbnail's longer side
# Maximum share of the frame's width and height: previews are free, and must not replace frames.
THUMBNAIL_SHARE = 1 / 4


def render(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render the order's frames (default: the current one), and report the files."""
    scene = opened(bpy, order)
    prepare(scene, order)
    frames = order.get("frames") or [scene.frame_current]
    progress = Progress(say, len(frames))
    progress.watch(bpy)
    suffix = choose_format(scene.render, order.get("format"))
    is_of_all = scene.render.image_settings.file_format == "OPEN_EXR_MULTILAYER"
    if is_of_all and (excess := passes.too_many(passes.kinds_of(scene))) is not None:
        raise SceneError(f"the scene writes a file of all passes, and {excess}")
    wants_noisy = bool(order.get("noisy"))
    if wants_noisy:
        store_noisy(scene)
    started = time.monotonic()
    told: dict[str, Any] = {}
    files: list[str] = []
    for frame in frames:
        progress.next(f"frame {frame}")
        alone = len(frames) == 1 and not wants_noisy
        name = "frame" + suffix if alone else name_of(frame, suffix)
        told = {"frame": frame, "file": name}
        told["seconds"] = still(bpy, scene, frame, os.path.join(order["out"], name))
        if order.get("thumbnails"):
            told |= thumbnail(bpy, scene, order["out"], frame)
        if wants_noisy:
            told["noisy"] = write_noisy(bpy, scene, order["out"], frame)
        files += [told[name] for name in ("file", "noisy") if name in told]
        say("frame", **told)
    told |= facts(bpy, scene, started) | _hashes(files, order["out"])
    say("done", **told, frames=len(frames))


def _hashes(files: list[str], out: str) -> dict[str, Any]:
    """Return the hash of the delivered file, or of several files in a zip."""
    paths = {name: os.path.join(out, name) for name in files}
    if len(paths) == 1:
        return picture_digest.told(paths[files[0]])
    return picture_digest.told_of_several(paths)


def still(bpy: Any, scene: Any, frame: int, path: str) -> float:
    """Render one frame to ``path``; return the seconds."""
    scene.frame_set(frame)  # also for the current frame, because a file may be saved unevaluated
    scene.render.use_file_extension, scene.render.filepath = False, path
    device.check(scene)
    started = time.monotonic()
    try:
        bpy.ops.render.render(write_still=True)
    except RuntimeError as fault:
        raise blamed(one_line(fault)) from fault
    if not os.path.exists(path):
        raise _unwritten(path)
    return round(time.monotonic() - started, 3)


def _unwritten(path: str) -> SceneError | MachineError:
    """Return the error for a render that succeeded but wrote no file.

    If the folder is not writable, this machine is to blame, otherwise the scene.
    """
    try:
        with open(path, "wb") as file:
            file.write(bytes(4096))
        os.unlink(path)
    except OSError as fault:
        return MachineError(f"Blender could not write the picture: {one_line(fault)}")
    return SceneError(
        "Blender rendered the frame but wrote no picture: the scene has no picture output"
    )


def store_noisy(scene: Any) -> None:
    """Make Cycles also keep the undenoised picture. The delivered picture stays the same."""
    if scene.render.engine != "CYCLES":
        return
    for name, kinds in passes.kinds_of(scene).items():
        layer = scene.view_layers[name]
        if scene.cycles.use_denoising and layer.cycles.use_denoising and NOISY not in kinds:
            # Blender before 5.2 keeps the undenoised picture only with this setting
            layer.cycles.denoising_store_passes = True
            layer.update_render_passes()


def write_noisy(bpy: Any, scene: Any, out: str, frame: int) -> str:
    """Write the undenoised pictures of all view layers to one file; return the file's name."""
    name = name_of(frame, ".noisy.exr")
    path, whole = os.path.join(out, name), os.path.join(out, ".passes.exr")
    save_passes(bpy, scene, whole)
    has_noisy = scene.render.engine == "CYCLES"
    kinds = (
        passes.kinds_of(scene)
        if has_noisy
        else {layer.name: {} for layer in scene.view_layers if layer.use}
    )
    combined = passes.STANDARD["Combined"]
    wanted = {layer: {"Combined": combined} | _only(of, NOISY) for layer, of in kinds.items()}
    found = passes.read(bpy, whole, written_size(scene), wanted)
    os.unlink(whole)
    noisy = {layer: {"Combined": of.get(NOISY, of["Combined"])} for layer, of in found.items()}
    passes.write(bpy, path, noisy, {layer: {"Combined": combined} for layer in noisy})
    return name


def _only(kinds: dict[str, tuple[str, str]], name: str) -> dict[str, tuple[str, str]]:
    return {name: kinds[name]} if name in kinds else {}


def written_size(scene: Any) -> tuple[int, int]:
    """Return the size of the written picture, which may be a region of the frame."""
    render, (width, height) = scene.render, size_of(scene)
    if not (render.use_border and render.use_crop_to_border):
        return width, height
    across = _pixels(render.border_max_x, width) - _pixels(render.border_min_x, width)
    return across, _pixels(render.border_max_y, height) - _pixels(render.border_min_y, height)


def _pixels(share: float, length: int) -> int:
    """Return a number of pixels as Blender computes it, in single precision: 0.7 of 10 is 7."""
    return int(np.float32(share) * np.float32(length))


def thumbnail_share(size: tuple[int, int]) -> float:
    """Return the factor from a frame's width and height to those of its preview."""
    return min(THUMBNAIL / max(size), THUMBNAIL_SHARE)


def thumbnail(
    bpy: Any, scene: Any, out: str, frame: int, *, is_small: bool = False
) -> dict[str, str]:
    """Write a preview of the picture; return its name for a report, {} if that fails.

    ``is_small``: the picture was rendered in the preview's size.
    """
    try:
        return {"thumbnail": _write_thumbnail(bpy, scene, out, frame, is_small=is_small)}
    except (RuntimeError, ValueError, OSError) as fault:
        sys.stderr.write(f"no thumbnail of frame {frame}: {one_line(fault)}\n")
        return {}


def _write_thumbnail(bpy: Any, scene: Any, out: str, frame: int, *, is_small: bool) -> str:
    name = name_of(frame, ".thumbnail.jpg")
    path = os.path.join(out, name)
    with other_format(scene) as settings:
        set_format(settings, "IMAGE", "JPEG")
        settings.quality = 90
        bpy.data.images["Render Result"].save_render(path, scene=scene)
    image = bpy.data.images.load(path)
    share = 1.0 if is_small else thumbnail_share(tuple(image.size))
    image.scale(*(max(round(side * share), 1) for side in image.size))
    image.save(filepath=path, quality=80)
    bpy.data.images.remove(image)
    return name


def save_passes(bpy: Any, scene: Any, path: str) -> None:
    """Write every pass of the last render to a file."""
    with other_format(scene) as settings:
        passes.exact(settings)
        bpy.data.images["Render Result"].save_render(path, scene=scene)


@contextlib.contextmanager
def other_format(scene: Any) -> Generator[Any, None, None]:
    """Yield the scene's image settings, which may be changed; restore them at the end."""
    settings = scene.render.image_settings
    kept = {name: getattr(settings, name) for name in KEPT if hasattr(settings, name)}
    try:
        yield settings
    finally:
        for name, value in kept.items():
            setattr(settings, name, value)


def facts(bpy: Any, scene: Any, started: float) -> dict[str, Any]:
    """Return the facts of a render for its report."""
    width, height = size_of(scene)
    is_cycles = scene.render.engine in ("CYCLES", passes.ENGINE)
    told = {"drawing": drawing_class()} if is_drawn(scene) else {}
    return {
        **told,
        "seconds": round(time.monotonic() - started, 3),
        "cpu": round(time.process_time(), 3),  # processor time of the whole process
        "width": width,
        "height": height,
        "engine": "CYCLES" if is_cycles else scene.render.engine,
        "samples": scene.cycles.samples if is_cycles else None,
        "blender": bpy.app.version_string,
        "warnings": warnings_of(bpy),
    }
