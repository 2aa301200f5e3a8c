"""Merging of undenoised tiles into the picture that the artist's machine would make.

The steps are merge, denoise, composite, view transform and save. Cycles denoises a file; Blender
does the rest, because the scene takes the passes for a new render of its engine.
"""

import os
import time
from typing import Any

import numpy as np

from . import picture_digest, render_passes, tile_rendering
from .ipc import MachineError, Progress, Say, SceneError, one_line
from .render_passes import STANDARD, Array, Layers
from .rendering import facts, still, thumbnail
from .scene import choose_format, opened, prepare, size_of

SEEN_BY_DENOISER = tuple(name for name in STANDARD if name not in ("Combined", "Vector"))


def finish(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Make one frame from ``tiles``, each [x, y, width, height, path]."""
    scene = opened(bpy, order)
    prepare(scene, order)
    if reasons := tile_rendering.obstacles(scene):
        raise SceneError(f"this scene cannot be rendered in tiles: {reasons[0]}")
    suffix = choose_format(scene.render, order.get("format"))
    frame = (order.get("frames") or [scene.frame_current])[0]
    progress, started = Progress(say, 1), time.monotonic()
    progress.next()
    scene.frame_set(frame)
    layers = merge(bpy, scene, order["tiles"])
    say("progress", progress=0.3, remaining=None, detail="tiles merged")
    denoise(bpy, scene, layers, order["out"])
    say("progress", progress=0.7, remaining=None, detail="denoised")
    render_passes.feed(scene, layers, render_passes.kinds_of(scene))
    name = "frame" + suffix
    still(bpy, scene, frame, os.path.join(order["out"], name))
    if order.get("thumbnails"):
        shown = thumbnail(bpy, scene, order["out"], frame)
        say("frame", frame=frame, file=name, **shown)
    told = facts(bpy, scene, started) | picture_digest.told(os.path.join(order["out"], name))
    say("done", file=name, frame=frame, frames=1, **told)


def merge(bpy: Any, scene: Any, tiles: list[list[Any]]) -> Layers:
    """Return an array for each pass of each view layer, assembled without the tiles' margins."""
    width, height = size_of(scene)
    kinds = tile_rendering.tile_kinds(scene)
    whole: Layers = {}
    filled = np.zeros((height, width), bool)
    for x, y, across, down, path in tiles:
        left, top, wide, high = tile_rendering.rendered((x, y, across, down), scene)
        found = render_passes.read(bpy, path, (wide, high), kinds)
        below, inside = height - y - down, (top + high) - (y + down)
        filled[below : below + down, x : x + across] = True
        for layer, bands in found.items():
            for name, band in bands.items():
                target = _array(whole, layer, name, (height, width, band.shape[2]))
                part = band[inside : inside + down, x - left : x - left + across]
                target[below : below + down, x : x + across] = part
    if not filled.all():
        raise SceneError("the tiles do not cover the whole frame")
    return whole


def _array(whole: Layers, layer: str, name: str, shape: tuple[int, int, int]) -> Array:
    return whole.setdefault(layer, {}).setdefault(name, np.zeros(shape, np.float32))


def denoise(bpy: Any, scene: Any, layers: Layers, out: str) -> None:
    """Replace the noisy picture by the denoised one in layers with denoising."""
    if not scene.cycles.use_denoising:
        return
    for name, bands in layers.items():
        if scene.view_layers[name].cycles.use_denoising:
            bands["Noisy Image"] = bands["Combined"]
            bands["Combined"] = _denoised(bpy, scene, name, bands, out)


def _denoised(bpy: Any, scene: Any, layer: str, bands: dict[str, Array], out: str) -> Array:
    """Denoise with Cycles' denoiser and the scene's settings.

    It reads files from the top row, and the direction affects the result, so the file is flipped.
    It requires a motion pass, used only between frames, and a number of samples, by which it
    multiplies and divides; 1 keeps the bits.
    """
    import _cycles  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    height, width, _ = bands["Combined"].shape
    seen = {name: bands[name][::-1] for name in SEEN_BY_DENOISER if name in bands}
    seen["Combined"] = seen["Noisy Image"]
    seen["Vector"] = np.zeros((height, width, 4), np.float32)
    kinds = {layer: {name: STANDARD[name] for name in seen}}
    source, target = (os.path.join(out, name) for name in (".noisy.exr", ".denoised.exr"))
    render_passes.write(bpy, source, {layer: seen}, kinds, {f"cycles.{layer}.samples": "1"})
    view_layer = scene.view_layers[layer]
    pointers = (bpy.context.preferences, scene, view_layer)
    try:
        _cycles.denoise(*(of.as_pointer() for of in pointers), input=[source], output=[target])
    except ValueError as fault:
        raise MachineError(f"the denoiser failed: {one_line(fault)}") from fault
    found = render_passes.read(
        bpy, target, (width, height), {layer: {"Combined": STANDARD["Combined"]}}
    )
    for path in (source, target):
        os.unlink(path)
    return found[layer]["Combined"][::-1]
