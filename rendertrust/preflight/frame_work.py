"""Work and price of frames, in whole microseconds of the machine that probed the frames.

Measurements are converted to whole numbers. All further computation of prices uses only integers,
because integers give the same prices on every machine. Frames that no machine has probed are priced
by their size and samples, relative to a reference frame.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

import attrs

from rendertrust.inference.row_plan import RowPlan
from rendertrust.preflight.frame_probe import MeasuredFrame, Probe

SECOND: Final = 1_000_000
LEAST: Final = SECOND // 1000  # microseconds, the minimum for a frame


@attrs.frozen
class FrameWork:
    """The probed frames, ascending, and the microseconds of each frame."""

    frames: tuple[int, ...]
    microseconds: tuple[int, ...]

    def of(self, frame: int) -> int:
        """Return the microseconds of a frame, interpolated between probed frames and rounded up.

        Beyond the ends, return the microseconds of the nearest probed frame.
        """
        at = bisect_left(self.frames, frame)
        if at in (0, len(self.frames)):
            return self.microseconds[min(at, len(self.frames) - 1)]
        first, last = self.frames[at - 1 : at + 1]
        before, after = self.microseconds[at - 1 : at + 1]
        return before + _up((after - before) * (frame - first), last - first)

    @property
    def most(self) -> int:
        """Return the microseconds of the dearest frame."""
        return max(self.microseconds)

    def mended(self, percents: Mapping[int, int]) -> "FrameWork":
        """Return the work, corrected by frames that took ``percents`` of the estimated time."""
        found = dict(zip(self.frames, self.microseconds, strict=True))
        found |= {number: _up(self.of(number) * many, 100) for number, many in percents.items()}
        numbers = tuple(sorted(found))
        return FrameWork(numbers, tuple(found[number] for number in numbers))

    def seconds(self, frames: Iterable[int]) -> float:
        """Return the total seconds of all frames."""
        return round(sum(map(self.of, frames)) / SECOND, 1)


@attrs.frozen
class ReferenceFrame:
    """The frame that the price in the price table pays for, and the ``seconds`` of its work.

    ``base_percent``: the part of its work that does not depend on pixels and samples, such as
    opening the scene.
    """

    width: int
    height: int
    samples: int
    seconds: int
    base_percent: int

    def microseconds(self, width: int, height: int, samples: int) -> int:
        """Return the work that a frame of this size is assumed to take, rounded up.

        The work grows with the number of pixels times the samples per pixel.
        """
        own, base = self.width * self.height * self.samples, self.base_percent
        share = base * own + (100 - base) * width * height * samples
        return max(_up(self.seconds * SECOND * share, 100 * own), LEAST)

    def price(self, price: int, width: int, height: int, samples: int, frames: int = 1) -> int:
        """Return the cost of frames of this size; ``price`` is that of a reference frame."""
        return frames * price_of(self.microseconds(width, height, samples), price, self.seconds)


def work_of(
    probe: Probe, *, width: int | None = None, height: int | None = None, samples: int | None = None
) -> FrameWork:
    """Return the work of whole frames, at another size or number of samples if given."""
    pixels = (width or probe.width) * (height or probe.height)
    share = Fraction(samples or probe.samples, max(probe.samples, 1))
    numbers = tuple(probed.frame for probed in probe.frames)
    return FrameWork(numbers, tuple(_microseconds(one, pixels, share) for one in probe.frames))


def work_of_rows(rows: RowPlan, start: float, row: float) -> FrameWork:
    """Return the work of the units of a job of rows, by the seconds to load the model (``start``)
    and of a ``row``.
    """
    numbers = tuple(sorted({1, max(rows.units - 1, 1), rows.units}))
    begun, each = Fraction(str(start)), Fraction(str(row))
    seconds = [begun + each * rows.rows_of(number) for number in numbers]
    work = (max(_up(of.numerator * SECOND, of.denominator), LEAST) for of in seconds)
    return FrameWork(numbers, tuple(work))


def _microseconds(probed: MeasuredFrame, pixels: int, share: Fraction) -> int:
    # Fractions are made from decimal texts: the text 0.1 is exactly a tenth, unlike the float.
    each = Fraction(str(probed.flat)) + Fraction(str(probed.pixel)) * share
    seconds = Fraction(str(probed.base)) + Fraction(str(probed.sample)) * share + each * pixels
    return max(_up(seconds.numerator * SECOND, seconds.denominator), LEAST)


def price_of(microseconds: int, price: int, seconds: int) -> int:
    """Return the cost of ``microseconds`` of work, in units of 1/10,000 credit like ``price``.

    ``price`` pays for ``seconds`` of work. The cost is rounded up, and is therefore 0 only if
    ``price`` is 0.
    """
    return _up(price * microseconds, seconds * SECOND)


def _up(number: int, by: int) -> int:
    return -(-number // by)
