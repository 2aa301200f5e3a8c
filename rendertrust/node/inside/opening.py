"""A picture that was delivered, opened: a stranger made it, so its head is read first."""

from typing import Any

import numpy as np

from . import pictures
from .delivered import Fault
from .pixels import NoPixels
from .speech import one_line


def may_be_opened(picture: str, suffix: str, size: tuple[int, int]) -> bool:
    try:
        found = pictures.size_of(picture, suffix)
    except NoPixels as fault:
        raise Fault(f"the picture is none: {fault}") from fault
    if found is None:
        return False
    if found != size:
        raise Fault(f"the picture is {found[0]} by {found[1]}, not {size[0]} by {size[1]}")
    return True


def pixels_of(bpy: Any, path: str) -> Any:
    try:
        image = bpy.data.images.load(path)
    except RuntimeError as fault:
        raise Fault(f"the picture cannot be read: {one_line(fault)}") from fault
    try:
        width, height = image.size
        found = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(found)
        return found.reshape(height, width, image.channels)
    except (RuntimeError, ValueError) as fault:
        raise Fault(f"the picture cannot be read: {one_line(fault)}") from fault
    finally:
        bpy.data.images.remove(image)
