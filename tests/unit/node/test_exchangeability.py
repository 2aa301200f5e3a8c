"""Comparison with renders of other seeds: honest results pass with any noise, lies do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.worker.checks import exchangeability
from rendertrust.node.worker.checks.exchangeability import (
    ACCEPTED,
    CELLS_LEAST,
    REFUSED,
    UNSAID,
    Exchangeability,
    compare,
)
from tests.support.examples import chosen, examples

Array = Any
Law = Callable[[Any, tuple[int, ...]], Array]
CELLS = 144
SEEDS = st.integers(0, 2**32)


def normal(chance: Any, shape: tuple[int, ...]) -> Array:
    return 0.3 + 0.05 * chance.standard_normal(shape)


def calm(chance: Any, shape: tuple[int, ...]) -> Array:
    return 0.3 + 0.005 * chance.standard_normal(shape)


def exponential(chance: Any, shape: tuple[int, ...]) -> Array:
    return chance.exponential(0.2, shape)


def heavy(chance: Any, shape: tuple[int, ...]) -> Array:
    """Return noise without a finite variance, clipped at white."""
    return np.clip(0.1 * chance.pareto(1.1, shape), 0, 1)


def rare(chance: Any, shape: tuple[int, ...]) -> Array:
    """Return rare white pixels on black, so that many cells of two pictures are equal."""
    return np.where(chance.random((*shape[:-1], 1)) < 0.01, 1.0, 0.0) * np.ones(shape)


def bursts(chance: Any, shape: tuple[int, ...]) -> Array:
    """Return slight noise in which some whole cells are brighter."""
    burst = chance.random((*shape[:-2], 1, 1)) < 0.05
    return 0.3 + 0.01 * chance.standard_normal(shape) + 0.3 * burst


def coarse(chance: Any, shape: tuple[int, ...]) -> Array:
    """Return noise of one step of 8-bit values."""
    return np.round(255 * (0.3 + 0.003 * chance.standard_normal(shape))) / 255


LAWS = (normal, exponential, heavy, rare, bursts, coarse)


def pictures(law: Law, seed: int, seeds: int = 3) -> tuple[Array, Array]:
    """Return our renders and a delivery, which are exchangeable and show a scene."""
    chance = np.random.default_rng(seed)
    scene = 0.2 * chance.random((CELLS, 64, 3)) if law is not rare else 0.0
    found = scene + law(chance, (seeds + 1, CELLS, 64, 3))
    return found[1:], found[0]


def looks(law: Law, seed: int) -> list[Exchangeability]:
    """Return both comparisons of an honest delivery."""
    return [compare(*pictures(law, seed + n, seeds)) for n, seeds in enumerate((3, 5))]


def both_refuse(found: list[Exchangeability]) -> bool:
    return all(look.outcome == REFUSED for look in found)


def averaged(law: Law, seed: int, samples: tuple[int, int]) -> tuple[Array, Array]:
    """Return our renders with the first number of samples, and a delivery with the second."""
    chance = np.random.default_rng(seed)
    scene, (ours, theirs) = 0.2 * chance.random((CELLS, 64, 3)), samples
    many = law(chance, (3, ours, CELLS, 64, 3)).mean(1)
    return scene + many, scene + law(chance, (theirs, CELLS, 64, 3)).mean(0)


@pytest.mark.parametrize("law", LAWS)
def test_an_honest_delivery_is_seldom_refused(law: Law) -> None:
    found = [looks(law, seed) for seed in range(0, chosen(day=40, night=2000), 2)]
    assert all(first.unsaid is None for first, _ in found)
    assert sum(first.outcome == REFUSED for first, _ in found) <= chosen(day=0, night=3)
    assert not any(map(both_refuse, found))


@examples(0.4)
@given(law=st.sampled_from(LAWS), seed=SEEDS)
def test_no_honest_delivery_is_refused_twice(law: Law, seed: int) -> None:
    assert not both_refuse(looks(law, seed))


@pytest.mark.parametrize("law", LAWS[:3])
def test_chances_are_those_of_one_among_all(law: Law) -> None:
    found = [compare(*pictures(law, seed, 4)) for seed in range(6)]
    for of in ("noisiest", "calmest", "softest", "farthest"):
        assert np.mean([getattr(look, of) for look in found]) == pytest.approx(0.2, abs=0.06)
    assert np.mean([look.samples for look in found]) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("law", [normal, exponential])
def test_half_the_samples_are_refused(law: Law) -> None:
    look = compare(*averaged(law, 1, (4, 2)))
    assert "fewer-samples" in look.reasons
    assert look.samples == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("law", [normal, exponential])
def test_more_samples_than_it_has_say_that_it_is_denoised(law: Law) -> None:
    look = compare(*averaged(law, 1, (1, 6)))
    assert "smoothed" in look.reasons
    assert look.samples > 3


def test_a_blurred_picture_is_refused() -> None:
    ours, theirs = pictures(normal, 3)
    look = compare(ours, np.broadcast_to(theirs.mean(1, keepdims=True), theirs.shape))
    assert look.outcome == REFUSED


def test_a_blur_is_refused_where_the_detail_that_it_takes_is_as_much_as_the_noise() -> None:
    """A blur that takes as much detail as there is noise makes the delivery as noisy as our
    renders.
    """
    chance = np.random.default_rng(13)
    scene = np.cumsum(chance.normal(0, 0.02, (CELLS, 8, 8, 3)), 2)
    every = scene + chance.normal(0, 0.0075, (4, CELLS, 8, 8, 3))
    blurred = scene.copy()
    blurred[:, :, 1:-1] = (scene[:, :, :-2] + scene[:, :, 1:-1] + scene[:, :, 2:]) / 3
    ours, theirs = every[1:].reshape(3, CELLS, 64, 3), blurred.reshape(CELLS, 64, 3)
    look = compare(ours, theirs)
    assert look.softest > 0.9
    assert look.softer > 0.05
    assert look.reasons == ("softened",)


def test_a_little_less_contrast_is_within_the_guard() -> None:
    ours, theirs = pictures(calm, 14)
    mean = theirs.mean(1, keepdims=True)
    look = compare(ours, mean + 0.99 * (theirs - mean))
    assert (look.outcome, look.softest > 0.5) == (ACCEPTED, True)


def test_another_brightness_is_refused_beyond_the_guard() -> None:
    ours, theirs = pictures(calm, 4)
    assert "shifted" in compare(ours, 1.05 * theirs).reasons
    guarded = compare(ours, 1.012 * theirs)
    assert (guarded.outcome, guarded.farthest > 0.5) == (ACCEPTED, True)


@pytest.mark.parametrize("seeds", [3, 5])
def test_what_moved_in_a_few_cells_is_refused(seeds: int) -> None:
    """The moved cells are a small part of all cells."""
    ours, theirs = pictures(normal, 5, seeds)
    theirs[:14] += 0.3
    look = compare(ours, theirs)
    assert look.reasons == ("changed",)
    assert look.far[0] > 10


def test_what_is_drawn_over_cells_without_noise_is_refused() -> None:
    ours, theirs = pictures(normal, 6)
    ours[:, :60], theirs[:60] = 0.5, 0.5
    assert compare(ours, theirs).outcome == ACCEPTED
    theirs[:12] = 0.7
    assert "changed" in compare(ours, theirs).reasons


def test_a_black_picture_is_refused_where_ours_are_not() -> None:
    ours, theirs = pictures(normal, 7)
    assert compare(ours, np.zeros_like(theirs)).outcome == REFUSED


def test_cells_without_noise_are_left_out() -> None:
    ours, theirs = pictures(exponential, 8)
    plain = np.full((4, 50, 64, 3), 0.4)
    more = compare(np.concatenate([ours, plain[1:]], 1), np.concatenate([theirs, plain[0]], 0))
    look = compare(ours, theirs)
    assert (more.cells, more.noisy) == (CELLS + 50, CELLS)
    assert more._replace(cells=CELLS) == look


def test_rounding_below_what_is_seen_is_no_difference() -> None:
    """Where there is no noise, any tiny difference would count as the largest."""
    ours, theirs = pictures(normal, 9)
    ours[:, :60], theirs[:60] = 0.5, 0.5
    rounded = np.random.default_rng(1).normal(0, 2e-4, theirs.shape) + 2e-4
    assert compare(ours, theirs + rounded).outcome == ACCEPTED


@given(seed=SEEDS, law=st.sampled_from(LAWS))
@examples(0.4)
def test_order_says_nothing(seed: int, law: Law) -> None:
    ours, theirs = pictures(law, seed)
    chance = np.random.default_rng(seed + 1)
    look = compare(ours, theirs)
    cells, seeds = chance.permutation(CELLS), chance.permutation(3)
    moved = compare(ours[seeds][:, cells], theirs[cells])
    assert moved.far[0] == look.far[0]
    assert sorted(moved.far[1:]) == sorted(look.far[1:])
    assert (moved.reasons, moved.unsaid, moved.noisy) == (look.reasons, look.unsaid, look.noisy)
    for of in ("samples", "noisiest", "calmest", "softest", "softer", "farthest", "bias"):
        assert getattr(moved, of) == pytest.approx(getattr(look, of), rel=1e-6, abs=0.02)


def test_each_picture_is_as_good_as_another() -> None:
    """Each of the exchangeable pictures is accepted when it plays the part of the delivery."""
    ours, theirs = pictures(heavy, 10)
    every = np.concatenate([theirs[None], ours])
    for number in range(4):
        assert compare(np.delete(every, number, 0), every[number]).outcome == ACCEPTED


def _with(value: float, *, ours: bool) -> tuple[Array, Array]:
    both = pictures(normal, 11)
    (both[0][1] if ours else both[1])[3, 5, 1] = value
    return both


DEGENERATE = {
    "all black": (
        (np.zeros((3, CELLS, 64, 3)), np.zeros((CELLS, 64, 3))),
        exchangeability.FEW_NOISY,
    ),
    "one colour": (
        (np.full((3, CELLS, 64, 3), 0.5), np.full((CELLS, 64, 3), 0.5)),
        exchangeability.FEW_NOISY,
    ),
    "NaN of ours": (_with(np.nan, ours=True), exchangeability.OURS_NOT_FINITE),
    "NaN of theirs": (_with(np.nan, ours=False), exchangeability.THEIRS_NOT_FINITE),
    "infinite": (_with(np.inf, ours=False), exchangeability.THEIRS_NOT_FINITE),
    "other channels": (
        (np.zeros((3, CELLS, 64, 3)), np.zeros((CELLS, 64, 4))),
        exchangeability.OTHER_SHAPE,
    ),
    "one seed": (pictures(normal, 12, 1), exchangeability.OTHER_SHAPE),
    "few cells": (
        (np.zeros((3, CELLS_LEAST - 1, 64, 3)), np.zeros((CELLS_LEAST - 1, 64, 3))),
        exchangeability.FEW_CELLS,
    ),
    "none": ((np.zeros((3, 0, 64, 3)), np.zeros((0, 64, 3))), exchangeability.FEW_CELLS),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_where_nothing_can_be_said_it_says_why(name: str) -> None:
    both, code = DEGENERATE[name]
    look = compare(*both)
    assert (look.outcome, look.unsaid, look.reasons) == (UNSAID, code, ())


def test_cells_of_regions_that_overlap_are_cut_once() -> None:
    """Picture rows start at the bottom, while regions count from the top."""
    frame = np.arange(24 * 32, dtype=float).reshape(24, 32, 1)
    regions = [(0, 0, 16, 16), (8, 8, 24, 16)]
    parts = [frame[24 - y - h : 24 - y, x : x + w] for x, y, w, h in regions]
    found = exchangeability.cells_in(regions, parts)
    assert found.shape == (4 + 6 - 1, 64, 1)
    expected = {tuple(cell.ravel()) for cell in exchangeability.cells_of(frame)}
    assert {tuple(cell.ravel()) for cell in found} < expected
    assert len({tuple(cell.ravel()) for cell in found}) == 9
