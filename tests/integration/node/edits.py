"""Small edits of a finished picture, such as a dishonest node that marks each frame would make."""

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

# A scene large enough for a small edit to be lost in it, so its size makes the test hard.
LARGE: Final = """
scene.render.resolution_x, scene.render.resolution_y = {}, {}
scene.cycles.samples, scene.cycles.use_denoising = 4, True
"""
SIZES: Final = [(320, 180), pytest.param((640, 360), marks=pytest.mark.nightly)]
STROKES: Final = ("#..#.###.#.#.#..", "#..#.#...#.#.#..", "####.##..#.#.#..", "#..#.#...#.#.#..")
Pixels = Any


def _corner(shown: Pixels) -> None:
    """Paint the corner in one grey, a little brighter than the corner's mean."""
    shown[:12, :12, :3] = shown[:12, :12, :3].mean() + 4


def _marks(shown: Pixels) -> None:
    """Write a line of letters, 16 pixels wide."""
    is_ink = np.array([[one == "#" for one in row] for row in STROKES])
    y, x = shown.shape[0] // 2, shown.shape[1] // 2
    shown[y : y + 4, x : x + 16, :3][is_ink] += 11


def _pixel(shown: Pixels) -> None:
    at = shown[shown.shape[0] // 3, shown.shape[1] // 3, :3]
    at += 45 if at.mean() < 128 else -45


def _watermark(shown: Pixels) -> None:
    """Brighten a ninth of the picture by two percent."""
    y, x = shown.shape[0] // 3, shown.shape[1] // 3
    shown[y : 2 * y, x : 2 * x, :3] *= 1.02


EDITS: Final[Mapping[str, Callable[[Pixels], None]]] = {
    "a grey corner": _corner,
    "a line of marks": _marks,
    "one pixel": _pixel,
    "a watermark": _watermark,
}


BY_DAY: Final = ("one pixel", "a line of marks")  # edits of few pixels are the hardest to find
NAMES: Final = [
    name if name in BY_DAY else pytest.param(name, marks=pytest.mark.nightly) for name in EDITS
]


def edited(picture: bytes, name: str) -> bytes:
    """Return the PNG picture after one of ``EDITS``."""
    with Image.open(io.BytesIO(picture)) as image:
        shown = np.asarray(image).astype(np.float64)
    EDITS[name](shown)
    made = io.BytesIO()
    Image.fromarray(np.clip(np.round(shown), 0, 255).astype(np.uint8)).save(made, "PNG")
    return made.getvalue()
