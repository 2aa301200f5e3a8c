"""Renders of Blender's default scene: a timed Cycles render, one that has a card's driver compile
kernels, and drawings with OpenGL.

Without OpenGL drivers, Blender crashes when it draws with OpenGL.
"""

import contextlib
import os
from typing import Any

from ..ipc import Say
from ..scene import device
from ..scene.nondeterminism import drawing_class
from ..scene.output import choose_format
from .frames import still

WIDTH, HEIGHT, SAMPLES = 128, 72, 16
SHADOW_MEGABYTES = "64"  # memory for shadows, which EEVEE takes at once
EEVEE, EEVEE_BEFORE_5_0 = "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"
DRAWN_SIZE = 96, 54  # the shaders are those of larger pictures
# Inputs of a Principled shader that change the shaders of a surface, and how it is drawn.
SURFACES = (
    ("DITHERED", {"Subsurface Weight": 0.5, "Coat Weight": 0.5}),
    ("DITHERED", {"Transmission Weight": 1.0, "Roughness": 0.1}),
    ("DITHERED", {"Metallic": 1.0, "Alpha": 0.5}),
    ("BLENDED", {"Alpha": 0.5, "Emission Strength": 1.0}),
)


def try_out(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render the scene, and report the pixel samples per second."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    render = scene.render
    render.engine = "CYCLES"
    device.choose(scene, order.get("device"))
    scene.cycles.samples, scene.cycles.use_adaptive_sampling = SAMPLES, False
    scene.cycles.use_denoising = False
    render.resolution_x, render.resolution_y, render.resolution_percentage = WIDTH, HEIGHT, 100
    render.threads_mode, render.threads = "FIXED", max(int(order.get("threads", 1)), 1)
    name = "frame" + choose_format(render, "PNG")
    seconds = still(bpy, scene, 1, os.path.join(order["out"], name))
    speed = WIDTH * HEIGHT * SAMPLES / max(seconds, 0.001)
    say("done", file=name, frame=1, frames=1, seconds=seconds, samples_per_second=round(speed))


def compile_kernels(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render what most scenes have with Cycles on the card, so that its driver stores the kernels.

    Cycles loads other kernels for volumes, motion blur and nodes that trace rays.
    """
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    render = scene.render
    render.engine = "CYCLES"
    device.choose(scene, order.get("device"))
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    render.resolution_x, render.resolution_y, render.resolution_percentage = 32, 18, 100
    name = "frame" + choose_format(render, "PNG")
    path = os.path.join(order["out"], name)
    _furnish(bpy, scene)
    still(bpy, scene, 1, path)
    made = bpy.data.materials.new("rays")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    bevel = nodes.new("ShaderNodeBevel")
    links.new(bevel.outputs["Normal"], nodes["Principled BSDF"].inputs["Normal"])
    bpy.context.object.data.materials[0] = made
    render.use_motion_blur = scene.camera.data.dof.use_dof = True
    still(bpy, scene, 1, path)
    say("done", file=name)


def draw(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Draw the scene with Workbench, which demands less of OpenGL than EEVEE."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    render = scene.render
    render.engine = "BLENDER_WORKBENCH"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 16, 16, 100
    name = "frame" + choose_format(render, "PNG")
    still(bpy, scene, 1, os.path.join(order["out"], name))
    say("done", file=name, drawing=drawing_class())


def warm(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Draw what most scenes have with EEVEE and Workbench, so that the driver stores the shaders.

    First the scene as it is, because its shaders are others without fog, then with more surfaces,
    and then with ray tracing, depth of field and motion blur. This process runs only while the
    processor is idle, so that it delays no unit.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    render, camera = scene.render, scene.camera.data
    scene.eevee.taa_render_samples, scene.eevee.shadow_pool_size = 2, SHADOW_MEGABYTES
    render.resolution_x, render.resolution_y = DRAWN_SIZE
    render.resolution_percentage = 100
    name = "frame" + choose_format(render, "PNG")
    path = os.path.join(order["out"], name)
    for engine in ("BLENDER_WORKBENCH", EEVEE if bpy.app.version >= (5, 0) else EEVEE_BEFORE_5_0):
        render.engine = engine
        still(bpy, scene, 1, path)
    _furnish(bpy, scene)
    still(bpy, scene, 1, path)
    scene.eevee.use_raytracing = render.use_motion_blur = camera.dof.use_dof = True
    still(bpy, scene, 1, path)
    say("done", file=name)


def _furnish(bpy: Any, scene: Any) -> None:
    """Add lights, surfaces and a volume to the default scene."""
    scene.eevee.use_volumetric_shadows = True
    for kind in ("SUN", "AREA", "SPOT"):
        bpy.ops.object.light_add(type=kind, location=(0, 0, 4))
    for place, (method, inputs) in enumerate(SURFACES):
        bpy.ops.mesh.primitive_uv_sphere_add(location=(2 * place - 3, 2, 0), segments=8)
        made = bpy.data.materials.new(f"surface {place}")
        made.use_nodes, made.surface_render_method = True, method
        made.use_raytrace_refraction = "Transmission Weight" in inputs
        for name, value in inputs.items():
            made.node_tree.nodes["Principled BSDF"].inputs[name].default_value = value
        bpy.context.object.data.materials.append(made)
    nodes, links = scene.world.node_tree.nodes, scene.world.node_tree.links
    fog = nodes.new("ShaderNodeVolumeScatter")
    fog.inputs["Density"].default_value = 0.01
    links.new(fog.outputs["Volume"], nodes["World Output"].inputs["Volume"])
