"""Quick look at several results of one job, whose scene is opened only once.

Each result is opened like a single one (``evidence_check``). Nothing is rendered, so the scene
stays unchanged.
"""

import tempfile
import time
from typing import Any

from . import evidence_check, tile_rendering, untileable
from .delivered_files import DeliveryFault
from .ipc import Say
from .open_watchdog import OpenProgress
from .rendering import facts
from .scene import opened, prepare


def open_batch(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Report on each of the ``results`` that it ``looked`` good, or its ``fault``.

    ``unable``: why the scene cannot be checked in regions. There is no report on a picture of one
    colour, because only a render shows if that is wrong.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    reasons = tile_rendering.obstacles(scene)
    progress = OpenProgress(say, len(order["results"]), order)
    for number, files in enumerate(order["results"]):
        progress.next(f"result {number + 1}")
        with tempfile.TemporaryDirectory(dir=order["out"]) as out:
            told = _opened(bpy, scene, {**order, **files, "out": out}, reasons, progress)
        if told is not None:
            say("opened", number=number, told=told)
    say("done", **facts(bpy, scene, started))


def _opened(
    bpy: Any, scene: Any, order: dict[str, Any], reasons: list[str], progress: OpenProgress
) -> dict[str, Any] | None:
    """Return the report on one result; None if its picture has one colour."""
    told: dict[str, Any]
    try:
        if reasons:
            is_plain, seen = untileable.seen(bpy, scene, order, progress)
            told = {**seen, "unable": reasons[0], "uncut": True}
            is_plain = is_plain and untileable.shows_itself(scene)
        else:
            is_plain, told = evidence_check.seen(bpy, scene, order, progress)
    except DeliveryFault as fault:
        return {"fault": str(fault)}
    return None if is_plain else told
