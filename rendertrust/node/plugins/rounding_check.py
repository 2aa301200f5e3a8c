"""Test of a scene for pictures that depend on rounding, by rendering with both kernels of Cycles.

Instruction sets round differently, and a shader may turn the last bit of a number into another
picture. Honest nodes of another instruction set then differ from the verifier, although the scene
has no noise. So before the verifier refuses a result of another instruction set, a second worker
renders without AVX2 what differs, and compares its render with the first worker's render. Delivered
files are not involved, so only the scene decides.

A verifier without AVX2, or with another processor than x86-64, has no second kernel. Its refusals
stand without this test.
"""

import asyncio
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, cast

import attrs

from rendertrust.node.machine_facts import NO_AVX2, has_two_kernels
from rendertrust.node.plugin import Task
from rendertrust.node.plugins import frame_zips
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress
from rendertrust.node.safe_open import NotARegularFile
from rendertrust.node.sandbox import DELIVERED
from rendertrust.node.worker.checks.crop_placement import picked

OFF_MOST: Final = 0.3  # maximum difference of instruction sets, as a multiple of the noise
OURS: Final = "ours"  # delivered file of the second worker: what the first worker rendered
UNTESTED: Final = "the render without AVX2 failed"
Told = Mapping[str, Any]


async def check_rounding(render: RenderPlugin, order: Told, task: Task, told: Told) -> Told:
    """Return the first worker's report ``told`` on ``order``, with ``loose`` if rounding matters.

    If the second worker fails, or takes longer than the limit of ``render``, so does the check.
    """
    places = _differing(told)
    is_open = places and told.get("kept") and not (told.get("loose") or "across" in told)
    if not is_open or not has_two_kernels():
        return told
    second = await asyncio.to_thread(_second_order, order, task, told)
    if second is None:
        return {"event": "failed", "error": UNTESTED}
    assert render.found is not None, "the first worker ran"
    without = attrs.evolve(render.found, variables=(f"{NO_AVX2}=1",))
    ending = await attrs.evolve(render, found=without).obey(
        {**second, "places": places}, task, RenderProgress(task=task)
    )
    if not ending.last.get("crops"):
        return {"event": "failed", "error": UNTESTED, "tail": ending.tail}
    return {**told, "loose": True} if _differing(ending.last) else told


def _differing(told: Told) -> list[Any]:
    """Return the places of the crops that differ; None stands for a frame of a chunk."""
    crops = cast("list[Told]", told.get("crops") or [])
    found = [one.get("at") for one in crops if not one["equal"] and _is_far(one["off"])]
    return [at for n, at in enumerate(found) if at not in found[:n]]


def _is_far(off: float | None) -> bool:
    return off is None or off > OFF_MOST


def _second_order(order: Told, task: Task, told: Told) -> Told | None:
    """Return the order to check what the first worker rendered; None if it cannot be read."""
    kept = [str(name) for name in told["kept"] if PurePath(name).name == name]
    ours, out = task.folder / DELIVERED / OURS, task.folder / "out"
    second = {name: value for name, value in order.items() if name not in ("keep", "whole")}
    is_frame = order["do"] == "check"
    try:
        if is_frame or "tile" in order:
            (out / kept[0]).rename(ours)
        else:
            frames = order["frames"]
            drawn = [frames[n] for n in picked(order["shown"], len(frames))]
            second |= {"frames": drawn, "shown": [0.0] * len(drawn)}
            frame_zips.pack(out, kept).rename(ours)
            ours.chmod(0o644)
    except (NotARegularFile, OSError, IndexError):
        return None
    return {**second, "evidence" if is_frame else "picture": OURS}
