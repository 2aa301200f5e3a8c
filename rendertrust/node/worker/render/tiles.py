"""Tiles of a frame: which scenes can be split, which pixels are rendered, and how tiles are merged.

The merged picture equals the picture of the artist's machine. The tiles are merged undenoised, then
the frame is denoised, composited and saved with the view transform.
"""

import os
import re
import time
from typing import Any

import numpy as np

from ..formats import picture_digest
from ..ipc import Progress, Say, SceneError
from ..scene import nondeterminism
from ..scene.loader import opened
from ..scene.output import choose_format, compositor_nodes, shows_strips, size_of
from ..scene.settings import animating, prepare
from . import passes
from .frames import facts, still, thumbnail
from .passes import Array, Kinds, Layers, denoise, exact, kinds_of

Rectangle = tuple[int, int, int, int]  # x and y from the upper left corner; then width and height
# Adaptive sampling continues at a pixel while its neighbours are noisy. Therefore pixels beyond a
# tile's edge affect pixels at the edge. A margin of so many pixels is rendered, and dropped when
# tiles are merged.
MARGIN = 8
# Margin in pixels if the scene has volumes, where neighbouring pixels also guide Cycles' steps.
MARGIN_VOLUME = 16
# Settings that a render of a tile changes. Keyframes of these settings would undo the change.
CUT = re.compile(
    r"view_layers\[|cycles\.use_(?:denoising|guiding)$"
    r"|render\.(?:border_|resolution_|use_(?:border|crop_to_border|compositing|sequencer|stamp"
    r"|persistent_data|multiview|freestyle)$)"
)


def obstacles(scene: Any) -> list[str]:
    """Return why a frame of tiles would differ from a whole frame.

    If the list is empty, both are equal bit by bit.
    """
    render, found = scene.render, list[str]()
    if render.engine != "CYCLES":
        name = render.engine.removeprefix("BLENDER_").removesuffix("_NEXT")
        return [f"the engine is {name}; only Cycles renders the same pixels in parts"]
    reasons = {
        "Render Properties > Path Guiding learns from the whole picture": scene.cycles.use_guiding,
        "Output Properties > Render Region is set": render.use_border,
        "Output Properties > Stereoscopy is on": render.use_multiview,
        "Render Properties > Freestyle is on": render.use_freestyle,
        "the picture comes from the Video Sequencer": shows_strips(scene),
    }
    found += [reason for reason, applies in reasons.items() if applies]
    found += nondeterminism.region_dependence(_blender())
    if (pencil := nondeterminism.grease_pencil(_blender())) is not None:
        found.append(f"{pencil} is Grease Pencil, which is drawn over the whole picture")
    moved = {curve.data_path for curve in animating(scene) if CUT.match(curve.data_path)}
    found += [f"the scene's {path} is animated" for path in sorted(moved)]
    for layer in (layer for layer in scene.view_layers if layer.use):
        if any(
            getattr(layer, f"use_pass_cryptomatte_{of}") for of in ("object", "material", "asset")
        ):
            found.append(f"view layer {layer.name}: Passes > Cryptomatte")
        if layer.cycles.use_pass_shadow_catcher:
            found.append(f"view layer {layer.name}: Passes > Shadow Catcher")
        if getattr(layer.cycles, "pass_render_time", False):  # since Blender 5
            found.append(f"view layer {layer.name}: Passes > Render Time")
    if (excess := passes.too_many(tile_kinds(scene))) is not None:
        found.append(excess)
    for node in compositor_nodes(scene):
        if node.bl_idname.startswith("CompositorNodeCryptomatte"):
            found.append(f"compositor node {node.name} needs Cryptomatte")
        elif node.bl_idname == "CompositorNodeRLayers" and node.scene not in (None, scene):
            found.append(f"compositor node {node.name} renders the scene {node.scene.name}")
    return found


def rendered(tile: Rectangle, scene: Any) -> Rectangle:
    """Return the pixels that are rendered for ``tile``: the tile with a margin."""
    width, height = size_of(scene)
    x, y, across, down = tile
    if x < 0 or y < 0 or across < 1 or down < 1 or x + across > width or y + down > height:
        raise SceneError(f"the tile {list(tile)} lies outside the frame, {width} x {height}")
    margin = MARGIN if scene.cycles.use_adaptive_sampling else 0
    margin = MARGIN_VOLUME if _has_volume() else margin
    left, top = max(x - margin, 0), max(y - margin, 0)
    right, bottom = min(x + across + margin, width), min(y + down + margin, height)
    return left, top, right - left, bottom - top


def _has_volume() -> bool:
    """Return True if the file has a volume shader, perhaps inside a group, or a volume object."""
    data = _blender().data
    trees = [of.node_tree for of in (*data.materials, *data.worlds) if of.node_tree]
    trees += data.node_groups
    return bool(data.volumes) or any(
        node.inputs["Volume"].is_linked
        for tree in trees
        for node in tree.nodes
        if node.bl_idname in ("ShaderNodeOutputMaterial", "ShaderNodeOutputWorld")
    )


def _blender() -> Any:
    import bpy  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    return bpy  # pyright: ignore[reportUnknownVariableType]


def select(scene: Any, area: Rectangle) -> None:
    """Set the render region to exactly these pixels, and crop the picture to that region."""
    render, (width, height) = scene.render, size_of(scene)
    x, y, across, down = area
    below = height - y - down
    # Blender rounds down. Half a pixel more prevents the loss of a whole pixel.
    render.border_min_x, render.border_max_x = _share(x, width), _share(x + across, width)
    render.border_min_y, render.border_max_y = _share(below, height), _share(below + down, height)
    render.use_border = render.use_crop_to_border = True


def _share(pixels: int, length: int) -> float:
    return 0.0 if pixels <= 0 else min((pixels + 0.5) / length, 1.0)


def strip(scene: Any) -> None:
    """Set the scene to render all undenoised passes, including the denoiser's inputs."""
    for layer in scene.view_layers:
        if scene.cycles.use_denoising and layer.cycles.use_denoising:
            layer.cycles.denoising_store_passes = True
    scene.cycles.use_denoising = False
    for layer in scene.view_layers:
        layer.update_render_passes()
    scene.render.use_compositing = scene.render.use_sequencer = False
    scene.render.use_stamp = False  # the stamp is added when the tiles are merged
    exact(scene.render.image_settings)


def tile_kinds(scene: Any) -> Kinds:
    """Return the passes of a tile of this scene."""
    own, kept = scene.cycles.use_denoising, {}
    for layer in scene.view_layers:
        kept[layer.name] = layer.cycles.denoising_store_passes
        if own and layer.cycles.use_denoising:
            layer.cycles.denoising_store_passes = True
    scene.cycles.use_denoising = False
    kinds = kinds_of(scene)
    scene.cycles.use_denoising = own
    for layer in scene.view_layers:
        layer.cycles.denoising_store_passes = kept[layer.name]
    return kinds


def render(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render the order's tile, and report its file."""
    scene = opened(bpy, order)
    prepare(scene, order)
    progress = Progress(say, 1)
    progress.watch(bpy)
    if reasons := obstacles(scene):
        raise SceneError(f"this scene cannot be rendered in tiles: {reasons[0]}")
    x, y, width, height = order["tile"]
    area = rendered((x, y, width, height), scene)
    strip(scene)
    select(scene, area)
    progress.next()
    started = time.monotonic()
    frame = (order.get("frames") or [scene.frame_current])[0]
    still(bpy, scene, frame, os.path.join(order["out"], "tile.exr"))
    told = facts(bpy, scene, started) | {"width": area[2], "height": area[3]}
    told |= {"tile": order["tile"], "rendered": list(area)}
    say("done", file="tile.exr", frame=frame, frames=1, **told)


# ── merging ───────────────────────────────────────────────────────────────────────────────────────


def finish(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Assemble one frame from ``tiles``, each [x, y, width, height, path]."""
    scene = opened(bpy, order)
    prepare(scene, order)
    if reasons := obstacles(scene):
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
    passes.feed(scene, layers, passes.kinds_of(scene))
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
    kinds = tile_kinds(scene)
    whole: Layers = {}
    filled = np.zeros((height, width), bool)
    for x, y, across, down, path in tiles:
        left, top, wide, high = rendered((x, y, across, down), scene)
        found = passes.read(bpy, path, (wide, high), kinds)
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
