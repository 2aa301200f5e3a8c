"""Rendering with evidence: raw passes of Cycles, and the picture made from exactly these passes.

With evidence and picture, anybody can render parts of the evidence again, and repeat the step from
the evidence to the picture. The passes of a denoised render are no evidence. The denoiser changes
its guiding passes in place, so denoising the stored passes again gives another result. The picture
equals the picture of a plain render, bit by bit (docs/adr/0034-let-blender-make-the-picture.md).
"""

import os
import time
from typing import Any

from ..formats import picture_digest
from ..ipc import Progress, Say
from ..scene.loader import opened
from ..scene.output import choose_format, name_of, size_of
from ..scene.settings import prepare
from . import passes, tiles
from .frames import facts, render, still, thumbnail
from .passes import denoise


def prove(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render the order's frames, each with its evidence if the scene can be split into parts."""
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    if tiles.obstacles(scene):
        render(bpy, {**order, "noisy": False}, say)  # a check expects a picture, not a zip
        return
    frames = order.get("frames") or [scene.frame_current]
    progress = Progress(say, len(frames))
    progress.watch(bpy)
    told: dict[str, Any] = {}
    for frame in frames:
        progress.next(f"frame {frame}")
        told = _frame(bpy, order, frame)
        say("frame", **told)
    told |= facts(bpy, bpy.context.scene, started)
    if len(frames) == 1:
        told |= picture_digest.told(os.path.join(order["out"], told["file"]))
    say("done", **told, frames=len(frames))


def _frame(bpy: Any, order: dict[str, Any], frame: int) -> dict[str, Any]:
    scene = opened(bpy, order)
    prepare(scene, order)
    size, kinds = size_of(scene), tiles.tile_kinds(scene)
    tiles.strip(scene)
    raw = os.path.join(order["out"], "raw.exr")
    seconds = still(bpy, scene, frame, raw)
    scene = opened(bpy, order)
    prepare(scene, order)
    suffix = choose_format(scene.render, order.get("format"))
    name, evidence = name_of(frame, suffix), name_of(frame, ".evidence.exr")
    layers = passes.read(bpy, raw, size, kinds)
    # Leave out the header, where Cycles states the number of samples. A check must measure this
    # number.
    passes.write(bpy, os.path.join(order["out"], evidence), layers, kinds)
    os.unlink(raw)
    seconds += make(bpy, scene, frame, layers, (order["out"], name))
    told = {"frame": frame, "file": name, "evidence": evidence, "seconds": round(seconds, 3)}
    if order.get("thumbnails"):
        told |= thumbnail(bpy, scene, order["out"], frame)
    return told


def make(bpy: Any, scene: Any, frame: int, layers: passes.Layers, place: tuple[str, str]) -> float:
    """Make the picture from rendered passes at ``place`` (folder, name); return the seconds.

    The scene must be unchanged since it was opened, except for its format.
    """
    started = time.monotonic()
    scene.frame_set(frame)
    denoise(bpy, scene, layers, place[0])
    passes.feed(scene, layers, passes.kinds_of(scene))
    still(bpy, scene, frame, os.path.join(*place))
    return time.monotonic() - started
