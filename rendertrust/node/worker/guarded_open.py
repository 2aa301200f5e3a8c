"""Opening of delivered pictures, whose headers are checked first."""

from typing import Any

import numpy as np

from . import multilayer_exr, picture_digest
from .delivered_files import DeliveryFault
from .ipc import one_line
from .png_pixels import NoPixels

NOTHING = "the picture cannot be decoded"


def undecoded(path: str, pixels: Any) -> dict[str, str]:
    """Return that a picture without pixels is ``suspect``, unless it is a multi-layer file.

    The machine may be short of memory, so this is a reason for a check and not a fault.
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
        raise DeliveryFault(f"the picture is invalid: {fault}") from fault
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
