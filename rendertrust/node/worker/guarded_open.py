"""A picture that was delivered, opened: a stranger made it, so its head is read first."""

from typing import Any

import numpy as np

from . import multilayer_exr, picture_digest
from .delivered_files import DeliveryFault
from .ipc import one_line
from .png_pixels import NoPixels

NOTHING = "nothing of the picture can be decoded"


def undecoded(path: str, pixels: Any) -> dict[str, str]:
    """Return what is ``suspect`` of a picture without pixels; nothing where Blender shows none
    because the file has several layers.

    The machine may be short of memory, so this is a reason to compare and no fault.
    """
    if pixels.size:
        return {}
    try:
        return {} if multilayer_exr.kinds_in(path) else {"suspect": NOTHING}
    except NoPixels:
        return {"suspect": NOTHING}


def may_be_opened(picture: str, suffix: str, size: tuple[int, int]) -> bool:
    try:
        found = picture_digest.size_of(picture, suffix)
    except NoPixels as fault:
        raise DeliveryFault(f"the picture is none: {fault}") from fault
    if found is None:
        return False
    if found != size:
        raise DeliveryFault(f"the picture is {found[0]} by {found[1]}, not {size[0]} by {size[1]}")
    return True


def pixels_of(bpy: Any, path: str) -> Any:
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
