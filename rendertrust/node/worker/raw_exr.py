"""An OpenEXR picture of our own that nothing packed, read without Blender: loading or removing an
image makes Blender forget what it prepared for a render.
"""

from typing import Any

import numpy as np

from .exr_headers import heads_of, window_in
from .scene import set_format


def choose(settings: Any) -> None:
    """The format that ``read`` knows."""
    set_format(settings, "IMAGE", "OPEN_EXR")
    settings.color_depth, settings.color_mode, settings.exr_codec = "32", "RGB", "NONE"


def read(path: str) -> Any:
    """(height, width, 3) of float32, its first row the lowest, as Blender has them."""
    with open(path, "rb") as file:
        _, (head,) = heads_of(file)
        width, height, count = window_in(head)
        if (count, head["compression"]) != (3, b"\0"):
            raise ValueError("it is no picture of three channels that nothing packed")
        file.seek(8 * height, 1)  # where each row lies: one behind the other
        rows = np.frombuffer(file.read(), np.uint8).reshape(height, 8 + 12 * width)
    found = rows[:, 8:].copy().view("<f4").reshape(height, 3, width)  # blue, green, red
    return found[::-1, ::-1].transpose(0, 2, 1)
