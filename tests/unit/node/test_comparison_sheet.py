"""The side-by-side picture of a comparison: its file, sizes and difference column."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rendertrust.node.worker.checks.comparison_sheet import (
    AMPLIFIED_MOST,
    BAD,
    GAP,
    GOOD,
    HIGH,
    LINE,
    WIDE,
    WIDE_LEAST,
    MarkedRegion,
    PicturePair,
    amplification,
    on_screen,
    png,
    scaled,
    write,
)
from tests.support.examples import examples

GREY = np.full((36, 64, 3), 0.5, np.float32)


def read(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_file_is_a_png_of_these_pixels() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


@examples(0.4)
@given(st.integers(1, 1500), st.integers(1, 1500))
def test_no_frame_is_too_large_for_a_column_and_no_small_one_stays_small(
    width: int, height: int
) -> None:
    found, share = scaled(np.zeros((height, width, 3), np.float32))
    high, wide = found.shape[:2]
    assert wide <= WIDE
    assert high <= max(HIGH, height if share >= 1 else 0)
    if width <= WIDE and height <= HIGH // 10:
        assert wide >= min(WIDE_LEAST, width * (HIGH // height))
    assert wide >= int(width * share)


def test_a_small_mark_is_not_lost_where_a_frame_is_made_smaller() -> None:
    apart = np.zeros((720, 2560, 3), np.float32)
    apart[100, 200] = 1.0
    assert scaled(apart, is_apart=True)[0].max() == 1.0


@examples(2)
@given(st.floats(1e-6, 1.0))
def test_a_difference_is_amplified_by_a_power_of_two_until_it_is_seen(most: float) -> None:
    factor = amplification(np.array([[0.0, most]]))
    assert factor.bit_count() == 1
    assert factor <= AMPLIFIED_MOST
    assert factor == AMPLIFIED_MOST or most * factor > 0.35
    assert factor == 1 or most * factor <= 0.7


def test_what_is_transparent_shows_what_lies_behind_and_light_becomes_what_a_screen_is_given() -> (
    None
):
    clear = np.zeros((1, 1, 4), np.float32)
    assert on_screen(clear, is_linear=False)[0, 0, 0] == pytest.approx(0.18)
    light = np.array([[[0.214, 0.214, 0.214, 1.0]]], np.float32)
    assert on_screen(light, is_linear=True)[0, 0, 0] == pytest.approx(0.5, abs=0.002)


def test_three_columns_show_both_and_their_difference(tmp_path: Path) -> None:
    ours = GREY.copy()
    ours[:18, :32] += 0.1  # the lower left quarter, as the first row is the lowest
    marks = [
        MarkedRegion((0, 18, 32, 18), True, "far"),
        MarkedRegion((40, 4, 8, 8), False, "equal"),
    ]
    pair = PicturePair(GREY, ours, is_linear=False, is_whole=False)
    assert write(str(tmp_path / "shown.png"), pair, marks) == 4
    shown = read(tmp_path / "shown.png")
    wide, high = 64 * 5, 36 * 5
    assert shown.shape[1] == 3 * wide + 4 * GAP
    columns = [GAP + number * (wide + GAP) for number in range(3)]
    top = GAP + LINE
    at = (top + high // 2 + 60, 100)  # in the quarter that differs
    assert [int(shown[at[0], column + at[1], 0]) for column in columns] == [128, 153, 102]
    outside = (top + 5, 5)
    assert [int(shown[outside[0], column + outside[1], 0]) for column in columns] == [128, 32, 0]
    colours = {tuple(map(int, pixel)) for pixel in shown[top : top + high].reshape(-1, 3)}
    assert {GOOD, BAD} <= colours


def test_a_frame_that_is_equal_has_no_second_row(tmp_path: Path) -> None:
    pair = PicturePair(GREY, GREY, is_linear=False, is_whole=True)
    assert write(str(tmp_path / "shown.png"), pair, []) == 1
    assert read(tmp_path / "shown.png").shape[0] == 36 * 5 + LINE + 2 * GAP
