"""``render``: one frame of a Blender scene, rendered in the sandbox."""

import asyncio
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs

from rendertrust.node import blender
from rendertrust.node.estimate import Estimate
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.process import Ending

TICK_SECONDS: Final = 1.0
FORMATS: Final = ("PNG", "JPEG", "OPEN_EXR")
PIXELS_MAX: Final = 16_384
SAMPLES_MAX: Final = 65_536
FRAME_MAX: Final = 1_048_574  # Blender's own bound, both ways
_WORK: Final = ("seconds", "width", "height", "frame", "engine", "samples", "blender", "warnings")
_PICTURE: Final = re.compile(r"frame\.[a-z]{3,4}")


@attrs.define
class Render:
    """Takes ``frame``, ``width`` and ``height`` (or ``resolution: [w, h]``), ``samples``,
    ``format`` (PNG, JPEG, OPEN_EXR); what is not given is as the artist set it.
    """

    job_type: ClassVar[str] = "render"
    scratch: Path
    unsafe_no_sandbox: bool = False
    runtime_seconds_max: float = 6 * 3600.0
    found: blender.Blender | None = None

    async def why_not(self) -> str | None:
        """Try Blender out, once."""
        found = await blender.find(self.scratch, unsafe=self.unsafe_no_sandbox)
        if isinstance(found, blender.NoBlender):
            return found.reason
        self.found = found
        return None

    async def run(self, task: Task) -> Result:
        """Render the frame; the worker is dead when this ends, however it ends."""
        assert self.found is not None, "why_not() found a Blender before render was offered"
        order = order_of(task.params)
        scene = scene_of(task)
        if isinstance(order, Failed):
            return order
        if isinstance(scene, Failed):
            return scene
        self.found.box.prepare(task.folder)
        progress = _Progress(task=task)
        ticker = asyncio.ensure_future(progress.tick())
        try:
            ending = await self.found.obey(
                {**order, "scene": scene},
                task.folder,
                threads=task.threads,
                within=self.runtime_seconds_max,
                hear=progress.hear,
            )
        finally:
            ticker.cancel()
        return result_of(ending, task.folder)


@attrs.define
class _Progress:
    """Reports what Blender says at once, and an estimate every second between."""

    task: Task
    estimate: Estimate = attrs.field(factory=Estimate)
    detail: str = ""

    def hear(self, line: Mapping[str, Any]) -> None:
        share, left = line.get("progress"), line.get("remaining")
        if line.get("event") != "progress" or not isinstance(share, (int, float)):
            return
        self.detail = str(line.get("detail", ""))
        remaining = float(left) if isinstance(left, (int, float)) else None
        self.estimate.hear(float(share), remaining, time.monotonic())
        self.report()

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.report()

    def report(self) -> None:
        if (share := self.estimate.share(time.monotonic())) > 0:
            self.task.report(share, self.detail)


def _refused(error: str) -> Failed:
    return Failed(failure="scene", error=error)


def _whole(params: Mapping[str, Any], name: str, least: int, most: int) -> int | Failed | None:
    value = params.get(name)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        return _refused(f"{name} must be a whole number from {least} to {most}")
    return value


def order_of(params: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
    """The worker's order for a unit's parameters, or what is wrong with them."""
    given = dict(params)
    resolution = given.pop("resolution", None)
    if resolution is not None:
        if not isinstance(resolution, list) or len(resolution) != 2:  # pyright: ignore[reportUnknownArgumentType]
            return _refused("resolution must be [width, height]")
        given["width"], given["height"] = resolution
    known = {"frame", "width", "height", "samples", "format"}
    if unknown := sorted(set(given) - known):
        return _refused(f"render does not know the parameter {unknown[0]!r}")
    return _checked(given)


def _checked(given: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
    order: dict[str, Any] = {}
    for name, least, most in (
        ("frame", -FRAME_MAX, FRAME_MAX),
        ("width", 4, PIXELS_MAX),
        ("height", 4, PIXELS_MAX),
        ("samples", 1, SAMPLES_MAX),
    ):
        value = _whole(given, name, least, most)
        if isinstance(value, Failed):
            return value
        if value is not None:
            order[name] = value
    if ("width" in order) != ("height" in order):
        return _refused("width and height must be given together")
    wanted = given.get("format")
    if wanted is not None and wanted not in FORMATS:
        return _refused(f"format must be one of {', '.join(FORMATS)}")
    return order if wanted is None else {**order, "format": wanted}


def scene_of(task: Task) -> str | Failed:
    """The input that is the scene: the one .blend among them, or the only one there is."""
    names = list(task.inputs)
    blends = [name for name in names if name.endswith(".blend")] or names
    if not blends:
        return _refused("there is no scene to fetch: the payload is no upload of this gateway")
    if len(blends) > 1:
        return _refused(f"{len(blends)} inputs are .blend files; exactly one may be")
    return blends[0]


def result_of(ending: Ending, folder: Path) -> Result:
    """What a worker's end means for the unit."""
    last = ending.last
    if last.get("event") == "failed":
        failure = "scene" if last.get("failure") == "scene" else "node"
        return Failed(failure=failure, error=str(last.get("error"))[:500], detail=ending.tail)
    if last.get("event") == "done" and _PICTURE.fullmatch(str(last.get("file"))):
        work = {name: last[name] for name in _WORK if last.get(name) is not None}
        return Completed(file=folder / "out" / str(last["file"]), work=work)
    return Failed(failure="node", error=_how_it_died(ending), detail=ending.tail)


def _how_it_died(ending: Ending) -> str:
    if ending.code is None:
        return "Blender was stopped: the frame took longer than this node allows"
    if ending.signal_name is not None:
        return f"Blender was ended by {ending.signal_name}"
    return f"Blender ended with code {ending.code} and without a picture"
