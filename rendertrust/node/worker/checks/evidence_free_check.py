"""Check of a unit without separate evidence: a chunk, a tile, or a picture assembled from tiles.

A tile has undenoised passes, so crops of the tile are compared without further evidence. Evidence
of a chunk would be huge, so drawn frames of a chunk are rendered again as its node did. A picture
assembled from tiles is assembled again, without rendering.
"""

import os
import shutil
import time
from typing import Any

from ..formats import picture_digest
from ..ipc import Say
from ..render import tiles
from ..render.frames import facts
from ..render.tiles import merge
from ..scene import nondeterminism
from ..scene.loader import opened
from ..scene.output import choose_format, name_of, size_of
from ..scene.settings import prepare
from . import (
    composited_check,
    delivered_files,
    eevee_check,
    evidence_check,
    image_comparison,
)
from .crop_placement import picked
from .delivered_files import DeliveryFault, may_be_opened
from .frame_crops import EvidencePasses
from .open_watchdog import OpenProgress

EQUAL = {"equal": True, "off": None}
UNREAD = "the check cannot read frames of this kind"


def check_unit(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Compare the delivered ``picture`` with renders, and report as ``check`` does.

    ``draws``: crops of a tile; ``shown``: frames of a chunk. The report has the differences, a
    ``fault``, or the reason why the check is ``unable`` to decide. ``keep``: leave our renders of
    the compared frames to a second worker.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    frames = order.get("frames") or [scene.frame_current]
    progress = OpenProgress(say, len(order["draws"]) + len(order["shown"]) + 1, order)
    progress.watch(bpy)
    in_tiles, excuse = "tile" in order or "tiles" in order, nondeterminism.fault_note(bpy)
    depends = nondeterminism.device_note(scene, order)
    if in_tiles and (reasons := tiles.obstacles(scene)):
        say("done", frame=frames[0], unable=reasons[0], **facts(bpy, scene, started))
        return
    held = _tile if "tile" in order else _merged if in_tiles else _chunk
    try:
        told = held(bpy, scene, order, frames, progress)
        told |= picture_digest.seen(order["picture"])
    except DeliveryFault as fault:
        told = {"fault": str(fault), **excuse}
    say("done", frame=frames[0], **told, **depends, **facts(bpy, bpy.context.scene, started))


def _tile(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: OpenProgress
) -> dict[str, Any]:
    layers, kinds = delivered_files.read_tile(bpy, scene, order, progress)
    x, y, across, down = order["tile"]
    area = tiles.rendered((x, y, across, down), scene)
    theirs = EvidencePasses(frames[0], order["out"], kinds, layers, area)
    told = evidence_check.crops_of(bpy, scene, order, theirs, progress)
    return {**told, "finish": EQUAL}  # a tile has no finished picture


def _merged(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: OpenProgress
) -> dict[str, Any]:
    progress.next("picture")
    suffix = choose_format(scene.render, order.get("format"))
    picture = os.path.join(order["out"], "their" + suffix)
    shutil.copyfile(order["picture"], picture)
    may_be_opened(picture, suffix, size_of(scene))
    scene.frame_set(frames[0])
    layers = merge(bpy, scene, order["tiles"])
    told = evidence_check.finished(bpy, order, frames[0], (picture, layers), progress)
    return {**told, **_told([told["finish"]])}


def _chunk(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: OpenProgress
) -> dict[str, Any]:
    drawn = [frames[place] for place in picked(order["shown"], len(frames))]
    across = list[dict[str, Any]]()
    told = _told([_frame(bpy, order, frames, frame, (progress, across)) for frame in drawn])
    told |= nondeterminism.note(bpy, bpy.context.scene)
    if order.get("keep"):
        suffix = choose_format(bpy.context.scene.render, order.get("format"))
        told |= {"kept": [name_of(frame, suffix) for frame in drawn]}
    return told | {"across": eevee_check.together(across)} if across else told


def _told(found: list[dict[str, Any] | None]) -> dict[str, Any]:
    compared = [one for one in found if one is not None]
    if len(compared) < len(found):
        return {"unable": UNREAD}
    return {"crops": compared, "finish": EQUAL}  # the compared pictures are finished pictures


def _frame(
    bpy: Any,
    order: dict[str, Any],
    frames: list[int],
    frame: int,
    how: tuple[OpenProgress, list[dict[str, Any]]],
) -> dict[str, Any] | None:
    """Compare one frame.

    If EEVEE or Workbench drew the frame, the result of ``eevee_check`` is added to the list in
    ``how``. If the frame differs and the scene has simulations, the frame is rendered again after
    the earlier frames of the chunk. An unbaked simulation depends on the frames that the node
    rendered before.
    """
    progress, across = how
    progress.next(f"frame {frame}")
    path = composited_check.render(bpy, order, frame, "our")
    picture = delivered_files.unpack_frame(bpy, order, frames, frame)
    found = composited_check.compared(bpy, order, frame, (path, picture), progress)
    before = frames[: frames.index(frame)] if nondeterminism.simulates(bpy) else []
    if before and found is not None and not image_comparison.is_near(found):
        order = {**order, "before": before}
        path = composited_check.render(bpy, order, frame, "our")
        found = composited_check.compared(bpy, order, frame, (path, picture), progress)
    if order.get("keep"):
        evidence_check.keep(path, name_of(frame, os.path.splitext(path)[1]))
    if found is not None and nondeterminism.is_drawn(bpy.context.scene):
        of, is_equal = (path, picture), found["equal"]
        across.append(eevee_check.compare(bpy, order, frame, of, progress, is_equal=is_equal))
    return found
