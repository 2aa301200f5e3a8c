"""Distance of pictures: small edits count wherever they are, and rounding does not."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.worker.checks.image_comparison import (
    CELL,
    GRAIN_CELL,
    NOISE_CELL,
    compared,
    is_far,
)
from tests.support.examples import examples

MATCH, BETWEEN_CLASSES, MISMATCH = 0.1, 0.3, 0.5
LEVEL = 1 / 255
Pixels = Any
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(CELL, 80)


def shown(seed: int, height: int, width: int, *, top: float = 0.8) -> Pixels:
    """Return a smooth picture with a little noise, of shape (height, width, 3)."""
    random = np.random.default_rng(seed)
    slope = np.linspace(0.2, 0.6, width)[None, :, None] * np.linspace(0.6, 1, height)[:, None, None]
    noise = random.normal(0, 0.01, (height, width, 3))
    return np.clip(slope + noise, 0.01, top).astype(np.float32)


def off(ours: Pixels, theirs: Pixels, other: Pixels | None = None) -> float:
    found = compared(ours, theirs, other)
    return 0.0 if found["equal"] else float(found["off"])


def noisy(seed: int, picture: Pixels, size: float = 0.02) -> Pixels:
    random = np.random.default_rng(seed)
    return (picture + random.normal(0, size, picture.shape)).astype(np.float32)


def test_a_picture_is_not_apart_from_itself() -> None:
    picture = shown(1, 40, 50)
    assert compared(picture, picture.copy()) == {"equal": True, "off": None}


@examples(0.4)
@given(seeds, sides, sides, st.data())
def test_an_edit_counts_wherever_it_lies_and_however_large_the_picture(
    seed: int, height: int, width: int, data: st.DataObject
) -> None:
    ours = shown(seed, height, width)
    x, y = (data.draw(st.integers(0, side - CELL)) for side in (width, height))
    side, by = data.draw(st.integers(1, CELL)), data.draw(st.floats(0.05, 0.2))
    theirs = ours.copy()
    theirs[y : y + side, x : x + side] += by
    # The edit lies in at most four cells, so one cell has at least a quarter of the edit.
    least = by * side / CELL / 2 / GRAIN_CELL
    assert off(ours, theirs) >= least * 0.99 / float(ours.max())


@pytest.mark.parametrize("side", [64, 512, 1500])
def test_a_grey_corner_is_as_far_off_in_a_large_picture(side: int) -> None:
    ours = shown(1, side, side)
    theirs = ours.copy()
    theirs[:12, :12] = 0.5
    assert off(ours, theirs) > MISMATCH


@examples(0.4)
@given(seeds, sides, sides, st.integers(-20, 20), st.booleans())
def test_nothing_depends_on_how_dark_it_is(
    seed: int, height: int, width: int, power: int, by_noise: bool
) -> None:
    ours = shown(seed, height, width)
    theirs, other = noisy(seed + 1, ours, 1e-3), noisy(seed + 2, ours) if by_noise else None
    by = np.float32(2.0**power)
    darker = off(ours * by, theirs * by, None if other is None else other * by)
    assert darker == pytest.approx(off(ours, theirs, other), rel=1e-2)


@examples(0.4)
@given(seeds, sides, sides)
def test_theirs_is_as_far_from_ours_as_ours_from_theirs(seed: int, height: int, width: int) -> None:
    ours = shown(seed, height, width)
    theirs = noisy(seed + 1, ours, 2e-3)
    theirs[:5, :5] += 0.1
    assert off(ours, theirs) == pytest.approx(off(theirs, ours), rel=0.5)


@examples(0.4)
@given(seeds, sides, sides, st.floats(0, 0.01))
def test_values_that_round_otherwise_are_a_match_wherever_they_lie(
    seed: int, height: int, width: int, share: float
) -> None:
    """The test rounds one pixel in a hundred by one 8-bit level, twice as many as was observed."""
    ours = np.round(shown(seed, height, width) / LEVEL).astype(np.float32)
    random = np.random.default_rng(seed)
    count = int(share * height * width)  # in each channel
    one_channel = np.arange(height * width).reshape(height, width, 1) < count
    rounds = one_channel * random.choice([-1, 1], ours.shape)
    placed = random.permuted(random.permuted(rounds, axis=0), axis=1)
    for of in (rounds, placed):
        assert off(ours * np.float32(LEVEL), ((ours + of) * LEVEL).astype(np.float32)) < MATCH


@examples(0.4)
@given(seeds, sides, sides)
def test_what_is_well_below_the_noise_is_a_match(seed: int, height: int, width: int) -> None:
    ours = shown(seed, height, width)
    theirs, other = noisy(seed + 1, ours, 5e-4), noisy(seed + 2, ours, 0.02)
    assert off(ours, theirs, other) < MATCH


@examples(0.4)
@given(seeds, sides, sides, st.data())
def test_an_edit_stands_out_of_the_noise_around_it(
    seed: int, height: int, width: int, data: st.DataObject
) -> None:
    """A cell is compared with the noise in its own neighbourhood, not in the whole picture."""
    ours = shown(seed, height, width)
    other, theirs = noisy(seed + 1, ours, 0.02), ours.copy()
    x, y = (CELL * data.draw(st.integers(0, side // CELL - 1)) for side in (width, height))
    times = data.draw(st.floats(1, 4))
    theirs[y : y + CELL, x : x + CELL] += 0.02 * times
    assert off(ours, theirs, other) > max(times / NOISE_CELL / 2, MATCH)


@examples(0.4)
@given(seeds, sides, sides)
def test_what_is_faint_and_large_stands_out_of_the_noise(
    seed: int, height: int, width: int
) -> None:
    """The edit is like a watermark with a fifth of the noise's strength."""
    ours = shown(seed, height, width)
    other, theirs = noisy(seed + 1, ours, 0.1), ours.copy()
    theirs[:, : width // 2] += 0.02
    assert off(ours, theirs, other) > MATCH


@pytest.mark.parametrize("by", [1e-6, 9e-6])
def test_what_has_no_noise_may_be_rounded_up_everywhere(by: float) -> None:
    ours = np.full((40, 40, 1), 0.5, np.float32)
    assert off(ours, ours * np.float32(1 + by), ours) <= MATCH


def test_a_pixel_that_rounds_to_another_step_is_no_other_picture_where_there_is_no_noise() -> None:
    """Another machine may round a pixel of a flat 8-bit region differently."""
    ours = np.full((32, 32, 3), 0.5, np.float32)
    theirs = ours.copy()
    theirs[3, 4] += 1 / 255
    alone, stepped = (compared(ours, theirs, ours, step=step)["off"] for step in (0.0, 1 / 255))
    assert alone > 1 > BETWEEN_CLASSES > stepped
    theirs[:, :] += 4 / 255
    assert compared(ours, theirs, ours, step=1 / 255)["off"] > 1


def test_cells_that_the_edge_cuts_count_their_pixels() -> None:
    """A changed pixel in a cell that the edge cuts to one pixel counts as much as elsewhere."""
    ours = np.full((CELL * 20 + 1, CELL * 20 + 1, 1), 0.5, np.float32)
    within, edge = ours.copy(), ours.copy()
    within[3, 3] -= 0.2
    edge[-1, -1] -= 0.2
    assert off(ours, within) == off(ours, edge) > MATCH


def test_what_is_none_has_no_number() -> None:
    ours = shown(1, 20, 20)
    theirs = ours.copy()
    theirs[0, 0] = np.nan
    assert compared(ours, theirs) == {"equal": False, "off": None}
    assert compared(ours, theirs[:10]) == {"equal": False, "off": None}


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-45])
@pytest.mark.parametrize("brightness", [1.0, 1e-30, 0.0])
def test_evidence_of_extreme_values_is_far_off_by_a_number_that_can_be_reported(
    value: float, brightness: float
) -> None:
    """With NumPy 1, values near the largest float32 became infinite in the comparison."""
    ours = shown(1, 64, 64) * np.float32(brightness) + np.float32(1e-44)
    other, theirs = noisy(2, ours, 0.02 * brightness), np.full_like(ours, value)
    for noise in (other, None):
        found = compared(ours, theirs, noise)
        assert is_far([found]), found
        json.dumps(found, allow_nan=False)
