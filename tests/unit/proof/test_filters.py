"""Removing the filters of PNG 1.2 restores the rows of a picture exactly."""

import hypothesis.strategies as st
from hypothesis import given

from rendertrust.node.worker.formats.png import _unfiltered  # pyright: ignore[reportPrivateUsage]

STEPS = (1, 2, 3, 4, 6, 8)


def predicted(kind: int, row: bytes, above: bytes, step: int, place: int) -> int:
    """Return what a filter subtracts from one byte (PNG 1.2, 6.2 to 6.6)."""
    left, corner = (of[place - step] if place >= step else 0 for of in (row, above))
    over = above[place]
    guess = left + over - corner
    paeth = min((left, over, corner), key=lambda one: abs(guess - one))
    return (0, left, over, (left + over) // 2, paeth)[kind]


@st.composite
def rows(draw: st.DrawFn) -> tuple[int, bytes, bytes]:
    step, pixels = draw(st.sampled_from(STEPS)), draw(st.integers(1, 40))
    length = step * pixels
    row, above = (draw(st.binary(min_size=length, max_size=length)) for _ in range(2))
    return step, row, above


@given(rows(), st.integers(0, 4))
def test_a_row_is_what_it_was_before_its_filter(of: tuple[int, bytes, bytes], kind: int) -> None:
    step, row, above = of
    filtered = bytearray(
        value - predicted(kind, row, above, step, place) & 255 for place, value in enumerate(row)
    )
    assert _unfiltered(kind, filtered, above, step) == row
