"""Two pictures beside each other, as numbers."""

from typing import Any

import numpy as np

Array = Any


def compared(ours: Array, theirs: Array) -> dict[str, Any]:
    """``equal``: every bit of every pixel. ``psnr`` in decibels with a peak of 1; None where they
    are equal, or so different that there is no such number, as of pixels that are none.
    """
    if ours.shape != theirs.shape:
        return {"equal": False, "psnr": None}
    ours, theirs = (np.ascontiguousarray(of, np.float32) for of in (ours, theirs))
    if np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)):
        return {"equal": True, "psnr": None}
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return {"equal": False, "psnr": None}
    off = float(np.mean((_seen(ours) - _seen(theirs)) ** 2))
    return {"equal": False, "psnr": round(-10 * np.log10(max(off, 1e-30)), 3)}


def worst(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What several comparisons say together: equal where all are, else the least number."""
    off = [one["psnr"] for one in found if not one["equal"]]
    if not off:
        return {"equal": True, "psnr": None}
    return {"equal": False, "psnr": None if None in off else min(off)}


def _seen(light: Array) -> Array:
    """Light up to 1 as it is; above it the logarithm: a sun that differs must not be all that
    counts, nor be cut off and count for nothing."""
    light = np.maximum(light.astype(np.float64), -1.0)
    return np.where(light <= 1.0, light, 1.0 + np.log(np.maximum(light, 1.0)))


def visible(picture: Array) -> Array:
    """What is to be seen of a picture with alpha: what is transparent hides its colours."""
    if picture.ndim != 3 or picture.shape[2] != 4:
        return picture
    return picture * np.stack([picture[..., 3]] * 3 + [np.ones_like(picture[..., 3])], axis=-1)


def variance(picture: Array, cells: int) -> list[list[float]]:
    """How much varies in each cell of a grid of at most ``cells`` by ``cells``, rows from the top.

    ``picture``: (height, width, channels), its first row the lowest.
    """
    grey = _seen(np.nan_to_num(picture[::-1, :, :3])).mean(axis=2)
    height, width = grey.shape
    rows, columns = min(cells, height), min(cells, width)
    return [
        [float(cell.std()) for cell in np.array_split(band, columns, axis=1)]
        for band in np.array_split(grey, rows, axis=0)
    ]
