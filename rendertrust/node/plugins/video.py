"""Plugin ``video``: encodes numbered frames, in zips or single files, to a video."""

import asyncio
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs

from rendertrust.job_types import VIDEO
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins.frame_zips import BundleError, number_of, unpack
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress, result_of
from rendertrust.node.plugins.render_order import refused, whole

CONTAINERS: Final = ("MP4", "WEBM")
FPS_MAX: Final = 32_767
_VIDEO: Final = re.compile(r"video\.(?:mp4|webm)")
_FOLDER: Final = "pictures"


@attrs.define
class VideoPlugin:
    """Encoding of a video.

    Parameters: ``container`` (MP4, WEBM) and the rate ``fps`` / ``fps_base`` (24, 30000/1001 …).
    Inputs: the frames, or zips of frames. If a scene (.blend) is among the inputs, the rate is
    optional, and the scene's view transform is applied to linear frames.
    """

    job_type: ClassVar[str] = VIDEO
    render: RenderPlugin

    async def why_not(self) -> str | None:
        """Return why Blender, which encodes videos, does not work; None if Blender works."""
        return await self.render.why_no_blender()

    async def run(self, task: Task) -> Result:
        """Lay out the frames and encode the video."""
        full = await asyncio.to_thread(playing, task)
        if isinstance(full, Failed):
            return full
        async with self.render.for_task(task) as render:
            if isinstance(render, Failed):
                return render
            ending = await render.obey({**full, "do": "video"}, task, RenderProgress(task=task))
        if ending.last.get("event") == "done" and _VIDEO.fullmatch(str(ending.last.get("file"))):
            told = ("frames", "width", "height", "fps", "seconds")
            work = {name: ending.last[name] for name in told if name in ending.last}
            return Completed(file=task.folder / "out" / str(ending.last["file"]), work=work)
        return result_of(ending, task.folder)


def playing(task: Task) -> dict[str, Any] | Failed:
    """Lay out the frames; return the worker's order with the frames sorted by number."""
    order = order_of(task.params)
    if isinstance(order, Failed):
        return order
    scene = [name for name in task.inputs if name.endswith(".blend")]
    if len(scene) > 1:
        return refused(f"{len(scene)} inputs are .blend files; at most one is allowed")
    if "fps" not in order and not scene:
        return refused("fps is missing: give the rate, or a scene, which has a rate")
    try:
        pictures = laid_out(task)
    except BundleError as fault:
        return refused(str(fault))
    if not pictures:
        return refused("there are no numbered frames (like 0001.png) among the inputs")
    full = {**order, "pictures": pictures}
    return {**full, "scene": scene[0]} if scene else full


def order_of(params: Mapping[str, Any]) -> dict[str, Any] | Failed:
    """Return the worker's order for a unit's parameters, or why the parameters are invalid."""
    if unknown := sorted(set(params) - {"container", "fps", "fps_base"}):
        return refused(f"video does not know the parameter {unknown[0]!r}")
    container = params.get("container", "MP4")
    if container not in CONTAINERS:
        return refused(f"container must be one of {', '.join(CONTAINERS)}")
    fps = whole(params, "fps", 1, FPS_MAX)
    if isinstance(fps, Failed):
        return fps
    base = params.get("fps_base")
    if base is not None and (type(base) not in (int, float) or not 0.1 <= base <= 100_000):
        return refused("fps_base must be a number from 0.1 to 100000")
    if base is not None and fps is None:
        return refused("fps_base needs fps: the rate is fps / fps_base")
    given = {"container": container, "fps": fps, "fps_base": base}
    return {name: value for name, value in given.items() if value is not None}


def laid_out(task: Task) -> list[str]:
    """Move all frames to one folder below ``in``; return the frames' paths sorted by frame number.

    Raises BundleError.
    """
    target = task.folder / "in" / _FOLDER
    target.mkdir(exist_ok=True)
    found: list[Path] = []
    for name, path in task.inputs.items():
        if zipfile.is_zipfile(path):
            found += unpack(path, target)
        elif number_of(name) is not None:
            place = target / Path(name).name
            if path != place:
                if place.exists():
                    raise BundleError(f"two frames are named {place.name}")
                path.rename(place)
            found.append(place)
    numbers = {number_of(path.name): path for path in found}
    if len(numbers) != len(found):
        raise BundleError("two files have the same frame number")
    ordered = sorted(found, key=lambda path: number_of(path.name) or 0)
    return [f"{_FOLDER}/{path.name}" for path in ordered]
