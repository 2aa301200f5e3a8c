"""Smoke tests with Blender's default scene: a timed Cycles render, and a drawing with OpenGL.

Without OpenGL drivers, Blender crashes when it draws with OpenGL.
"""

import os
from typing import Any

from ..ipc import Say
from ..scene.output import choose_format
from .frames import still

WIDTH, HEIGHT, SAMPLES = 128, 72, 16


def try_out(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render the scene, and report the pixel samples per second."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    render = scene.render
    render.engine, scene.cycles.device = "CYCLES", "CPU"
    scene.cycles.samples, scene.cycles.use_adaptive_sampling = SAMPLES, False
    scene.cycles.use_denoising = False
    render.resolution_x, render.resolution_y, render.resolution_percentage = WIDTH, HEIGHT, 100
    render.threads_mode, render.threads = "FIXED", max(int(order.get("threads", 1)), 1)
    name = "frame" + choose_format(render, "PNG")
    seconds = still(bpy, scene, 1, os.path.join(order["out"], name))
    speed = WIDTH * HEIGHT * SAMPLES / max(seconds, 0.001)
    say("done", file=name, frame=1, frames=1, seconds=seconds, samples_per_second=round(speed))


def draw(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Draw the scene with Workbench, which demands less of OpenGL than EEVEE."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    render = scene.render
    render.engine = "BLENDER_WORKBENCH"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 16, 16, 100
    name = "frame" + choose_format(render, "PNG")
    still(bpy, scene, 1, os.path.join(order["out"], name))
    say("done", file=name)
