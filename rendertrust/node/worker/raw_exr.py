"""Reading of our own uncompressed OpenEXR pictures without Blender.

Loading or removing an image makes Blender drop the data that it keeps between renders.
"""

from typing import Any

import numpy as np

from .exr_headers import heads_of, window_in
from .scene import set_format


def choose(settings: Any) -> None:
    """Set the format that ``read`` supports."""
    set_format(settings, "IMAGE", "OPEN_EXR")
    settings.color_depth, settings.color_mode, settings.exr_codec = "32", "RGB", "NONE"


def read(path: str) -> Any:
    """Return (height, width, 3) of float32, the lowest row first, as in Blender."""
    with open(path, "rb") as file:
        _, (head,) = heads_of(file)
        width, height, count = window_in(head)
        if (count, head["compression"]) != (3, b"\0"):
            raise ValueError("it is not an uncompressed picture of three channels")
        file.seek(8 * height, 1)  # skip the offsets; rows follow each other
        rows = np.frombuffer(file.read(), np.uint8).reshape(height, 8 + 12 * width)
    found = rows[:, 8:].copy().view("<f4").reshape(height, 3, width)  # blue, green, red
    return found[::-1, ::-1].transpose(0, 2, 1)
