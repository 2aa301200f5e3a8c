"""Frame rates as people write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.frame_rate import FPS_MAX, FrameRateError, Rate, parse


@pytest.mark.parametrize(
    ("text", "fps", "base"),
    [
        ("24", 24, 1),
        ("25.0", 25, 1),
        ("23.976", 24000, 1001),
        ("23.98", 24000, 1001),
        ("29.97", 30000, 1001),
        ("59.94", 60, 1.001),
        ("24000/1001", 24000, 1001),
        (" 30000/1001 ", 30000, 1001),
        ("12.5", 25, 2),
        ("0.5", 1, 2),
        ("15", 15, 1),
    ],
)
def test_rate(text: str, fps: int, base: float) -> None:
    assert parse(text) == Rate(fps, base)


@pytest.mark.parametrize("text", ["", "fast", "0", "-24", "24/0", "1e9", "nan", "inf", "9" * 50])
def test_what_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(FrameRateError, match=r"write it like 24, 23\.976"):
        parse(text)


@given(st.integers(1, FPS_MAX), st.integers(1, 30))
def test_any_fraction_is_kept(fps: int, base: int) -> None:
    rate = parse(f"{fps}/{base}")
    assert Fraction(rate.fps) / Fraction(rate.base) == Fraction(fps, base)


def test_a_rate_is_shown_with_three_decimals() -> None:
    assert [str(parse(text)) for text in ("24", "23.976", "12.5", "100")] == [
        *("24", "23.976", "12.5", "100")
    ]
