"""Numerical comparison of two pictures."""

from typing import Any, NamedTuple

import numpy as np

Array = Any


# Least noise that is assumed, as a share of the brightness. Rounding alone differs by this much.
NOISE_LEAST = 1e-4
NEAR = 0.1  # maximum difference of honest renders of one device class, as a multiple of the noise
FAR = 0.5  # difference of renders with only 2/3 of the samples, as a multiple of the noise
GRAIN = 1e-2  # assumed noise of a finished picture, as a share of its brightness
CELL = 8  # side of a cell in pixels; smaller changes are not detected
# By chance and rounding, a single cell differs this much more than the whole picture.
GRAIN_CELL = 10 * GRAIN
NOISE_CELL = 2.8
MEANS_LEAST = 0.25  # share of the noise; twice the noise expected in the mean of a cell
ROUNDING = 12**-0.5  # root mean square of the rounding error, as a share of a step
BAND = 64 * CELL  # rows processed at once


def is_same(ours: Array, theirs: Array) -> bool:
    """Return True if every bit of every pixel is equal."""
    if ours.shape != theirs.shape:
        return False
    one, other = (np.ascontiguousarray(of, np.float32).view(np.uint32) for of in (ours, theirs))
    return bool(np.array_equal(one, other))


def compared(
    ours: Array, theirs: Array, other: Array | None = None, *, step: float = 0.0
) -> dict[str, Any]:
    """Compare two pictures.

    ``equal``: every bit of every pixel is equal. ``off``: the root mean square difference of the
    channel that differs most, in multiples of the noise, over the picture or in its worst cell (see
    ``NOISE_CELL``). ``off`` is None if the pictures are equal or cannot be compared, for example
    because of infinite values or an infinite difference. ``other``: our render with another seed;
    the difference between ``ours`` and ``other`` is the noise. Without ``other`` the pictures are
    finished pictures, and the noise is a hundredth of their brightness. ``step``: the smallest
    difference in the picture's format; the noise is at least the rounding error of a step.
    """
    if is_same(ours, theirs):
        return {"equal": True, "off": None}
    shown = [ours, theirs, *([] if other is None else [other])]
    if len({of.shape for of in shown}) != 1 or not all(np.isfinite(of).all() for of in shown):
        return {"equal": False, "off": None}
    channels = (tuple(of[..., n] for of in shown) for n in range(ours.shape[-1]))
    off = float(np.max([_off(*of, step=step) for of in channels]))  # NaN if one is NaN
    return {"equal": False, "off": float(f"{off:.4g}") if np.isfinite(off) else None}


class _ChannelDifference(NamedTuple):
    """Root mean square difference of two channels.

    ``whole``: the difference over all pixels. ``means``: the difference of the cells' means, in
    which noise averages out but a bias does not. ``cells``: the difference over the pixels of each
    cell.
    """

    whole: float
    means: float
    cells: Array


def _off(ours: Array, theirs: Array, other: Array | None = None, *, step: float = 0.0) -> float:
    """Return the difference of one channel in multiples of the noise.

    The worst cell shows changes of a small area, which vanish in the mean over all pixels. The
    cells' means show faint changes, which vanish in the noise.
    """
    scale = _bright(ours, theirs, percent=99 if other is None else 50)
    apart = _apart(ours, theirs, scale)
    if other is None:
        return max(apart.whole / GRAIN, float(apart.cells.max()) / GRAIN_CELL)
    noise, least = _apart(ours, other, scale), max(NOISE_LEAST, ROUNDING * step / scale)
    whole = max(noise.whole, least)
    # If a cell with the other seed is close to ours by chance, its noise still counts as the mean
    # noise. The same holds for the cells' means. Rounding errors may have a bias.
    means = max(noise.means, noise.whole * MEANS_LEAST, least)
    cells = np.maximum(noise.cells, whole)
    worst_cell = float((apart.cells / cells).max())
    return float(np.max([apart.whole / whole, apart.means / means, worst_cell / NOISE_CELL]))


def _bright(ours: Array, theirs: Array, *, percent: int) -> float:
    """Return a reference brightness, which makes comparisons independent of the exposure.

    The reference is a percentile of ``ours`` or, if that is black, of ``theirs``.
    """
    for of in (ours, theirs):
        if (of != 0).any():
            return float(np.percentile(np.abs(of[of != 0]), percent, overwrite_input=True))
    return 1.0


def _apart(one: Array, other: Array, scale: float) -> _ChannelDifference:
    """Compute the differences in bands of rows, to avoid copies of large pictures.

    An incomplete cell at the edge counts in proportion to its pixels. NumPy 1 would divide float32
    by a scalar in float32, where large values overflow.
    """
    sums, squares = list[Array](), list[Array]()
    for top in range(0, one.shape[0], BAND):
        bands = (of[top : top + BAND].astype(np.float64) for of in (one, other))
        first, second = (_seen(band / scale) for band in bands)
        sums.append(_summed(first - second))
        squares.append(_summed((first - second) ** 2))
    means, cells = np.concatenate(sums) / CELL**2, np.concatenate(squares)
    whole = float(np.sqrt(cells.sum() / one.size))
    return _ChannelDifference(whole, float(np.sqrt(np.mean(means**2))), np.sqrt(cells) / CELL)


def _summed(of: Array) -> Array:
    """Return the sum of each cell."""
    rows, columns = (np.arange(0, side, CELL) for side in of.shape)
    return np.add.reduceat(np.add.reduceat(of, columns, 1), rows, 0)


def worst(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the comparison that is farthest off."""
    return max(found, key=_badness)


def is_near(one: dict[str, Any]) -> bool:
    """Return True if the pictures are equal, or as near as two honest renders."""
    return _badness(one) <= NEAR


def is_far(found: list[dict[str, Any]]) -> bool:
    """Return True if a difference is above FAR. The delivered picture is then a wrong picture."""
    return any(_badness(one) > FAR for one in found)


def _badness(one: dict[str, Any]) -> float:
    if one["equal"]:
        return -1.0
    return float("inf") if one["off"] is None else float(one["off"])


def _seen(light: Array) -> Array:
    """Compress values above 1 by a logarithm, and negative values symmetrically.

    Thus a very bright light counts in the comparison, but does not dominate the comparison.
    """
    size = np.abs(light.astype(np.float64, copy=False))
    return np.sign(light) * np.where(size <= 1.0, size, 1.0 + np.log(np.maximum(size, 1.0)))


def visible(picture: Array) -> Array:
    """Multiply the colours by alpha, because transparent pixels hide their colours."""
    if picture.ndim != 3 or picture.shape[2] != 4:
        return picture
    return picture * np.stack([picture[..., 3]] * 3 + [np.ones_like(picture[..., 3])], axis=-1)


def variance(picture: Array, cells: int) -> list[list[float]]:
    """Return the deviation in each cell of a grid of up to ``cells`` by ``cells``, from the top.

    ``picture``: (height, width, channels), the lowest row first.
    """
    grey = _seen(np.nan_to_num(picture[::-1, :, :3])).mean(axis=2)
    height, width = grey.shape
    rows, columns = min(cells, height), min(cells, width)
    return [
        [float(cell.std()) for cell in np.array_split(band, columns, axis=1)]
        for band in np.array_split(grey, rows, axis=0)
    ]
