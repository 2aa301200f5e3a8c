"""Blender's side of a render: runs inside the sandbox, in Blender or beside its module ``bpy``.

It is given one order (JSON, its last argument) and writes JSON lines to its first standard output;
whatever Blender itself prints goes to standard error. It imports nothing of this package, because
it runs where only the standard library and Blender are. Lines it writes:

    {"event": "ready", "blender": "5.2.3", "build": "e13b728c6880"}
    {"event": "progress", "progress": 0.25, "remaining": 9.3, "detail": "Sample 16/64"}
    {"event": "done", "file": "frame.png", "seconds": 3.1, …}
    {"event": "failed", "failure": "scene", "error": "…"}
"""

import json
import os
import re
import resource
import sys
import time
from typing import Any

MOVIES = ("FFMPEG", "AVI_JPEG", "AVI_RAW", "THEORA", "XVID")
SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "OPEN_EXR": ".exr",
    "OPEN_EXR_MULTILAYER": ".exr",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TARGA": ".tga",
    "HDR": ".hdr",
}
CYCLES_SAMPLE = re.compile(r"Sample (\d+)/(\d+)")
CYCLES_TILE = re.compile(r"Rendered (\d+)/(\d+) Tiles")
REMAINING = re.compile(r"Remaining: (?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
EEVEE_SAMPLE = re.compile(r"Rendering (\d+) / (\d+) samples")
# What Blender says when nobody can render the scene. Anything else may be this machine's fault: a
# build without a denoiser, too little memory, a full disk, a Blender older than the file.
SCENES_FAULT = re.compile(
    r"no camera|no render output|no active view|layers are disabled", re.IGNORECASE
)
NEWER = re.compile(r"newer version", re.IGNORECASE)
# The head of a file that is not compressed, since 5.0 and before it: ``…v0500``, ``…v403``.
HEAD = re.compile(rb"BLENDER(?:[0-9]{2}-[0-9]{2}|[-_])[vV]([0-9]{3,4})")


class SceneError(Exception):
    """The scene or the order cannot be rendered by any node; the message is for its author."""


class MachineError(Exception):
    """This Blender on this machine failed; another one may do it."""


def say(pipe: int, event: str, **members: Any) -> None:
    """Write one line. A pipe that is gone means that the agent is: end."""
    try:
        os.write(pipe, json.dumps({"event": event, **members}).encode() + b"\n")
    except BrokenPipeError:
        os._exit(1)


def take_standard_output() -> int:
    """Keep the first standard output for ourselves and send Blender's own prints to the second."""
    sys.stdout.flush()
    pipe = os.dup(1)
    os.dup2(2, 1)
    os.set_inheritable(pipe, False)
    return pipe


def limit(limits: dict[str, int]) -> None:
    """Bound this process for good: both limits are set, and raising one takes a capability."""
    kinds = {
        "cpu_seconds": resource.RLIMIT_CPU,
        "file_bytes": resource.RLIMIT_FSIZE,
        "files": resource.RLIMIT_NOFILE,
        "address_bytes": resource.RLIMIT_AS,
    }
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in limits.items():
        _, hard = resource.getrlimit(kinds[name])
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kinds[name], (bound, bound))


def share_of(text: str) -> float | None:
    """The share that is done, from what Blender says while it renders; None: it says no number."""
    if found := EEVEE_SAMPLE.search(text):
        return int(found[1]) / max(int(found[2]), 1)
    found = CYCLES_SAMPLE.search(text)
    if not found:
        return None
    sample = int(found[1]) / max(int(found[2]), 1)
    if tile := CYCLES_TILE.search(text):
        # While a tile is written the count of tiles is one ahead of the samples shown.
        return min((int(tile[1]) + sample) / max(int(tile[2]), 1), 1.0)
    return sample


def remaining_of(text: str) -> float | None:
    """Seconds that Blender thinks are left; None: it does not say."""
    found = REMAINING.search(text)
    if not found:
        return None
    return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])


def open_scene(bpy: Any, path: str) -> Any:
    """Load the file without running anything in it."""
    try:
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
    except RuntimeError as fault:
        told = f"Blender {bpy.app.version_string} cannot open the scene: {one_line(fault)}"
        too_new = NEWER.search(told) or saved_by(path) > bpy.app.version[:2]
        raise (MachineError if too_new else SceneError)(told) from fault
    return bpy.context.scene


def saved_by(path: str) -> tuple[int, int]:
    """The Blender that wrote the file, as (major, minor); (0, 0) where its head does not say."""
    with open(path, "rb") as file:  # noqa: PTH123
        found = HEAD.match(file.read(32))
    return divmod(int(found[1]), 100) if found else (0, 0)


def blamed(told: str) -> SceneError | MachineError:
    """Whose fault it is that nothing was rendered."""
    return SceneError(told) if SCENES_FAULT.search(told) else MachineError(told)


def apply(scene: Any, order: dict[str, Any]) -> None:
    """Change what was asked for and nothing else: the picture is the artist's."""
    render = scene.render
    if "frame" in order:
        scene.frame_set(order["frame"])
    else:
        scene.frame_set(scene.frame_current)  # a file may be saved between evaluations
    if "width" in order:
        render.resolution_x, render.resolution_y = order["width"], order["height"]
        render.resolution_percentage = 100
    if "samples" in order:
        set_samples(scene, order["samples"])
    if render.engine == "CYCLES":
        scene.cycles.device = "CPU"
    if order.get("threads"):
        render.threads_mode, render.threads = "FIXED", order["threads"]
    if scene.camera is None and not shows_strips(scene):
        raise SceneError("the scene has no camera; add one with Add > Camera and set it active")


def shows_strips(scene: Any) -> bool:
    """Whether the picture comes from the video sequencer, which needs no camera."""
    editor = scene.sequence_editor
    return bool(scene.render.use_sequencer and editor and len(editor.strips))


def set_samples(scene: Any, samples: int) -> None:
    """Samples per pixel, whichever engine the artist chose."""
    if scene.render.engine == "CYCLES":
        scene.cycles.samples = samples
    elif scene.render.engine.startswith("BLENDER_EEVEE"):
        scene.eevee.taa_render_samples = samples


def choose_format(render: Any, wanted: str | None) -> str:
    """Set the asked format, or keep the scene's; gives the file's suffix."""
    settings = render.image_settings
    if wanted is not None:
        if hasattr(settings, "media_type"):
            settings.media_type = "IMAGE"  # 5.0 and newer list formats by kind of medium
        settings.file_format = wanted
    chosen = settings.file_format
    if chosen in MOVIES or chosen not in SUFFIXES:
        raise SceneError(
            f"the scene writes {chosen}, not single pictures; set Output Properties > File Format "
            "to PNG, or ask for a format"
        )
    return SUFFIXES[chosen]


def warnings_of(bpy: Any) -> list[str]:
    """Files the scene names that are not here: what would have used them renders pink or not."""
    own = os.path.realpath(bpy.utils.resource_path("LOCAL"))
    paths = {bpy.path.abspath(path) for path in bpy.utils.blend_paths(packed=False)}
    missing = sorted(p for p in paths if not os.path.exists(p) and not p.startswith(own))  # noqa: PTH110
    names = [os.path.basename(path) for path in missing]  # noqa: PTH119
    return [f"missing file: {n}" for n in names if not n.startswith("essentials_")][:10]


def render(bpy: Any, order: dict[str, Any], pipe: int) -> None:
    """Render one frame to ``out`` and say what came of it."""
    scene = open_scene(bpy, order["scene"])
    apply(scene, order)
    suffix = choose_format(scene.render, order.get("format"))
    path = os.path.join(order["out"], "frame" + suffix)  # noqa: PTH118
    scene.render.use_file_extension, scene.render.filepath = False, path
    watch(bpy, pipe)
    started = time.monotonic()
    try:
        bpy.ops.render.render(write_still=True)
    except RuntimeError as fault:
        raise blamed(one_line(fault)) from fault
    if not os.path.exists(path):  # noqa: PTH110
        raise MachineError("Blender wrote no picture; the disk may be full")
    say(pipe, "done", **facts(bpy, scene, os.path.basename(path), started))  # noqa: PTH119


def facts(bpy: Any, scene: Any, name: str, started: float) -> dict[str, Any]:
    """What was rendered, as it is reported with the result."""
    scale = scene.render.resolution_percentage / 100
    return {
        "file": name,
        "seconds": round(time.monotonic() - started, 3),
        "width": int(scene.render.resolution_x * scale),
        "height": int(scene.render.resolution_y * scale),
        "frame": scene.frame_current,
        "engine": scene.render.engine,
        "samples": scene.cycles.samples if scene.render.engine == "CYCLES" else None,
        "blender": bpy.app.version_string,
        "warnings": warnings_of(bpy),
    }


def watch(bpy: Any, pipe: int) -> None:
    """Report the share that is done, whenever it grows."""
    done = 0.0

    def stats(text: Any, *_: Any) -> None:
        nonlocal done
        share = share_of(text) if isinstance(text, str) else None
        if share is not None and share > done:
            done = share
            detail, left = text.split("|")[-1].strip(), remaining_of(text)
            say(pipe, "progress", progress=round(share, 4), remaining=left, detail=detail)

    bpy.app.handlers.render_stats.append(stats)


def one_line(fault: BaseException) -> str:
    """An error's message without Blender's prefixes and line breaks."""
    text = " ".join(str(fault).split())
    return text.removeprefix("Error: ")[:400] or type(fault).__name__


def obey(order: dict[str, Any], pipe: int) -> None:
    """Load Blender, say which it is, and render what the order names, if it names anything."""
    import bpy as module  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    bpy: Any = module
    build = bpy.app.build_hash.decode("ascii", "replace")
    version = ".".join(str(part) for part in bpy.app.version)
    say(pipe, "ready", blender=version, build=build)
    if "scene" in order:
        render(bpy, order, pipe)


def main() -> None:
    """Obey the last argument; always ends the process, because Blender may hang or crash in its
    own clean-up after the picture is written."""
    pipe = take_standard_output()
    order = json.loads(sys.argv[-1])
    os.nice(order.get("nice", 0))
    limit(order.get("limits", {}))
    code = 1
    try:
        obey(order, pipe)
        code = 0
    except SceneError as fault:
        say(pipe, "failed", failure="scene", error=str(fault))
    except MachineError as fault:
        say(pipe, "failed", failure="node", error=str(fault))
    except Exception as fault:
        say(pipe, "failed", failure="node", error=f"{type(fault).__name__}: {one_line(fault)}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
