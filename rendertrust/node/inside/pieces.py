"""A check of what is not one whole frame: a chunk of frames, a tile, a picture made of tiles.

A tile is its own evidence, and crops within it are held against it. A chunk has none, as that of
all its frames would be huge: of the frames that are drawn each is rendered anew, as its node did. A
picture made of tiles is made of them once more, and nothing is rendered.
"""

import os
import shutil
import time
from typing import Any

from . import checking, comparing, cutting, looking, pictures
from .checking import Evidence
from .delivered import Fault
from .finishing import merge
from .inspecting import unbaked
from .opening import may_be_opened, pixels_of
from .placing import picked
from .rendering import facts, still
from .scene import choose_format, opened, prepare, size_of
from .speech import Progress, Say

EQUAL = {"equal": True, "off": None}
UNREAD = "its frames are of a kind that the checker does not read"


def hold(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """``picture`` was delivered for this order; says as ``check`` does how what is drawn compares
    (``draws``: crops of a tile, ``shown``: frames of a chunk), or a ``fault`` of it, or why it is
    ``unable``.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    frames = order.get("frames") or [scene.frame_current]
    progress = Progress(say, len(order["draws"]) + len(order["shown"]) + 1)
    progress.watch(bpy)
    in_tiles = "tile" in order or "tiles" in order
    if in_tiles and (reasons := cutting.obstacles(scene)):
        say("done", frame=frames[0], unable=reasons[0], **facts(bpy, scene, started))
        return
    held = _tile if "tile" in order else _merged if in_tiles else _chunk
    try:
        told = held(bpy, scene, order, frames, progress)
        told |= pictures.seen(order["picture"])
    except Fault as fault:
        told = {"fault": str(fault)}
    say("done", frame=frames[0], **told, **facts(bpy, bpy.context.scene, started))


def _tile(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: Progress
) -> dict[str, Any]:
    layers, kinds = looking.tile_of(bpy, scene, order)
    x, y, across, down = order["tile"]
    area = cutting.rendered((x, y, across, down), scene)
    theirs = Evidence(frames[0], order["out"], kinds, layers, area)
    told = checking.crops_of(bpy, scene, order, theirs, progress)
    return {**told, "finish": EQUAL}  # nothing was made of it yet


def _merged(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: Progress
) -> dict[str, Any]:
    progress.next("picture")
    suffix = choose_format(scene.render, order.get("format"))
    picture = os.path.join(order["out"], "their" + suffix)
    shutil.copyfile(order["picture"], picture)
    may_be_opened(picture, suffix, size_of(scene))
    scene.frame_set(frames[0])
    layers = merge(bpy, scene, order["tiles"])
    return _told([checking.finished(bpy, order, frames[0], (picture, layers))])


def _chunk(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: Progress
) -> dict[str, Any]:
    if found := list(unbaked(scene)):
        return {"unable": f"it goes from frame to frame: {found[0]}"}
    drawn = [frames[place] for place in picked(order["shown"], len(frames))]
    return _told([_frame(bpy, order, frames, frame, progress) for frame in drawn])


def _told(found: list[dict[str, Any] | None]) -> dict[str, Any]:
    compared = [one for one in found if one is not None]
    if len(compared) < len(found):
        return {"unable": UNREAD}
    return {"crops": compared, "finish": EQUAL}  # they are finished


def _frame(
    bpy: Any, order: dict[str, Any], frames: list[int], frame: int, progress: Progress
) -> dict[str, Any] | None:
    """How one compares; what is not equal is rendered with another seed, too."""
    progress.next(f"frame {frame}")
    path = _render(bpy, order, frame, "our")
    size = size_of(bpy.context.scene)
    picture = looking.one_of(bpy, order, frames, frame)
    found = checking.beside(bpy, path, picture, size)
    if found is None or found["equal"] or found["off"] is None:
        return found
    other = pixels_of(bpy, _render(bpy, order, frame, "other"))
    ours, theirs = (pixels_of(bpy, one) for one in (path, picture))
    if ours.size and ours.shape == theirs.shape == other.shape:
        return comparing.compared(ours, theirs, other)
    return found


def _render(bpy: Any, order: dict[str, Any], frame: int, name: str) -> str:
    """The frame as a node renders it; ``other``: with another seed."""
    scene = opened(bpy, order)
    prepare(scene, order)
    path = os.path.join(order["out"], name + choose_format(scene.render, order.get("format")))
    if name == "other" and scene.render.engine == "CYCLES":
        with checking.other_seed(scene):
            still(bpy, scene, frame, path)
    else:
        still(bpy, scene, frame, path)
    return path
