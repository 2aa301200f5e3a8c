"""Quick look at a chunk of frames, a tile, or a merged picture that gets no check.

It tests that all frames are there, under the right names and of the right size, that they can be
decoded, and that they do not all have one colour unless the scene has. It does not show that they
show the scene.
"""

import os
import shutil
import time
import zipfile
from typing import Any

from . import evidence_check, image_comparison, picture_digest, tile_rendering, zip_directory
from .delivered_files import DeliveryFault, bytes_most, read_evidence
from .exr_headers import NoHeader, window_of
from .guarded_open import may_be_opened, pixels_of, undecoded
from .ipc import Say
from .open_watchdog import PICTURE, OpenProgress, channels_in
from .render_passes import Kinds, Layers
from .rendering import facts, written_size
from .scene import choose_format, name_of, opened, prepare, size_of
from .scene_output import compositor_nodes

PIECE = 1 << 20
BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, KeyError)


def look(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Take a quick look at the delivered ``picture``.

    The report says that it ``looked``, what is ``suspect``, or a ``fault``. With ``tile`` the file
    has passes of that part; with several ``frames`` it is a zip.
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
            tile_of(bpy, scene, order, progress)
            told = {"looked": True}
        else:
            told = _pictures(bpy, scene, order, frames, progress)
        told |= picture_digest.seen(order["picture"])
    except DeliveryFault as fault:
        told = {"fault": str(fault)}
    say("done", frame=frames[0], **told, **facts(bpy, scene, started))


def tile_of(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> tuple[Layers, Kinds]:
    """Read all passes of a delivered tile after checking its header. Raises DeliveryFault."""
    x, y, across, down = order["tile"]
    size, kinds = (
        tile_rendering.rendered((x, y, across, down), scene)[2:],
        tile_rendering.tile_kinds(scene),
    )
    if os.path.getsize(order["picture"]) > bytes_most(size, kinds):
        raise DeliveryFault("the tile is larger than possible for its size")
    path = os.path.join(order["out"], "their-tile.exr")
    shutil.copyfile(order["picture"], path)
    try:
        found = window_of(path)[:2]
    except NoHeader as fault:
        raise DeliveryFault(f"the tile is invalid: {fault}") from fault
    if found != size:
        raise DeliveryFault(f"the tile is {found[0]} by {found[1]}, not {size[0]} by {size[1]}")
    with progress.about(PICTURE, size, channels_in(kinds), theirs=path, kinds=kinds):
        return read_evidence(bpy, path, size, kinds), kinds


def one_of(bpy: Any, order: dict[str, Any], frames: list[int], frame: int) -> str:
    """Unpack one frame of a chunk and return its path. Raises DeliveryFault."""
    scene = bpy.context.scene
    suffix = choose_format(scene.render, order.get("format"))
    most = bytes_most(size_of(scene), tile_rendering.tile_kinds(scene))
    try:
        with zip_directory.opened(order["picture"], picture_digest.FILES_MAX) as packed:
            _are_all(packed, frames, suffix)
            return _unpacked(packed, name_of(frame, suffix), order["out"], most)
    except BROKEN as fault:
        raise DeliveryFault("the zip of the frames cannot be read") from fault


def _pictures(
    bpy: Any, scene: Any, order: dict[str, Any], frames: list[int], progress: OpenProgress
) -> dict[str, Any]:
    size, suffix = written_size(scene), choose_format(scene.render, order.get("format"))
    most = bytes_most(size_of(scene), tile_rendering.tile_kinds(scene))
    plain, odd = list[bool](), dict[str, str]()
    for path in _files(order, frames, suffix, most):
        progress.next(os.path.basename(path))
        with progress.about(PICTURE, size, theirs=path):
            is_plain, found = _seen(bpy, path, suffix, size)
        plain.append(is_plain)
        odd |= found
        os.unlink(path)
    # A compositor, or a cut to black, may also make frames of one colour.
    if not all(plain) or compositor_nodes(scene) or tile_rendering.obstacles(scene):
        return {"looked": True, **odd}
    grid = evidence_check.coarse(bpy, scene, order, progress)
    if max(map(max, grid), default=0.0) < evidence_check.VARIES:
        return {"looked": True, **odd}
    return {"looked": True, "suspect": "all frames have one colour, but the scene does not"}


def _files(order: dict[str, Any], frames: list[int], suffix: str, most: int) -> Any:
    """Yield each picture, unpacking one at a time."""
    if len(frames) == 1:
        if os.path.getsize(order["picture"]) > most:
            raise DeliveryFault("the picture is larger than possible for this frame")
        yield shutil.copyfile(order["picture"], os.path.join(order["out"], "their" + suffix))
        return
    try:
        with zip_directory.opened(order["picture"], picture_digest.FILES_MAX) as packed:
            _are_all(packed, frames, suffix)
            for frame in frames:
                yield _unpacked(packed, name_of(frame, suffix), order["out"], most)
    except BROKEN as fault:
        raise DeliveryFault("the zip of the frames cannot be read") from fault


def _are_all(packed: zipfile.ZipFile, frames: list[int], suffix: str) -> None:
    wanted, found = {name_of(frame, suffix) for frame in frames}, packed.namelist()
    missing = sorted(wanted - set(found))
    if missing:
        raise DeliveryFault(f"{missing[0]} is missing ({len(missing)} of {len(frames)} frames)")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in packed.infolist()):
        raise DeliveryFault("the frames are compressed, but a chunk's zip must only store them")


def _unpacked(packed: zipfile.ZipFile, name: str, out: str, most: int) -> str:
    if packed.getinfo(name).file_size > most:
        raise DeliveryFault(f"{name} is larger than possible for this frame")
    path = os.path.join(out, "their-" + name)
    with packed.open(name) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target, PIECE)  # raises if there is more than the entry declares
    return path


def _seen(bpy: Any, path: str, suffix: str, size: tuple[int, int]) -> tuple[bool, dict[str, str]]:
    """Return True if it has one colour, and what is ``suspect``.

    Raises DeliveryFault if it is not a picture of this size.
    """
    known = may_be_opened(path, suffix, size)
    pixels = image_comparison.visible(pixels_of(bpy, path))
    if not known and pixels.shape[:2] != (size[1], size[0]):
        raise DeliveryFault("the picture cannot be decoded, or has another size")
    is_plain = bool(pixels.size) and not (pixels != pixels[0, 0]).any()
    return is_plain, undecoded(path, pixels)
