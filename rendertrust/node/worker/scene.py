"""Opening and preparing the artist's scene, without running its scripts."""

import json
import os
import re
import sys
import tempfile
from typing import Any

from . import simulation_caches
from .ipc import MachineError, MissingCapability, SceneError, one_line
from .path_remap import remap, shut
from .scene_files import files_of
from .scene_output import (
    MOVIES,
    SUFFIXES,
    WORDS,
    compositor_nodes,
    is_deliverable,
    shows_strips,
    unmade,
)

SAID_MAX = 1 << 20
NO_OPENGL = "which needs OpenGL, but this node has none; Cycles renders everywhere"
NO_ENGINE = re.compile(r"Engine '([^']*)' not available for scene '([^']*)'")
NEWER = re.compile(r"newer version", re.IGNORECASE)
# The header of an uncompressed file, since 5.0 and before: ``…v0500``, ``…v403``.
HEAD = re.compile(rb"BLENDER(?:[0-9]{2}-[0-9]{2}|[-_])[vV]([0-9]{3,4})")
# Stamps that differ between machines or renders.
FLEETING_STAMPS = ("date", "render_time", "memory", "hostname", "filename")


def load(bpy: Any, order: dict[str, Any]) -> tuple[Any, str | None]:
    """Load the order's scene and remap its files.

    Also return its render engine if that comes from a missing add-on, in which case Blender
    continues with another engine.
    """
    said = _open(bpy, order["scene"])
    if "paths" in order:
        with open(order["paths"], encoding="utf-8") as file:
            remap(bpy, json.load(file), order["inputs"])
    scene = bpy.context.scene
    lost = {found[2]: found[1] for found in NO_ENGINE.finditer(said)}
    return scene, lost.get(scene.name)


def opened(bpy: Any, order: dict[str, Any]) -> Any:
    """Load the order's scene for rendering."""
    scene, lost = load(bpy, order)
    if lost is not None:
        raise SceneError(f"the render engine {lost} comes from an add-on; choose Cycles")
    if order.get("opengl") is False and draws_by_opengl(scene.render.engine):
        raise MissingCapability(
            "opengl", f"the scene's engine is {name_of_engine(scene)}, {NO_OPENGL}"
        )
    shut(bpy, order["inputs"])
    simulation_caches.pack_bakes(bpy)
    return scene


def draws_by_opengl(engine: str) -> bool:
    """Return True if the engine needs OpenGL, without which Blender crashes."""
    return engine.startswith("BLENDER_EEVEE") or engine == "BLENDER_WORKBENCH"


def name_of_engine(scene: Any) -> str:
    """Return the engine's usual name."""
    name: str = scene.render.engine
    return "EEVEE" if "EEVEE" in name else "Workbench"


def _open(bpy: Any, path: str) -> str:
    """Load the file without running its scripts; return Blender's output."""
    with tempfile.TemporaryFile() as heard:
        kept = os.dup(2)
        sys.stderr.flush()
        for stream in (1, 2):
            os.dup2(heard.fileno(), stream)
        try:
            bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
        except RuntimeError as fault:
            told = f"Blender {bpy.app.version_string} cannot open the scene: {one_line(fault)}"
            too_new = NEWER.search(told) or saved_by(path) > bpy.app.version[:2]
            raise (MachineError if too_new else SceneError)(told) from fault
        finally:
            sys.stdout.flush()
            for stream in (1, 2):
                os.dup2(kept, stream)
            heard.seek(0)
            said = heard.read(SAID_MAX)
            os.write(2, said)
            os.close(kept)
    return said.decode("utf-8", "replace")


def saved_by(path: str) -> tuple[int, int]:
    """Return the Blender version that wrote the file, as (major, minor); (0, 0) if unknown."""
    with open(path, "rb") as file:
        found = HEAD.match(file.read(32))
    return divmod(int(found[1]), 100) if found else (0, 0)


def prepare(scene: Any, order: dict[str, Any]) -> None:
    """Apply the order's settings and make the render repeatable, but change nothing else."""
    render = scene.render
    if "width" in order:
        render.resolution_x, render.resolution_y = order["width"], order["height"]
        render.resolution_percentage = 100
    if "samples" in order:
        set_samples(scene, order["samples"])
    if render.engine == "CYCLES":
        scene.cycles.device = "CPU"
    if order.get("threads"):
        render.threads_mode, render.threads = "FIXED", order["threads"]
    make_repeatable(scene)
    if scene.camera is None and not shows_strips(scene):
        raise SceneError("the scene has no camera; add one with Add > Camera and set it active")
    for code in unmade(scene):
        if code in WORDS:  # the order may choose another format
            raise SceneError(WORDS[code])


def make_repeatable(scene: Any) -> None:
    """Remove what makes two renders of a frame differ: time limits, and stamps of time and place.

    Seed and dither stay as the artist set them, because they are repeatable.
    """
    if hasattr(scene, "cycles"):
        scene.cycles.time_limit = 0.0
    for stamp in FLEETING_STAMPS:
        setattr(scene.render, f"use_stamp_{stamp}", False)
    for node in compositor_nodes(scene):
        if node.bl_idname == "CompositorNodeOutputFile":
            node.mute = True  # its files are not delivered; the picture stays the same


def set_samples(scene: Any, samples: int) -> None:
    """Set the samples per pixel for the scene's engine."""
    if scene.render.engine == "CYCLES":
        scene.cycles.samples = samples
    elif scene.render.engine.startswith("BLENDER_EEVEE"):
        scene.eevee.taa_render_samples = samples


def choose_format(render: Any, wanted: str | None) -> str:
    """Set the wanted format, or keep the scene's; return the file's suffix."""
    settings = render.image_settings
    if wanted is not None:
        set_format(settings, "IMAGE", wanted)
    chosen = settings.file_format
    if not is_deliverable(chosen):
        what = "which no node delivers"
        what = "a movie; frames are rendered one by one" if chosen in MOVIES else what
        raise SceneError(
            f"the scene writes {chosen}, {what}; set Output Properties > File Format to PNG or "
            "OpenEXR, or ask for a format"
        )
    return SUFFIXES[chosen]


def set_format(settings: Any, medium: str, name: str) -> None:
    """Set a file format; Blender 5.0 and newer also need its medium."""
    if hasattr(settings, "media_type"):
        settings.media_type = medium
    settings.file_format = name


def size_of(scene: Any) -> tuple[int, int]:
    """Return width and height of the picture in pixels, as Blender computes them."""
    render = scene.render
    share = render.resolution_percentage / 100
    return max(int(render.resolution_x * share), 1), max(int(render.resolution_y * share), 1)


def warnings_of(bpy: Any) -> list[str]:
    """Return a warning for each missing file, up to ten; objects that use it render pink or not."""
    found = files_of(bpy, [bpy.context.scene.frame_current])
    missing = {os.path.basename(of["file"]) for of in found if of["bytes"] is None}
    return [f"missing file: {name}" for name in sorted(missing)][:10]


def name_of(frame: int, suffix: str) -> str:
    """Return a frame's file name as Blender writes it: ``0012.png``, ``-0003.png``."""
    return f"{'-' if frame < 0 else ''}{abs(frame):04d}{suffix}"
