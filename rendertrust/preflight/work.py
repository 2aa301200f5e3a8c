"""The work of frames, in whole microseconds of the machine that probed them, and what it costs.

What was measured becomes whole numbers here, once; from then on money follows by integers alone, so
whoever computes a price again, anywhere, gets the same one.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

import attrs

from rendertrust.preflight.price import MeasuredFrame, Probe

SECOND: Final = 1_000_000
LEAST: Final = SECOND // 1000  # no frame takes less


@attrs.frozen
class FrameWork:
    """The frames that were probed, ascending, and the microseconds of each."""

    frames: tuple[int, ...]
    microseconds: tuple[int, ...]

    def of(self, frame: int) -> int:
        """Microseconds of any frame: on the line between the two around it, rounded up; beyond
        them as the nearest.
        """
        at = bisect_left(self.frames, frame)
        if at in (0, len(self.frames)):
            return self.microseconds[min(at, len(self.frames) - 1)]
        first, last = self.frames[at - 1 : at + 1]
        before, after = self.microseconds[at - 1 : at + 1]
        return before + _up((after - before) * (frame - first), last - first)

    @property
    def most(self) -> int:
        """Of the dearest frame there may be."""
        return max(self.microseconds)

    def mended(self, percents: Mapping[int, int]) -> "FrameWork":
        """With frames that were found to take so many percent of this, as if they were probed."""
        found = dict(zip(self.frames, self.microseconds, strict=True))
        found |= {number: _up(self.of(number) * many, 100) for number, many in percents.items()}
        numbers = tuple(sorted(found))
        return FrameWork(numbers, tuple(found[number] for number in numbers))

    def seconds(self, frames: Iterable[int]) -> float:
        """Of all of them together."""
        return round(sum(map(self.of, frames)) / SECOND, 1)


def work_of(
    probe: Probe, *, width: int | None = None, height: int | None = None, samples: int | None = None
) -> FrameWork:
    """Of whole frames, at another size or number of samples if given."""
    pixels = (width or probe.width) * (height or probe.height)
    more = Fraction(pixels * (samples or probe.samples), max(probe.samples, 1))
    numbers = tuple(probed.frame for probed in probe.frames)
    return FrameWork(numbers, tuple(_microseconds(probed, more) for probed in probe.frames))


def _microseconds(probed: MeasuredFrame, more: Fraction) -> int:
    # As they are written in the report: 0.1 is a tenth, not the float next to it.
    seconds = Fraction(str(probed.base)) + Fraction(str(probed.pixel)) * more
    return max(_up(seconds.numerator * SECOND, seconds.denominator), LEAST)


def price_of(microseconds: int, price: int, seconds: int) -> int:
    """What so much work costs, in units of money, where ``price`` pays for so many seconds of it;
    rounded up, so that it is nothing only where ``price`` is.
    """
    return _up(price * microseconds, seconds * SECOND)


def _up(number: int, by: int) -> int:
    return -(-number // by)
