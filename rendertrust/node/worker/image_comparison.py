"""Two pictures beside each other, as numbers."""

from typing import Any, NamedTuple

import numpy as np

Array = Any


NOISE_LEAST = 1e-4  # of what is to be seen: where there is no noise, what rounding may do
FAR = 0.5  # times the noise: two thirds of the samples, the same ones
GRAIN = 1e-2  # of a finished picture, whose noise was taken away
CELL = 8  # pixels each way: how small a change is still seen
# Chance, and what rounds otherwise, make one cell differ more than all of it does: so much more.
GRAIN_CELL = 10 * GRAIN
NOISE_CELL = 2.8
MEANS_LEAST = 0.25  # of the noise: twice what chance leaves of it in the mean of a cell
ROUNDING = 12**-0.5  # of a step: the root of the mean square of what rounding to steps changes
BAND = 64 * CELL  # rows that are worked on at once


def is_same(ours: Array, theirs: Array) -> bool:
    """Whether every bit of every pixel is."""
    if ours.shape != theirs.shape:
        return False
    one, other = (np.ascontiguousarray(of, np.float32).view(np.uint32) for of in (ours, theirs))
    return bool(np.array_equal(one, other))


def compared(
    ours: Array, theirs: Array, other: Array | None = None, *, step: float = 0.0
) -> dict[str, Any]:
    """``equal``: every bit of every pixel. ``off``: how far they are apart, of each channel the
    root of the mean square, in multiples of the noise, over all of it or in its worst cell (see
    ``NOISE_CELL``); the worst channel counts. None where they are equal, or where there is no
    such number, as of pixels that are none.

    ``other`` is ours of another seed, and the noise is how far that is from ours; without it they
    are finished pictures, and it is the hundredth part of what is bright in them. ``step`` is the
    least difference that their format can tell: the noise is at least what rounding to it makes.
    """
    if is_same(ours, theirs):
        return {"equal": True, "off": None}
    shown = [ours, theirs, *([] if other is None else [other])]
    if len({of.shape for of in shown}) != 1 or not all(np.isfinite(of).all() for of in shown):
        return {"equal": False, "off": None}
    channels = (tuple(of[..., n] for of in shown) for n in range(ours.shape[-1]))
    return {"equal": False, "off": float(f"{max(_off(*of, step=step) for of in channels):.4g}")}


class _ChannelDifference(NamedTuple):
    """How far two channels are apart, by the root of the mean square: of all pixels, of the means
    of cells, where noise is lost and what has one sign is not, and of the pixels of each cell.
    """

    whole: float
    means: float
    cells: Array


def _off(ours: Array, theirs: Array, other: Array | None = None, *, step: float = 0.0) -> float:
    """The same of one channel. What is small is lost in the mean over all: so the worst cell
    counts, too. What is faint is lost in the noise: so the means of cells do.
    """
    scale = _bright(ours, theirs, percent=99 if other is None else 50)
    apart = _apart(ours, theirs, scale)
    if other is None:
        return max(apart.whole / GRAIN, float(apart.cells.max()) / GRAIN_CELL)
    noise, least = _apart(ours, other, scale), max(NOISE_LEAST, ROUNDING * step / scale)
    whole = max(noise.whole, least)
    # Where the other seed happens to be near ours is no less noise than elsewhere; the means of a
    # few cells are near by chance. What rounds otherwise may have one sign.
    means = max(noise.means, noise.whole * MEANS_LEAST, least)
    cells = np.maximum(noise.cells, whole)
    worst_cell = float((apart.cells / cells).max())
    return max(apart.whole / whole, apart.means / means, worst_cell / NOISE_CELL)


def _bright(ours: Array, theirs: Array, *, percent: int) -> float:
    """What counts as bright, so that nothing depends on how dark a scene is. What is black in ours
    is measured by theirs.
    """
    for of in (ours, theirs):
        if (of != 0).any():
            return float(np.percentile(np.abs(of[of != 0]), percent, overwrite_input=True))
    return 1.0


def _apart(one: Array, other: Array, scale: float) -> _ChannelDifference:
    """Some rows at a time: of a large picture no other copy is made. A cell that the edge cuts
    counts for no more than its pixels do.
    """
    sums, squares = list[Array](), list[Array]()
    for top in range(0, one.shape[0], BAND):
        first, second = (_seen(of[top : top + BAND] / np.float64(scale)) for of in (one, other))
        sums.append(_summed(first - second))
        squares.append(_summed((first - second) ** 2))
    means, cells = np.concatenate(sums) / CELL**2, np.concatenate(squares)
    whole = float(np.sqrt(cells.sum() / one.size))
    return _ChannelDifference(whole, float(np.sqrt(np.mean(means**2))), np.sqrt(cells) / CELL)


def _summed(of: Array) -> Array:
    """The sum of each cell."""
    rows, columns = (np.arange(0, side, CELL) for side in of.shape)
    return np.add.reduceat(np.add.reduceat(of, columns, 1), rows, 0)


def worst(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several comparisons the one that is farthest off."""
    return max(found, key=_badness)


def is_far(found: list[dict[str, Any]]) -> bool:
    """Whether one of them is another picture for certain."""
    return any(_badness(one) > FAR for one in found)


def _badness(one: dict[str, Any]) -> float:
    if one["equal"]:
        return -1.0
    return float("inf") if one["off"] is None else float(one["off"])


def _seen(light: Array) -> Array:
    """Light up to 1 as it is; above it the logarithm: a sun that differs must not be all that
    counts, nor be cut off and count for nothing. The same of what is negative, as positions are.
    """
    size = np.abs(light.astype(np.float64))
    return np.sign(light) * np.where(size <= 1.0, size, 1.0 + np.log(np.maximum(size, 1.0)))


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
