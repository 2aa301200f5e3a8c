"""Tiles of a frame: which scenes can be split, and which pixels are rendered."""

import re
from typing import Any

from . import tile_hazards
from .frozen_properties import animating
from .ipc import SceneError
from .render_passes import Kinds, exact, kinds_of
from .scene import size_of
from .scene_output import compositor_nodes, shows_strips

Rectangle = tuple[int, int, int, int]  # x, y from the upper left corner, width, height
# Adaptive sampling continues at a pixel while its neighbours are noisy, so pixels beyond a tile's
# edge affect those at the edge. This margin is rendered and dropped when tiles are merged.
MARGIN = 8
# In a volume, neighbouring pixels also guide Cycles' steps.
MARGIN_VOLUME = 16
# Settings that splitting changes, which keyframes would reset.
CUT = re.compile(
    r"view_layers\[|cycles\.use_(?:denoising|guiding)$"
    r"|render\.(?:border_|resolution_|use_(?:border|crop_to_border|compositing|sequencer|stamp"
    r"|persistent_data|multiview|freestyle)$)"
)


def obstacles(scene: Any) -> list[str]:
    """Return why tiles would not make the same frame; empty if they do, bit by bit."""
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
    found += tile_hazards.reasons(_blender())
    moved = {curve.data_path for curve in animating(scene) if CUT.match(curve.data_path)}
    found += [f"the scene's {path} is animated" for path in sorted(moved)]
    for layer in (layer for layer in scene.view_layers if layer.use):
        if any(
            getattr(layer, f"use_pass_cryptomatte_{of}") for of in ("object", "material", "asset")
        ):
            found.append(f"view layer {layer.name}: Passes > Cryptomatte")
        if layer.cycles.use_pass_shadow_catcher:
            found.append(f"view layer {layer.name}: Passes > Shadow Catcher")
        if layer.cycles.pass_render_time:
            found.append(f"view layer {layer.name}: Passes > Render Time")
    for node in compositor_nodes(scene):
        if node.bl_idname.startswith("CompositorNodeCryptomatte"):
            found.append(f"compositor node {node.name} needs Cryptomatte")
        elif node.bl_idname == "CompositorNodeRLayers" and node.scene not in (None, scene):
            found.append(f"compositor node {node.name} renders the scene {node.scene.name}")
    return found


def rendered(tile: Rectangle, scene: Any) -> Rectangle:
    """Return the pixels that are rendered for ``tile``, including a margin."""
    width, height = size_of(scene)
    x, y, across, down = tile
    if x < 0 or y < 0 or across < 1 or down < 1 or x + across > width or y + down > height:
        raise SceneError(f"the tile {list(tile)} lies outside of the frame, {width} x {height}")
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
    """Set the render region to exactly these pixels, with a picture of their size."""
    render, (width, height) = scene.render, size_of(scene)
    x, y, across, down = area
    below = height - y - down
    # Blender rounds down; half a pixel more prevents the loss of a whole one.
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
    scene.render.use_stamp = False  # added once, when the tiles are merged
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
