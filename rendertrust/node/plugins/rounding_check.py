"""Test of a scene for pictures that depend on rounding, by rendering with both kernels of Cycles.

Instruction sets round differently, and a shader may turn the last bit of a number into another
picture. Honest nodes of another instruction set then differ from the verifier, although the scene
has no noise. So before the verifier refuses a result of another instruction set, a second worker
renders without AVX2 what differs, and compares its render with the first worker's render. Delivered
files are not involved, so only the scene decides.

A difference is excused only at places where the verifier's own two renders differ, too. Regions of
some scenes render differently from the whole frame. So if regions excuse what differs from a whole
frame, the second worker renders the whole frame before that counts.

Where a scene is noisy, renders by the two kernels may differ like renders with other seeds. Other
seeds then clear an honest result before it is refused. So if the second worker accepts the first
worker's render, rounding excuses nothing. Chunks and small tiles, which have no comparison with
other seeds, and scenes without noise are excused by the places alone.

A verifier without AVX2, or with another processor than x86-64, has no second kernel. Its refusals
stand without this test.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, TypeAlias, cast

import attrs

from rendertrust.node.machine_facts import NO_AVX2, has_two_kernels
from rendertrust.node.plugin import Task
from rendertrust.node.plugins import frame_zips
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress
from rendertrust.node.safe_open import NotARegularFile
from rendertrust.node.sandbox import DELIVERED
from rendertrust.node.worker.checks.crop_placement import picked

OFF_MOST: Final = 0.3  # maximum difference of instruction sets, as a multiple of the noise
# outcomes of a comparison with other seeds for which an honest result is valid
CLEARED: Final = frozenset(("exact", "consistent", "accepted"))
OURS: Final = "ours"  # delivered file of the second worker: what the first worker rendered
Told = Mapping[str, Any]
# A crop with its view layer, or a frame of a chunk by its number among the compared frames.
Place: TypeAlias = tuple[tuple[int, ...] | int, str | None]


async def check_rounding(
    render: RenderPlugin, order: Told, task: Task, told: Told, until: float
) -> Told:
    """Return the first worker's report ``told`` on ``order``, with ``loose`` if rounding matters.

    Rounding may also matter if the second worker fails, or is not ready ``until`` this time of the
    monotonic clock. The node is not to blame for that.
    """
    places = _differing(told)
    is_open = places and told.get("kept") and not (told.get("loose") or "across" in told)
    if not is_open or not has_two_kernels():
        return told
    try:
        second = await asyncio.to_thread(_second_order, order, task, told)
    except (NotARegularFile, OSError, IndexError):
        return {**told, "loose": True}
    for way in ({}, {"whole": True}) if order.get("whole") else ({},):
        found = await _without_avx2(render, {**second, **way}, task, until)
        if found.get("crops") and not places <= _differing(found):
            return told
        if (found.get("across") or {}).get("outcome") in CLEARED:
            return told
    return {**told, "loose": True}


async def _without_avx2(render: RenderPlugin, order: Told, task: Task, until: float) -> Told:
    """Return the last message of a worker that renders without AVX2."""
    assert render.found is not None, "the first worker ran"
    without = attrs.evolve(render.found, variables=(f"{NO_AVX2}=1",))
    left = until - time.monotonic()
    render = attrs.evolve(render, found=without, runtime_seconds_max=left)
    return (await render.obey(order, task, RenderProgress(task=task))).last


def _differing(told: Told) -> set[Place]:
    """Return the places that differ."""
    crops = cast("list[Told]", told.get("crops") or [])
    return {
        (tuple(one["at"]) if "at" in one else number, one.get("layer"))
        for number, one in enumerate(crops)
        if not one["equal"] and _is_far(one["off"])
    }


def _is_far(off: float | None) -> bool:
    return off is None or off > OFF_MOST


def _second_order(order: Told, task: Task, told: Told) -> Told:
    """Return the order to check what the first worker rendered.

    Raises NotARegularFile, OSError or IndexError if the first worker's render cannot be read.
    """
    kept = [str(name) for name in told["kept"] if PurePath(name).name == name]
    ours, out = task.folder / DELIVERED / OURS, task.folder / "out"
    only_first = ("keep", "whole", "sheet")
    second = {name: value for name, value in order.items() if name not in only_first}
    second["places"] = sorted({at for at, _ in _differing(told) if isinstance(at, tuple)})
    is_frame = order["do"] == "check"
    if is_frame or "tile" in order:
        second["across"] = order["draws"]
        (out / kept[0]).rename(ours)
    else:
        frames = order["frames"]
        drawn = [frames[n] for n in picked(order["shown"], len(frames))]
        second |= {"frames": drawn, "shown": [0.0] * len(drawn)}
        frame_zips.pack(out, kept).rename(ours)
        ours.chmod(0o644)
    return {**second, "evidence" if is_frame else "picture": OURS}
