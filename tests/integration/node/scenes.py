"""Scenes that Blender makes outside the sandbox and without the node's worker, and units that
render them.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from rendertrust import blender_version
from rendertrust.job_types import CHECK, CHECK_BATCH
from rendertrust.node.plugin import Task, is_delivered
from tests.integration.node.workshop import workshop

# The Blender that makes these scenes: another one with each version of Python.
INSTALLED: Final = blender_version.parse(metadata.version("bpy"))
# The argument after -- is the path of the saved scene.
SMALL = """
import bpy, sys
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = 8
scene.render.resolution_x, scene.render.resolution_y = 64, 36
"""
SAVE = "\nbpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1], compress=True)\n"
SLOW = """
scene.cycles.samples = 20000
scene.cycles.use_adaptive_sampling = False
scene.render.resolution_x, scene.render.resolution_y = 640, 360
"""
# An artist's scene: animation, a denoiser, a compositor that uses the picture and another pass,
# AgX, dither, an animated seed and adaptive sampling.
ARTISTS = """
import math
scene.render.resolution_x, scene.render.resolution_y = 67, 37
scene.cycles.samples, scene.cycles.use_denoising = 16, True
scene.cycles.adaptive_threshold, scene.cycles.adaptive_min_samples = 0.1, 4
scene.cycles.use_animated_seed = True
scene.view_settings.view_transform, scene.view_settings.look = "AgX", "AgX - High Contrast"
bpy.ops.mesh.primitive_monkey_add(location=(2.2, 0, 0.4))
head = bpy.context.object
head.keyframe_insert("rotation_euler", frame=1)
head.rotation_euler[2] = 2.0
head.keyframe_insert("rotation_euler", frame=10)
metal = bpy.data.materials.new("metal")
metal.use_nodes = True
shader = metal.node_tree.nodes["Principled BSDF"]
shader.inputs["Metallic"].default_value = 1.0
shader.inputs["Roughness"].default_value = 0.2
shader.inputs["Base Color"].default_value = (0.9, 0.5, 0.1, 1)
head.data.materials.append(metal)
layer = scene.view_layers[0]
layer.use_pass_mist = True
second = scene.view_layers.new("raw")
second.cycles.use_denoising = False
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
scene.render.compositor_device = "CPU"  # as nodes do
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
first, raw = (tree.nodes.new("CompositorNodeRLayers") for _ in range(2))
raw.layer = "raw"
blur, out = tree.nodes.new("CompositorNodeBlur"), tree.nodes.new("NodeGroupOutput")
blur.inputs["Size"].default_value = (3, 3)
mist, both = (tree.nodes.new("ShaderNodeMix") for _ in range(2))
mist.data_type = both.data_type = "RGBA"
both.inputs[0].default_value = 0.3
tree.links.new(first.outputs["Image"], blur.inputs["Image"])
tree.links.new(first.outputs["Mist"], mist.inputs[0])
tree.links.new(first.outputs["Image"], mist.inputs[6])
tree.links.new(blur.outputs["Image"], mist.inputs[7])
tree.links.new(mist.outputs[2], both.inputs[6])
tree.links.new(raw.outputs["Image"], both.inputs[7])
tree.links.new(both.outputs[2], out.inputs[0])
"""
# As `blender -b -f` does, without the node's worker: the scene as saved, one process for all
# frames.
LOCALLY = """
import bpy, os, sys
path, out, *frames = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=path)
scene = bpy.context.scene
for frame in map(int, frames):
    scene.frame_set(frame)
    scene.render.filepath = os.path.join(out, f"{frame:04d}")
    bpy.ops.render.render(write_still=True)
"""
# Blender may hang while it exits.
END = "\nimport os\nos._exit(0)\n"


def run(program: str, *arguments: str) -> None:
    """Run a program in a new Blender process, without the node's worker."""
    command = [sys.executable, "-c", program + END, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]


def make(program: str, *arguments: str) -> None:
    """Run a program in the shared Blender process, which starts from the factory settings."""
    workshop().make(program, *arguments)


def build(path: Path, *parts: str) -> Path:
    """Save a scene at ``path`` and return the path."""
    make("".join((SMALL, *parts, SAVE)), str(path))
    return path


def render_locally(scene: Path, out: Path, *frames: int) -> dict[int, Path]:
    """Render frames as the artist's own machine would; return their files by frame number."""
    out.mkdir(exist_ok=True)
    make(LOCALLY, str(scene), str(out), *map(str, frames))
    return {int(path.stem): path for path in out.iterdir() if path.stem.isdigit()}


def task(
    folder: Path, scene: Path, params: Mapping[str, Any], told: list[float] | None = None
) -> Task:
    """Return a unit whose only input is ``scene``."""
    return unit(folder, {"scene.blend": scene}, params, told)


def unit(
    folder: Path,
    inputs: Mapping[str, Path],
    params: Mapping[str, Any],
    told: list[float] | None = None,
) -> Task:
    """Return a unit with these inputs, placed in its folder as the agent places them."""
    placed, delivered = dict[str, Path](), dict[str, Path]()
    for name, source in inputs.items():
        is_theirs = any(is_delivered(job_type, name) for job_type in (CHECK, CHECK_BATCH))
        of, part = (delivered, "delivered/it") if is_theirs else (placed, "in")
        of[name] = folder / part / name
        of[name].parent.mkdir(parents=True, exist_ok=True)
        os.link(source, of[name])
    (folder / "in").mkdir(parents=True, exist_ok=True)
    shares = [] if told is None else told
    return Task(
        job_id="j",
        job_type="render",
        payload_ref="x",
        unit=0,
        attempt=1,
        params=params,
        folder=folder,
        inputs=placed,
        delivered=delivered,
        threads=2,
        on_progress=lambda share, _: shares.append(share),
    )


def pixels(path: Path) -> Any:
    """Return the pixels of a picture as an array."""
    with Image.open(path) as image:
        return np.asarray(image).copy()
