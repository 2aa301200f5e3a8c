"""Facts of a scene for preflight, which ``rendertrust.preflight`` evaluates."""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..ipc import MachineError, Say, SceneError
from ..render import tiles
from . import color_configuration, files, nondeterminism
from .addons import AddonError
from .files import files_of, frames_of, label, parts_of, used_by_scenes
from .loader import load, saved_by
from .memory_estimate import memory_of, too_large
from .nondeterminism import animated, unbaked
from .output import MOVIES, compositor_nodes, shows_strips, size_of, unmade
from .settings import samples_of

SOME = 200  # maximum number of items of each list except ``files``
NAME = "facts.json"


def inspect(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Write the facts to ``facts.json`` and report the file.

    ``frames``: the frames to render, like 1-250. Empty means the current frame; if missing, the
    scene's range.
    """
    path = order["scene"]
    if (memory := too_large(bpy, path, order.get("memory_bytes"))) is not None:
        found = {"opened": False, "error": "", "saved_by": list(saved_by(path)), "memory": memory}
        return _write(order, found, say)
    try:
        scene, replaced = load(bpy, order)
    except (SceneError, MachineError) as fault:
        found = {"opened": False, "error": str(fault), "saved_by": list(saved_by(path))}
        found |= {"is_newer": isinstance(fault, MachineError), "blender": list(bpy.app.version)}
        found |= {"is_addons": isinstance(fault, AddonError)}
    else:
        found = facts(bpy, scene, frames_of(scene, order.get("frames")))
        found |= {"engine": replaced.engine} if replaced.engine else {}
        found["lost_views"] = replaced.views[:SOME]
    return _write(order, found, say)


def _write(order: dict[str, Any], found: dict[str, Any], say: Say) -> None:
    with open(os.path.join(order["out"], NAME), "w", encoding="utf-8") as file:
        json.dump(found, file)
    say("done", file=NAME)


def facts(bpy: Any, scene: Any, frames: Sequence[int]) -> dict[str, Any]:
    """Return all facts that preflight evaluates, for a render of these frames."""
    return {
        "opened": True,
        "saved_by": list(bpy.data.version),
        "blender": list(bpy.app.version),
        "scene": scene.name,
        **_picture(bpy, scene),
        **_time(scene),
        "files": [*files_of(bpy, frames), *color_configuration.files()],
        "parts": parts_of(bpy, frames)[:SOME],
        "missing_blocks": [label(block) for block in _blocks(bpy) if block.is_missing][:SOME],
        "scripts": list(_scripts(bpy))[:SOME],
        "unknown_nodes": list(_unknown_nodes(bpy))[:SOME],
        "computed_paths": list(_computed_paths(bpy))[:SOME],
        "unbaked": list(unbaked(scene))[:SOME],
        "memory": memory_of(bpy, scene),
        "unmade": unmade(scene),
        "tile_obstacles": tiles.obstacles(scene)[:SOME],
        "grease_pencil": nondeterminism.grease_pencil(bpy),
        "device_dependent": nondeterminism.device_dependence(scene)[:SOME],
    }


def _picture(bpy: Any, scene: Any) -> dict[str, Any]:
    render, width_height = scene.render, size_of(scene)
    is_cycles = render.engine == "CYCLES"
    cycles = scene.cycles if is_cycles else None
    return {
        "engine": render.engine,
        "samples": samples_of(scene),
        "is_adaptive": bool(cycles and cycles.use_adaptive_sampling),
        "time_limit": cycles.time_limit if cycles else 0.0,
        "denoiser": cycles.denoiser if cycles and cycles.use_denoising else None,
        "width": width_height[0],
        "height": width_height[1],
        "format": render.image_settings.file_format,
        "is_movie": render.image_settings.file_format in MOVIES,
        "view_transform": scene.view_settings.view_transform,
        "burns_in": bool(render.use_stamp),
        "renders_region": bool(render.use_border),
        "cameras": [one.name for one in bpy.data.objects if one.type == "CAMERA"][:SOME],
        "has_camera": scene.camera is not None or shows_strips(scene),
        "output_nodes": [
            node.name
            for node in compositor_nodes(scene)
            if node.bl_idname == "CompositorNodeOutputFile" and not node.mute
        ][:SOME],
    }


def _time(scene: Any) -> dict[str, Any]:
    return {
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "frame_step": scene.frame_step,
        "frame_current": scene.frame_current,
        "fps": scene.render.fps,
        "fps_base": scene.render.fps_base,
    }


def _blocks(bpy: Any) -> Iterator[Any]:
    for name in dir(bpy.data):
        of = getattr(bpy.data, name)
        if name not in ("all_ids", "libraries") and isinstance(of, bpy.types.bpy_prop_collection):
            yield from (block for block in of if getattr(block, "library", None) is not None)


def _scripts(bpy: Any) -> Iterator[dict[str, str]]:
    """Yield the scripts that would run automatically on a machine that trusts the file."""
    for text in bpy.data.texts:
        if text.use_module:
            yield {"kind": "text", "object": f"Text '{text.name}'", "code": ""}
    seen: set[int] = set()
    for owner in animated(bpy):
        if owner.animation_data is None or owner.as_pointer() in seen:
            continue
        seen.add(owner.as_pointer())
        for curve in owner.animation_data.drivers:
            driver = curve.driver
            if driver.type == "SCRIPTED" and not driver.is_simple_expression:
                where = f"{label(owner)} {curve.data_path}[{curve.array_index}]"
                yield {"kind": "driver", "object": where, "code": driver.expression[:200]}


def _unknown_nodes(bpy: Any) -> Iterator[str]:
    """Yield the names of nodes and node trees of missing add-ons."""
    holders = [bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.scenes]
    trees = [(label(tree), tree) for tree in bpy.data.node_groups]
    for of in holders:
        inner = (block for block in of if getattr(block, "node_tree", None) is not None)
        trees += [(label(block), block.node_tree) for block in inner]
    for name, tree in trees:
        if tree.bl_idname == "NodeTreeUndefined":
            yield name
        for node in tree.nodes:
            if node.bl_idname == "NodeUndefined":
                yield f"{name} > {node.name}"


def _computed_paths(bpy: Any) -> Iterator[str]:
    used = used_by_scenes(bpy)
    for tree, node in files.computed_imports(bpy):
        if tree in used:
            yield f"{label(tree)} > {node.name}"
