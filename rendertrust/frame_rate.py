"""Frame rates as Blender stores them: a whole number divided by a base.

    parse("24")           24 / 1
    parse("23.976")       24000 / 1001
    parse("30000/1001")   30000 / 1001
    parse("12.5")         25 / 2

The rounded broadcast rates 29.97, 59.94 and so on are read like 23.976.
"""

import math
from fractions import Fraction
from typing import Final

import attrs

FPS_MAX: Final = 32_767  # Blender's own limit
BASE_MAX: Final = 100_000
HOW: Final = "write it like 24, 23.976, 29.97 or 24000/1001"
_TELEVISION: Final = Fraction(1000, 1001)
_NEAR: Final = 0.005  # frames a second; 23.98 and 23.976 both mean 24000/1001
_CHARACTERS_MAX: Final = 40


class FrameRateError(ValueError):
    """The frame rate is invalid; the message says what to write instead."""


@attrs.frozen
class Rate:
    """``fps`` / ``base`` frames a second."""

    fps: int
    base: float = 1

    def __str__(self) -> str:
        """``24``, or ``23.976``."""
        return f"{self.fps / self.base:.3f}".rstrip("0").rstrip(".")


def parse(text: str) -> Rate:
    """Return the rate that ``text`` names. Raises FrameRateError."""
    try:
        said = Fraction(text.strip()) if len(text) <= _CHARACTERS_MAX else None
    except (ValueError, ZeroDivisionError):
        said = None
    if said is None:
        raise FrameRateError(f"{text[:_CHARACTERS_MAX]!r} is not a frame rate; {HOW}")
    if not Fraction(1, 1000) <= said <= FPS_MAX:
        raise FrameRateError(f"{text.strip()}: frames a second go from 0.001 to {FPS_MAX}; {HOW}")
    return _rate(said if "/" in text else _of_television(said))


def _of_television(said: Fraction) -> Fraction:
    """Return the broadcast rate that an abbreviation like 23.976 stands for."""
    whole = Fraction(math.ceil(said))
    near = whole * _TELEVISION
    is_meant = said.denominator > 1 and abs(said - near) < _NEAR and abs(whole - said) > _NEAR
    return near if is_meant else said


def _rate(said: Fraction) -> Rate:
    near = said.limit_denominator(BASE_MAX)
    if near.numerator <= FPS_MAX:
        return Rate(near.numerator, near.denominator)
    fps = max(round(said), 1)
    return Rate(fps, round(float(fps / said), 9))
