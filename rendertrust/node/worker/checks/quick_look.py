"""Quick look at delivered files that get no check, or before a check.

A quick look tests that all frames exist, have the right names and size, and can be decoded. If all
frames have one colour, the scene must have one colour, too. A quick look does not test that the
frames show the scene.
"""

import os
import tempfile
import time
from typing import Any

from ..formats import picture_digest
from ..ipc import Say
from ..render import tiles
from ..render.frames import facts, written_size
from ..scene import nondeterminism
from ..scene.loader import opened
from ..scene.output import choose_format, shows_strips, size_of
from ..scene.settings import prepare
from . import image_comparison
from .coarse_render import coarse
from .delivered_files import (
    DeliveryFault,
    bytes_most,
    copy_picture,
    files_of,
    fits,
    may_be_opened,
    pictures_of,
    pixels_of,
    read_tile,
    undecoded,
)
from .open_watchdog import PICTURE, OpenProgress

VARIES = 0.02  # deviation within a cell of the small picture that means several colours
PLAIN = "the picture has one colour, but the scene does not"


def look(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Take a quick look at the delivered ``picture``.

    The report has ``looked`` and perhaps ``suspect``, or a ``fault``. With ``tile``, the picture is
    a file with the passes of that tile; with several ``frames``, a zip.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    frames = order.get("frames") or [scene.frame_current]
    progress = OpenProgress(say, len(frames) + 1, order)
    progress.watch(bpy)
    told: dict[str, Any]
    try:
        if "tile" in order:
            read_tile(bpy, scene, order, progress)
            told = {"looked": True}
        else:
            told = _pictures(bpy, scene, order, frames, progress)
        told |= picture_digest.seen(order["picture"])
    except DeliveryFault as fault:
        told = {"fault": str(fault), **nondeterminism.fault_note(bpy)}
    say("done", frame=frames[0], **told, **facts(bpy, scene, started))


def _pictures(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: OpenProgress
) -> dict[str, Any]:
    size, suffix = written_size(scene), choose_format(scene.render, order.get("format"))
    most = bytes_most(size_of(scene), tiles.tile_kinds(scene))
    plain, odd = list[bool](), nondeterminism.note(bpy, scene)
    for path in pictures_of(order, frames, suffix, most):
        progress.next(os.path.basename(path))
        with progress.about(PICTURE, size, theirs=path):
            is_plain, found = _looked_at(bpy, path, suffix, size)
        plain.append(is_plain)
        odd |= found
        os.unlink(path)
    if all(plain) and shows_itself(scene) and _varies(bpy, scene, order, progress):
        odd["suspect"] = "all frames have one colour, but the scene does not"
    return {"looked": True, **odd}


def _looked_at(
    bpy: Any, path: str, suffix: str, size: tuple[int, int]
) -> tuple[bool, dict[str, str]]:
    """Return True if the picture has one colour, and the member ``suspect`` of the report, if any.

    Raises DeliveryFault if the file is not a picture of this size.
    """
    known = may_be_opened(path, suffix, size)
    pixels = image_comparison.visible(pixels_of(bpy, path))
    if not known and pixels.shape[:2] != (size[1], size[0]):
        raise DeliveryFault("the picture cannot be decoded, or has another size")
    return _is_plain(pixels), undecoded(path, pixels)


# ── one frame ─────────────────────────────────────────────────────────────────────────────────────


def frame(bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress) -> dict[str, Any]:
    """Take a quick look at picture and evidence, without a full render.

    A compositor may produce a picture of one colour. Therefore one colour is not a ``fault`` but
    ``suspect``, and leads to a check.
    """
    is_plain, told = _opened_frame(bpy, scene, order, progress)
    if is_plain and _varies(bpy, scene, order, progress):
        told["suspect"] = PLAIN
    return told


def _opened_frame(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> tuple[bool, dict[str, Any]]:
    """Return True if the picture has one colour, and the report on picture and evidence.

    Raises DeliveryFault if picture or evidence is invalid. The scene stays unchanged.
    """
    size, kinds = size_of(scene), tiles.tile_kinds(scene)
    suffix = choose_format(scene.render, order.get("format"))
    picture, evidence = files_of(order, suffix, bytes_most(size, kinds))
    fits(evidence, size, kinds)
    told: dict[str, Any] = {"looked": True}
    with progress.about(PICTURE, size, theirs=picture):
        is_known, is_plain = may_be_opened(picture, suffix, size), False
        if is_known:
            pixels = pixels_of(bpy, picture)
            is_plain = _is_plain(image_comparison.visible(pixels))
            told |= undecoded(picture, pixels)
        told |= picture_digest.seen(picture)
    return is_plain, told


def _is_plain(pixels: Any) -> bool:
    return bool(pixels.size) and not (pixels != pixels[0, 0]).any()


def uncut_frame(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> dict[str, Any]:
    """Take a quick look at a frame that cannot be rendered in regions.

    If the frame is ``suspect``, no check in regions could decide.
    """
    is_plain, told = _opened_uncut(bpy, scene, order, progress)
    if is_plain and shows_itself(scene) and _varies(bpy, scene, order, progress):
        return told | {"suspect": PLAIN}
    return told


def _varies(bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress) -> bool:
    """Return True if a small render of the scene has several colours."""
    progress.doubt()
    grid = coarse(bpy, scene, order, progress)
    return max(map(max, grid), default=0.0) >= VARIES


def _opened_uncut(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> tuple[bool, dict[str, Any]]:
    """Return True if ``picture`` has a single colour, and the report on ``picture``.

    Raises DeliveryFault.
    """
    suffix, size = choose_format(scene.render, order.get("format")), written_size(scene)
    path, told = copy_picture(order, suffix, size), nondeterminism.note(bpy, scene)
    with progress.about(PICTURE, size, theirs=path):
        is_known = may_be_opened(path, suffix, size)
        found = image_comparison.visible(pixels_of(bpy, path))
        told |= {**picture_digest.seen(path), **(undecoded(path, found) if is_known else {})}
    if not is_known and found.shape[:2] != size[::-1]:
        raise DeliveryFault("the picture cannot be decoded, or has another size")
    return _is_plain(found), told


def shows_itself(scene: Any) -> bool:
    """Return True if a small Cycles render shows the content of the picture.

    With another engine, strips or a render region, the picture shows something else.
    """
    is_cut = shows_strips(scene) or scene.render.use_border
    return scene.render.engine == "CYCLES" and not is_cut


# ── several results of a job ──────────────────────────────────────────────────────────────────────


def open_batch(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Report ``looked`` or a ``fault`` for each of the ``results``.

    Nothing is rendered, so the scene stays unchanged and is opened only once. ``unable`` is the
    reason why the scene cannot be checked in regions. A picture of a single colour gets no report,
    because only a render shows whether such a picture is wrong.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    reasons = tiles.obstacles(scene)
    progress = OpenProgress(say, len(order["results"]), order)
    for number, files in enumerate(order["results"]):
        progress.next(f"result {number + 1}")
        with tempfile.TemporaryDirectory(dir=order["out"]) as out:
            told = _opened_result(bpy, scene, {**order, **files, "out": out}, reasons, progress)
        if told is not None:
            say("opened", number=number, told=told)
    say("done", **facts(bpy, scene, started))


def _opened_result(
    bpy: Any, scene: Any, order: dict[str, Any], reasons: list[str], progress: OpenProgress
) -> dict[str, Any] | None:
    """Return the report on one result; None if the picture has one colour."""
    told: dict[str, Any]
    try:
        if reasons:
            is_plain, seen = _opened_uncut(bpy, scene, order, progress)
            told = {**seen, "unable": reasons[0], "uncut": True}
            is_plain = is_plain and shows_itself(scene)
        else:
            is_plain, told = _opened_frame(bpy, scene, order, progress)
    except DeliveryFault as fault:
        return {"fault": str(fault)}
    return None if is_plain else told
