"""Comparison of a delivered picture with renders of other seeds, by exchangeability.

``ours`` are K renders of the same regions with K other seeds; ``theirs`` is the delivered picture.
An honest delivery is one of K + 1 exchangeable pictures, whatever the noise looks like. In each
cell, its chance to be the noisiest, the calmest or the farthest picture is 1 / (K + 1). Therefore
the comparison needs no model of the noise. Pictures are compared in cells of 8 by 8 pixels, after
the view transform. docs/COMPARISON.md derives the rule and lists what was measured.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any

CELL = 8  # side of a cell in pixels
CELLS_LEAST = 120  # minimum number of cells per look
NOISY_LEAST = 60  # minimum number of noisy cells per look
NOISE_LEAST = 1e-3  # root mean square, in units of white: a quarter of an 8-bit step
SEEDS_FIRST, SEEDS_SECOND = 3, 5

FEWER = 0.8  # a smaller share of effective samples is refused
SHARE_MORE = 0.22  # allowed excess over the share that chance gives
Z_MOST = 3.5
BIAS_LEAST = 0.02  # minimum distance of an outlier, as a share of a cell's brightness or contrast
TIMES_FARTHER = 4.0
FAR_LEAST, FAR_TIMES = 5, 3
CAP = 4.0  # limits the effect of a single firefly
SAMPLES_MOST = 100.0  # used instead of infinity if a picture has no noise

FEW_CELLS, FEW_NOISY = "few-cells", "few-noisy-cells"
OURS_NOT_FINITE, THEIRS_NOT_FINITE = "ours-not-finite", "theirs-not-finite"
OTHER_SHAPE = "other-shape"

ACCEPTED, REFUSED, UNSAID = "accepted", "refused", "unsaid"


class Exchangeability(NamedTuple):
    """Result of one comparison.

    ``seeds`` is K. ``cells``: number of cells. ``noisy``: number of cells in which a picture,
    perhaps the delivered one, is farther than NOISE_LEAST from the mean of the others; only these
    cells are evaluated. ``samples``: effective
    share of the samples. ``noisiest``, ``calmest``, ``softest`` and ``farthest``: share of cells in
    which the delivered picture is the noisiest, and so on. ``softer``: missing contrast of the
    median cell, as a share. ``bias``: median over the noisy cells of the delivered mean color's
    distance from ours, divided by the cell's brightness. ``far``: for each picture, the delivered
    picture first, the number of cells in which the picture is an outlier. ``reasons`` are the rules
    by which the delivered picture is refused; empty for an accepted picture. ``unsaid``: code of
    the reason why there is no decision.
    """

    seeds: int
    cells: int
    noisy: int = 0
    samples: float = 0.0
    noisiest: float = 0.0
    calmest: float = 0.0
    softest: float = 0.0
    softer: float = 0.0
    farthest: float = 0.0
    bias: float = 0.0
    far: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    unsaid: str | None = None

    @property
    def outcome(self) -> str:
        """Return ``accepted``, ``refused`` or ``unsaid``."""
        if self.unsaid is not None:
            return UNSAID
        return REFUSED if self.reasons else ACCEPTED


def cells_of(picture: Array) -> Array:
    """Cut a picture (height, width, channels) into cells (number, 64, channels), row by row.

    Incomplete cells are left out.
    """
    rows, columns, channels = picture.shape[0] // CELL, picture.shape[1] // CELL, picture.shape[2]
    whole = picture[: rows * CELL, : columns * CELL]
    parts = whole.reshape(rows, CELL, columns, CELL, channels).swapaxes(1, 2)
    return parts.reshape(rows * columns, CELL * CELL, channels)


def cells_in(regions: list[tuple[int, int, int, int]], pictures: list[Array]) -> Array:
    """Cut regions into cells (number, 64, channels). A cell in several regions appears once.

    Regions are [x, y, width, height] from the upper left corner, in multiples of a cell.
    ``pictures`` has a picture of each region, the lowest row first.
    """
    found = dict[tuple[int, int], Array]()
    for (x, y, width, height), picture in zip(regions, pictures, strict=True):
        columns, lowest = width // CELL, (y + height) // CELL - 1
        for number, cell in enumerate(cells_of(picture)):
            row, column = divmod(number, columns)
            found.setdefault((x // CELL + column, lowest - row), cell)
    return np.stack([found[place] for place in sorted(found)])


def compare(ours: Array, theirs: Array) -> Exchangeability:
    """Compare our cells (K, cells, 64, channels) with the delivered cells (cells, 64, channels)."""
    seeds, cells = ours.shape[0], theirs.shape[0]
    if seeds < 2 or ours.shape[1:] != theirs.shape:
        return Exchangeability(seeds, cells, unsaid=OTHER_SHAPE)
    if cells < CELLS_LEAST:
        return Exchangeability(seeds, cells, unsaid=FEW_CELLS)
    for of, code in ((ours, OURS_NOT_FINITE), (theirs, THEIRS_NOT_FINITE)):
        if not np.isfinite(of).all():
            return Exchangeability(seeds, cells, unsaid=code)
    every = np.concatenate([theirs[None], ours]).astype(np.float64)
    apart = every - (every.sum(0) - every) / seeds
    # Choose noisy cells by all pictures, the delivered one included, so that no single picture
    # decides which cells count.
    kept = (apart**2).mean((2, 3)).max(0) > NOISE_LEAST**2
    noisy = int(kept.sum())
    if noisy < NOISY_LEAST:
        return Exchangeability(seeds, cells, noisy, unsaid=FEW_NOISY)
    return judged(_measured(every[:, kept], apart[:, kept], cells))


def _measured(every: Array, apart: Array, cells: int) -> Exchangeability:
    """Compute the statistics of pictures (K + 1, cells, 64, channels) and their differences."""
    seeds, noisy = every.shape[0] - 1, every.shape[1]
    noise, shift = (_within_cell(apart) ** 2).sum((2, 3)), (apart.mean(2) ** 2).sum(-1)
    means, contrast = every.mean(2), _contrast(every)
    usual = np.maximum(contrast[1:].mean(0), NOISE_LEAST)
    return Exchangeability(
        seeds,
        cells,
        noisy,
        samples=_effective_samples(every[1:], every[0]),
        noisiest=_share_of_first(noise == noise.max(0)),
        calmest=_share_of_first(noise == noise.min(0)),
        softest=_share_of_first(contrast == contrast.min(0)),
        softer=float(np.median(1 - contrast[0] / usual)),
        farthest=_share_of_first(shift == shift.max(0)),
        bias=float(np.median(np.sqrt(shift[0]) / _brightness(means[1:].mean(0)))),
        far=tuple(int(_stands_apart(means, of).sum()) for of in range(seeds + 1)),
    )


def judged(look: Exchangeability) -> Exchangeability:
    """Return the result with ``reasons``, the rules by which the delivered picture is refused."""
    chance = 1 / (look.seeds + 1)

    def z(share: float) -> float:
        return float((share - chance) / np.sqrt(chance * (1 - chance) / look.noisy))

    def is_too_often(share: float) -> bool:
        return share > chance + SHARE_MORE and z(share) > Z_MOST

    rules: dict[str, Callable[[], bool]] = {
        "fewer-samples": lambda: look.samples < FEWER and z(look.noisiest) > Z_MOST,
        "smoothed": lambda: is_too_often(look.calmest),
        "softened": lambda: is_too_often(look.softest) and look.softer > BIAS_LEAST,
        "shifted": lambda: is_too_often(look.farthest) and look.bias > BIAS_LEAST,
        "changed": lambda: look.far[0] >= FAR_LEAST + FAR_TIMES * max(look.far[1:]),
    }
    return look._replace(reasons=tuple(name for name, applies in rules.items() if applies()))


def _within_cell(of: Array) -> Array:
    """Return each value minus the mean of its cell."""
    return of - of.mean(-2, keepdims=True)


def _contrast(every: Array) -> Array:
    """Return the root mean square difference between neighbouring pixels of each cell."""
    pixels = every.reshape(*every.shape[:2], CELL, CELL, every.shape[-1])
    squares = [(np.diff(pixels, axis=axis) ** 2).mean((2, 3, 4)) for axis in (2, 3)]
    return np.sqrt((squares[0] + squares[1]) / 2)


def _effective_samples(ours: Array, theirs: Array) -> float:
    """Return the share of the samples in the delivered picture, estimated from its noise.

    The share is 1 for an honest picture, 0.5 for half of the samples, and above 1 for a denoised
    picture. The noise of each cell is divided by the pooled noise, and capped.
    """
    seeds, mean = ours.shape[0], ours.mean(0)
    own = (_within_cell(ours - mean) ** 2).sum((0, 2, 3)) / (seeds - 1)
    other = (_within_cell(theirs - mean) ** 2).sum((1, 2))
    pool = (own * (seeds - 1) + other / (1 + 1 / seeds)) / seeds
    counted = pool > 0
    if not counted.any():
        return 1.0
    own, other, pool = own[counted], other[counted], pool[counted]
    ratio = np.minimum(other / pool, CAP * (1 + 1 / seeds)).mean()
    ratio /= max(np.minimum(own / pool, CAP).mean(), 1e-9)
    return float(1 / max(ratio - 1 / seeds, 1 / SAMPLES_MOST))


def _share_of_first(best: Array) -> float:
    """Return the share of cells in which the first picture is the best.

    Pictures that are equally good share a cell.
    """
    return float((best[0] / best.sum(0)).mean())


def _brightness(means: Array) -> Array:
    return np.maximum(np.sqrt((means**2).sum(-1)), NOISE_LEAST)


def _stands_apart(means: Array, of: int) -> Array:
    """Return the cells in which one picture is an outlier. ``means``: (pictures, cells, channels).

    An outlier is several times as far from the other values as any other value is from the rest.
    """
    others = np.delete(means, of, 0)
    middle = others.mean(0)
    far = np.sqrt(((means[of] - middle) ** 2).sum(-1))
    rest = (others.sum(0) - others) / (len(others) - 1)
    next_one = np.sqrt(((others - rest) ** 2).sum(-1)).max(0)
    least = np.maximum(BIAS_LEAST * _brightness(middle), NOISE_LEAST)
    return far > np.maximum(TIMES_FARTHER * next_one, least)
