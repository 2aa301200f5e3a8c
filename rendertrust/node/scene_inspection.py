"""Inspection of a scene by Blender: its facts, its linked files, and the time of its frames.

``inspect`` and ``probe`` handle untrusted scenes in the sandbox. ``look`` handles the user's own
scene on their own machine, where the linked files are.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from rendertrust.frame_range import canonical
from rendertrust.node import blender_discovery
from rendertrust.node.blender import WORKER, Blender, NoBlender
from rendertrust.node.child_process import ProcessExit, converse
from rendertrust.node.plugin import Failed
from rendertrust.node.safe_open import NotARegularFile, open_plain
from rendertrust.preflight.frame_probe import (
    PIXEL_SAMPLES,
    PIXELS_MOST,
    Probe,
    frames_to_probe,
    probe_of,
)
from rendertrust.protocol import LACKS

INSPECT_SECONDS_MAX: Final = 180.0
PROBE_SECONDS_MAX: Final = 900.0
PROBE_SHARE: Final = 0.6  # share of the time limit after which the probe stops measuring
FACTS_BYTES_MAX: Final = 32 * 2**20
OCIO_NAME: Final = "config.ocio"
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
_FACTS: Final = "facts.json"


@attrs.frozen(kw_only=True)
class TimedOut:
    """The time limit of an inspection or a measurement ran out, which is no fault of the scene."""

    error: str


@attrs.frozen(kw_only=True)
class SceneFolder:
    """A work folder with a scene and its files in ``in``.

    ``paths``: an input file that maps paths in the scene to inputs; None if no files were moved.
    ``more``: further members of each order.
    """

    folder: Path
    scene: str
    paths: str | None = None
    more: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def order(self, do: str, **more: Any) -> Mapping[str, Any]:
        """Return an order for the scene; ``do`` is the worker's task."""
        order = {"do": do, "scene": self.scene, **self.more, **more}
        return order if self.paths is None else {**order, "paths": self.paths}


async def inspect(
    blender: Blender,
    where: SceneFolder,
    *,
    within: float = INSPECT_SECONDS_MAX,
    memory_bytes: int | None = None,
) -> Mapping[str, Any] | Failed | TimedOut:
    """Return a scene's facts from the sandbox, for ``rendertrust.preflight.findings``.

    The scene is not opened if the scene needs more than ``memory_bytes`` (default: Blender's
    limit).
    """
    blender.box.prepare(where.folder)
    order = where.order("inspect", memory_bytes=memory_bytes or blender.bounds.memory_bytes)
    ending = await blender.obey(order, where.folder, within=within, hear=lambda _: None)
    return await asyncio.to_thread(_facts, ending, where.folder / "out", within)


async def probe(
    blender: Blender,
    where: SceneFolder,
    frames: Sequence[int],
    *,
    threads: int = 1,
    within: float = PROBE_SECONDS_MAX,
    hear: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> Probe | Failed | TimedOut:
    """Render the first, middle and last frame with few samples, and measure the times.

    ``hear`` gets the worker's messages, some of which name a preview picture.
    """
    blender.box.prepare(where.folder)
    chosen = _by_weight(frames_to_probe(frames))
    limits = {"pixels_most": PIXELS_MOST, "pixel_samples": PIXEL_SAMPLES}
    ending = await blender.obey(
        where.order("probe", frames=chosen, seconds=within * PROBE_SHARE, **limits),
        where.folder,
        threads=threads,
        within=within,
        hear=hear,
    )
    if ending.last.get("event") != "done":
        return _failed(ending, "render small parts of the scene's frames", within)
    return probe_of(ending.last)


def _by_weight(frames: Sequence[int]) -> list[int]:
    """Put the middle frame first, because time may suffice for only one frame."""
    middle = frames[len(frames) // 2]
    return [middle, *(frame for frame in frames if frame != middle)]


async def look(
    scene: Path, frames: Sequence[int] | None = None, addons: Sequence[Path] = ()
) -> Mapping[str, Any] | NoBlender | Failed | TimedOut:
    """Return the facts of the user's own scene, without running its scripts.

    ``frames``: the frames to render. Empty means the current frame, None the scene's range.
    ``addons``: zips of add-ons that the scene uses, each named by its id.
    """
    program = blender_discovery.find()
    if program is None:
        return NoBlender(reason=blender_discovery.no_blender())
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="rendertrust-"))
    path = await asyncio.to_thread(scene.absolute)
    order: dict[str, Any] = {"do": "inspect", "scene": str(path), "out": str(folder)}
    order |= {"addons": [str(each) for each in addons]} if addons else {}
    if frames is not None:
        order["frames"] = canonical(frames)
    try:
        ending = await converse(
            program.program(str(WORKER / "entry_point.py"), orjson.dumps(order).decode()),
            environment={"HOME": str(folder), **_ENVIRONMENT, **_ocio(path)},
            within=INSPECT_SECONDS_MAX,
            hear=lambda _: None,
        )
        return await asyncio.to_thread(_facts, ending, folder, INSPECT_SECONDS_MAX)
    except OSError as fault:
        return NoBlender(reason=f"Blender cannot be started: {fault.strerror}")
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _ocio(scene: Path) -> Mapping[str, str]:
    """Return the variable of the user's OpenColorIO configuration, if there is one.

    That is the one which the variable OCIO names, or ``config.ocio`` beside the scene.
    """
    beside = scene.with_name(OCIO_NAME)
    if given := os.environ.get("OCIO"):
        return {"OCIO": given}
    return {"OCIO": str(beside)} if beside.is_file() else {}


def _facts(ending: ProcessExit, out: Path, within: float) -> Mapping[str, Any] | Failed | TimedOut:
    if ending.last.get("event") != "done":
        return _failed(ending, "open the scene and list its files", within)
    try:
        with open_plain(out / _FACTS) as file:
            read = file.read(FACTS_BYTES_MAX + 1)
        found: Mapping[str, Any] = orjson.loads(read)
    except (NotARegularFile, orjson.JSONDecodeError) as fault:
        return Failed(failure="node", error="the facts cannot be read", detail=str(fault))
    return found


def _failed(ending: ProcessExit, what: str, within: float) -> Failed | TimedOut:
    """Return why Blender did not do ``what``, for which it had ``within`` seconds."""
    last = ending.last
    if ending.excess is not None:
        excess = ending.excess
        return Failed(failure=excess.failure, error=excess.reason, lacks=excess.lacks)
    if last.get("event") == "failed":
        failure = "scene" if last.get("failure") == "scene" else "node"
        error, lacks = str(last.get("error"))[:500], last.get("lacks")
        lacks = lacks if lacks in LACKS else None
        return Failed(failure=failure, error=error, detail=ending.tail, lacks=lacks)
    if ending.code is None:
        limit = f"{within:.3g} s, the time limit of a check"
        return TimedOut(error=f"Blender did not {what} within {limit}")
    how = ending.signal_name or f"code {ending.code}"
    return Failed(failure="node", error=f"Blender ended by {how}", detail=ending.tail)
