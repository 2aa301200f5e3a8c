"""Plugin ``preflight``: inspects a scene and measures its frames before anything is paid."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, ClassVar, Final

import attrs
import orjson

from rendertrust.frame_range import FRAMES_MAX, FrameRangeError, canonical, parse
from rendertrust.job_types import PREFLIGHT
from rendertrust.node import scene_inspection
from rendertrust.node.machine_facts import ram_bytes
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins.check import why_no_strangers
from rendertrust.node.plugins.render import RenderPlugin, show
from rendertrust.node.plugins.render_order import PATHS, addons_of, refused, scene_of
from rendertrust.node.scene_inspection import SceneFolder, TimedOut
from rendertrust.preflight.findings import DRAWN, showing
from rendertrust.preflight.frame_probe import Probe

REPORT: Final = "preflight.json"
INSPECT_SECONDS: Final = 120.0
PROBE_SECONDS: Final = 180.0
DRAWN_SECONDS: Final = 300.0  # of a drawn scene, whose shaders are compiled first
MEMORY_SHARE: Final = 0.9
FRAMES_CHARACTERS: Final = 1000
FILES_MAX: Final = 100  # maximum number of missing files in the report
OPENGL: Final = "opengl"  # value of ``Failed.lacks`` if this machine cannot draw with OpenGL
# The facts that findings and estimates need.
_TOLD: Final = (
    *("opened", "error", "is_newer", "saved_by", "blender", "engine", "samples", "is_adaptive"),
    *("time_limit", "denoiser", "width", "height", "format", "is_movie", "burns_in"),
    *("renders_region", "cameras", "has_camera", "output_nodes", "frame_start", "frame_end"),
    *("frame_current", "frame_step", "fps", "fps_base", "missing_blocks", "unknown_nodes"),
    *("unbaked", "unmade", "tile_obstacles", "device_dependent", "grease_pencil", "computed_paths"),
    "lost_views",
)

_NOT_OPENED: Final[Mapping[str, Any]] = {"opened": False, "saved_by": [0, 0, 0]}


@attrs.define
class PreflightPlugin:
    """Preflight of a scene.

    A preflight gets the inputs of a render, the parameter ``scene``, and as ``for_frames`` those
    that a job names. The result is a JSON report with the scene's facts, and the ``probe`` of some
    frames or why no frame was probed. The plugin also sends a preview picture, if a frame can be
    rendered.
    """

    job_type: ClassVar[str] = PREFLIGHT
    render: RenderPlugin

    async def why_not(self) -> str | None:
        """Return why this machine cannot render or open untrusted scenes.

        Return None if this machine can render and open such scenes.
        """
        return await why_no_strangers(self.render)

    async def run(self, task: Task) -> Result:
        """Open the scene in the sandbox, and measure some frames."""
        where, asked = _where(task), _asked(task.params.get("for_frames"))
        if isinstance(where, Failed):
            return where
        if isinstance(asked, Failed):
            return asked
        async with self.render.for_task(task) as render:
            if isinstance(render, Failed):
                return render
            return await self._inspected(render, task, where, asked)

    async def _inspected(
        self, render: RenderPlugin, task: Task, where: SceneFolder, asked: Sequence[int]
    ) -> Result:
        blender = render.found
        assert blender is not None, "why_not() finds Blender before the node offers this plugin"
        task.report(0.1, "opening the scene")
        facts = await scene_inspection.inspect(blender, where, within=INSPECT_SECONDS)
        if isinstance(facts, Failed):
            return facts
        if isinstance(facts, TimedOut):
            report = {**_NOT_OPENED, "error": facts.error, "timed_out": True}
            return await _written(task, report)
        report = report_of(facts)
        chosen = frames_of(facts, asked)
        if chosen:
            report["measured_range"] = [chosen[0], chosen[-1]]
        frames = _whole_frames(facts, chosen)
        if (why := _not_probed(facts, frames, self.render.memory_bytes or ram_bytes())) is None:
            task.report(0.4, "measuring some frames")
            is_drawn = facts["engine"].startswith(DRAWN)
            probed = await scene_inspection.probe(
                *(blender, where, frames),
                threads=task.threads,
                within=DRAWN_SECONDS if is_drawn else PROBE_SECONDS,
                hear=lambda line: show(task, line, task.folder / "out"),
            )
            report |= _tried(probed, task.threads)
        else:
            report["unprobed"] = why
        return await _written(task, report)


async def _written(task: Task, report: Mapping[str, Any]) -> Completed:
    path = task.folder / REPORT
    await asyncio.to_thread(path.write_bytes, orjson.dumps(report))
    return Completed(file=path)


def _where(task: Task) -> SceneFolder | Failed:
    if unknown := sorted(set(task.params) - {"scene", "for_frames"}):
        return refused(f"preflight does not know the parameter {unknown[0]!r}")
    scene = scene_of(task)
    if isinstance(scene, Failed):
        return scene
    return SceneFolder(
        folder=task.folder,
        scene=scene,
        paths=PATHS if PATHS in task.inputs else None,
        more=addons_of(task),
    )


def _asked(frames: object) -> Sequence[int] | Failed:
    """Return the frames that a job names, ascending."""
    if frames is None:
        return ()
    try:
        return parse(frames) if isinstance(frames, str) else refused("for_frames must be a text")
    except FrameRangeError as fault:
        return refused(f"for_frames: {fault}")


def report_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts for the report.

    Of the scene's files, the report lists only missing files.
    """
    report = {name: facts[name] for name in _TOLD if name in facts}
    if not facts["opened"]:
        return report
    missing = _gathered([file for file in facts["files"] if file["bytes"] is None])
    memory = facts["memory"]
    return report | {
        "files": [_missing(file) for file in missing[:FILES_MAX]],
        "scripts": [{"kind": s["kind"], "object": s["object"]} for s in facts["scripts"]],
        "memory": {"bytes": memory["bytes"], "most": memory["most"]},
    }


def _missing(file: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a missing file without the folder, which exists only on this machine."""
    name = PurePath(file["file"]).name
    told = {"kind": file["kind"], "owner": file["owner"], "path": file["path"], "file": name}
    return {**told, "frames": file["frames"]} if file.get("frames") else told


def _gathered(missing: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Merge missing files of a sequence into one, with all frames that show them.

    The sender leaves out files that the job's frames do not need, so many files may be missing.
    """
    several: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for file in missing:
        if file.get("frames"):
            several.setdefault((file["owner"], file["path"]), []).append(file)
    gathered = [file for file in missing if not file.get("frames")]
    for files in several.values():
        frames = canonical(frozenset[int]().union(*(showing(file) or () for file in files)))
        gathered.append({**files[0], "frames": frames if len(frames) <= FRAMES_CHARACTERS else ""})
    return gathered


def frames_of(facts: Mapping[str, Any], asked: Sequence[int]) -> Sequence[int]:
    """Return the frames to measure, ascending: the scene's, or ``asked`` if some lie outside.

    So a frame of the scene's range is measured by the same frames, whatever a job names.
    """
    if not facts["opened"]:
        return ()
    frames = range(facts["frame_start"], facts["frame_end"] + 1)
    is_inside = not asked or (frames and frames[0] <= asked[0] and asked[-1] <= frames[-1])
    return frames if is_inside else asked


def _whole_frames(facts: Mapping[str, Any], frames: Sequence[int]) -> Sequence[int]:
    """Return the frames that need no missing file."""
    if not frames:
        return ()
    gone = [showing(file) for file in facts["files"] if file["bytes"] is None]
    if not gone or len(frames) > FRAMES_MAX:
        return () if gone else frames
    lost = frozenset[int]().union(*(frames if shown is None else shown for shown in gone))
    return [frame for frame in frames if frame not in lost]


def _not_probed(facts: Mapping[str, Any], frames: Sequence[int], ram: int | None) -> str | None:
    if not facts["opened"]:
        return "the scene cannot be opened"
    if not facts["engine"].startswith(("CYCLES", *DRAWN)):
        return f"frames of the engine {facts['engine']} are not measured"
    if not facts["has_camera"]:
        return "the scene has no camera"
    if set(facts["unmade"]) - {"format"}:
        return "the scene's frames have no picture output"
    if not frames:
        return "files are missing, so a measurement would be wrong"
    if ram is not None and facts["memory"]["bytes"] > MEMORY_SHARE * ram:
        return "the node has too little memory to measure the scene"
    return None


def _tried(probed: Probe | Failed | TimedOut, threads: int) -> dict[str, Any]:
    if isinstance(probed, TimedOut):
        return {"unprobed": probed.error, "probe_failed": True, "timed_out": True}
    if isinstance(probed, Failed) and probed.lacks == OPENGL:
        return {"unprobed": probed.error}
    if isinstance(probed, Failed):
        return {"unprobed": probed.error, "probe_failed": True}
    told = attrs.asdict(probed)
    return {"starting": told.pop("starting"), "probe": {**told, "threads": threads}}
