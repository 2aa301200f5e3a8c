"""Access to delivered, untrusted files. Headers are checked before Blender decodes a file."""

import os
import shutil
import zipfile
from typing import Any

import numpy as np

from ..formats import bounds, image_headers, picture_digest
from ..formats.bounds import NoPixels
from ..formats.exr import window_of
from ..ipc import MachineError, one_line
from ..render import passes, tiles
from ..render.passes import Kinds, Layers, channels_in
from ..scene.output import choose_format, name_of, size_of
from .open_watchdog import PICTURE, OpenProgress

CHANNELS_MORE = 8
NOTHING = "the picture cannot be decoded"
NOISY = ".noisy.exr"  # suffix of the noisy pass, which a job may ask for
CHANNELS_MOST = 256  # most channels of four bytes
PIECE = 1 << 20
BROKEN = (*bounds.ZIP_ERRORS, ValueError, KeyError)


class DeliveryFault(Exception):
    """The delivered file is invalid; the text says why."""


class NoEvidence(DeliveryFault):
    """The picture has no evidence."""


def bytes_most(size: tuple[int, int], kinds: Kinds) -> int:
    """Return the largest plausible size of a file with these pixels and passes, in bytes."""
    return size[0] * size[1] * (channels_in(kinds) + CHANNELS_MORE) * 4 * 2 + (1 << 20)


def files_of(order: dict[str, Any], suffix: str, most: int) -> tuple[str, str]:
    """Copy picture and evidence to names with the right suffix.

    Each may have at most ``most`` bytes.
    """
    if not order.get("evidence"):
        raise NoEvidence("the picture has no evidence")
    paths = []
    for name, ending in (("picture", suffix), ("evidence", ".exr")):
        if os.path.getsize(order[name]) > most:
            raise DeliveryFault(f"the {name} is larger than possible for this frame")
        paths.append(os.path.join(order["out"], f"their-{name}{ending}"))
        shutil.copyfile(order[name], paths[-1])
    return paths[0], paths[1]


def read_evidence(bpy: Any, path: str, size: tuple[int, int], kinds: Kinds) -> Layers:
    """Read all passes of the evidence after checking its header. Raises DeliveryFault."""
    fits(path, size, kinds)
    return read_passes(bpy, path, size, kinds, "evidence")


def read_passes(
    bpy: Any, path: str, size: tuple[int, int], kinds: Kinds, what: str = "picture"
) -> Layers:
    """Read all passes of a delivered file. Raises DeliveryFault."""
    try:
        return passes.read(bpy, path, size, kinds)
    except MachineError as fault:
        raise DeliveryFault(f"the {what} cannot be read: {fault}") from fault


def fits(path: str, size: tuple[int, int], kinds: Kinds) -> None:
    """Check the evidence's size and channels by its header, before anything decodes it."""
    try:
        width, height, channels = window_of(path)
    except NoPixels as fault:
        raise DeliveryFault(f"the evidence is invalid: {fault}") from fault
    wanted = channels_in(kinds)
    if (width, height) != size or channels > wanted + CHANNELS_MORE:
        said = f"{width} by {height}, {channels} channels"
        raise DeliveryFault(f"the evidence is {said}; expected {size[0]} by {size[1]}, {wanted}")


# ── pictures ──────────────────────────────────────────────────────────────────────────────────────


def undecoded(path: str, pixels: Any) -> dict[str, str]:
    """Report a picture that cannot be decoded as ``suspect``, unless it is a multi-layer file.

    The cause may be too little memory. Therefore the report leads to a check, and names no fault.
    """
    if pixels.size:
        return {}
    try:
        return {} if passes.kinds_in(path) else {"suspect": NOTHING}
    except NoPixels:
        return {"suspect": NOTHING}


def copy_picture(order: dict[str, Any], suffix: str, size: tuple[int, int]) -> str:
    """Copy the picture to a name with the right suffix; return the copy's path.

    Raises DeliveryFault.
    """
    if os.path.getsize(order["picture"]) > size[0] * size[1] * CHANNELS_MOST * 4 + (1 << 20):
        raise DeliveryFault("the picture is larger than possible for this frame")
    return shutil.copyfile(order["picture"], os.path.join(order["out"], "their" + suffix))


def may_be_opened(picture: str, suffix: str, size: tuple[int, int]) -> bool:
    """Return True if the picture's header has this size, False for an unknown format.

    Raises DeliveryFault for another size or an invalid header.
    """
    try:
        found = image_headers.size_of(picture, suffix)
    except NoPixels as fault:
        raise DeliveryFault(f"the picture is invalid: {fault}") from fault
    if found is None:
        return False
    if found != size:
        raise DeliveryFault(f"the picture is {found[0]} by {found[1]}, not {size[0]} by {size[1]}")
    return True


def pixels_of(bpy: Any, path: str) -> Any:
    """Decode the picture to (height, width, channels). Raises DeliveryFault."""
    try:
        image = bpy.data.images.load(path)
    except RuntimeError as fault:
        raise DeliveryFault(f"the picture cannot be read: {one_line(fault)}") from fault
    try:
        width, height = image.size
        found = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(found)
        return found.reshape(height, width, image.channels)
    except (RuntimeError, ValueError) as fault:
        raise DeliveryFault(f"the picture cannot be read: {one_line(fault)}") from fault
    finally:
        bpy.data.images.remove(image)


# ── chunks and tiles ──────────────────────────────────────────────────────────────────────────────


def read_tile(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> tuple[Layers, Kinds]:
    """Read all passes of a delivered tile after checking its header. Raises DeliveryFault."""
    x, y, across, down = order["tile"]
    size = tiles.rendered((x, y, across, down), scene)[2:]
    kinds = tiles.tile_kinds(scene)
    if os.path.getsize(order["picture"]) > bytes_most(size, kinds):
        raise DeliveryFault("the tile is larger than possible for its size")
    path = os.path.join(order["out"], "their-tile.exr")
    shutil.copyfile(order["picture"], path)
    try:
        found = window_of(path)[:2]
    except NoPixels as fault:
        raise DeliveryFault(f"the tile cannot be read: {fault}") from fault
    if found != size:
        raise DeliveryFault(f"the tile is {found[0]} by {found[1]}, not {size[0]} by {size[1]}")
    with progress.about(PICTURE, size, channels_in(kinds), theirs=path, kinds=kinds):
        return read_evidence(bpy, path, size, kinds), kinds


def unpack_frame(bpy: Any, order: dict[str, Any], frames: list[int], frame: int) -> str:
    """Unpack one frame of a chunk and return the path of the picture. Raises DeliveryFault."""
    scene = bpy.context.scene
    suffix = choose_format(scene.render, order.get("format"))
    most = bytes_most(size_of(scene), tiles.tile_kinds(scene))
    try:
        with bounds.open_zip(order["picture"], picture_digest.FILES_MAX) as packed:
            _are_all(packed, order, frames, suffix)
            return _unpacked(packed, name_of(frame, suffix), order["out"], most)
    except BROKEN as fault:
        raise DeliveryFault("the zip of frames cannot be read") from fault


def pictures_of(order: dict[str, Any], frames: list[int], suffix: str, most: int) -> Any:
    """Yield the path of each delivered picture; unpack a chunk's pictures one at a time."""
    if len(frames) == 1:
        if os.path.getsize(order["picture"]) > most:
            raise DeliveryFault("the picture is larger than possible for this frame")
        yield shutil.copyfile(order["picture"], os.path.join(order["out"], "their" + suffix))
        return
    try:
        with bounds.open_zip(order["picture"], picture_digest.FILES_MAX) as packed:
            _are_all(packed, order, frames, suffix)
            for frame in frames:
                yield _unpacked(packed, name_of(frame, suffix), order["out"], most)
    except BROKEN as fault:
        raise DeliveryFault("the zip of frames cannot be read") from fault


def _are_all(
    packed: zipfile.ZipFile, order: dict[str, Any], frames: list[int], suffix: str
) -> None:
    """Raise DeliveryFault unless the zip has the frames, once each, and nothing else.

    Clients would store 00001.png as frame 1, in the place of 0001.png.
    """
    wanted, found = {name_of(frame, suffix) for frame in frames}, packed.namelist()
    missing = sorted(wanted - set(found))
    if missing:
        raise DeliveryFault(f"{missing[0]} is missing ({len(missing)} of {len(frames)} frames)")
    beside = {name_of(frame, NOISY) for frame in frames} if order.get("noisy") else set[str]()
    if len(found) > len(set(found)) or set(found) - wanted - beside:
        raise DeliveryFault("the zip has files that are not frames of the chunk")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in packed.infolist()):
        raise DeliveryFault("the frames are compressed; a chunk's zip must store them uncompressed")


def _unpacked(packed: zipfile.ZipFile, name: str, out: str, most: int) -> str:
    if packed.getinfo(name).file_size > most:
        raise DeliveryFault(f"{name} is larger than possible for this frame")
    path = os.path.join(out, "their-" + name)
    with packed.open(name) as source, open(path, "wb") as target:
        # raises an error if the member has more data than the zip declares
        shutil.copyfileobj(source, target, PIECE)
    return path
