"""Checks of EEVEE frames, which compare whole frames at the nearest number of samples."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.worker.checks.eevee_check import (
    ACCEPTED,
    APART_MOST,
    EXACT,
    FAR,
    FEWER_SAMPLES,
    NO_NUMBERS,
    OTHER_DETAIL,
    REFUSED,
    UNSAID,
    alikeness,
    distance,
    numbers_of,
    outcome,
    together,
)

Array = Any
APART = st.floats(0, 1)


def stepped_picture(samples: int, driver: float = 0.0) -> Array:
    """Return a picture whose edges depend on the samples; ``driver`` shifts all values slightly."""
    ramp = np.linspace(0, 1, 64 * 36).reshape(36, 64, 1) * np.ones(3)
    return np.floor(ramp * samples) / samples + driver


def distances(theirs: Array, samples: int = 16) -> list[float | None]:
    return [
        distance(stepped_picture(of), theirs) for of in (samples, samples * 3 // 4, samples // 2)
    ]


def test_another_driver_with_as_many_samples_is_accepted() -> None:
    assert outcome(distances(stepped_picture(16, 0.004))) == (ACCEPTED, [])


@pytest.mark.parametrize("samples", [12, 10, 8, 4])
def test_fewer_samples_are_refused(samples: int) -> None:
    said, codes = outcome(distances(stepped_picture(samples, 0.004)))
    assert said == REFUSED
    assert codes


def test_the_code_says_that_fewer_samples_are_nearer() -> None:
    assert outcome([0.002, 0.001, 0.003]) == (REFUSED, [FEWER_SAMPLES])
    assert outcome([0.04, 0.05, 0.06]) == (REFUSED, [FAR])


def test_another_picture_is_refused_though_it_is_the_nearest() -> None:
    theirs = stepped_picture(16)[::-1] * 0.999
    found = distances(theirs)
    assert found[0] is not None
    assert found[0] > APART_MOST
    said, codes = outcome(found)
    assert said == REFUSED
    assert FAR in codes


def test_of_few_samples_there_are_fewer_to_compare_with() -> None:
    assert [numbers_of(samples) for samples in (16, 4, 3, 2, 1)] == [
        *([16, 12, 8], [4, 3, 2], [3, 2], [2, 1], [1])
    ]
    assert outcome([0.01, 0.02]) == (ACCEPTED, [])
    assert outcome([0.02, 0.01]) == (REFUSED, [FEWER_SAMPLES])
    assert outcome([0.01]) == (ACCEPTED, [])
    assert outcome([0.04]) == (REFUSED, [FAR])


@given(st.integers(1, 1 << 24))
def test_the_scenes_own_number_comes_first_and_no_other_is_as_large(samples: int) -> None:
    first, *fewer = numbers_of(samples)
    assert first == samples
    assert all(1 <= number < samples for number in fewer)
    assert bool(fewer) == (samples > 1)


def test_pictures_of_another_shape_say_nothing() -> None:
    assert outcome(distances(stepped_picture(16)[:, :-1])) == (UNSAID, [NO_NUMBERS])
    assert distance(np.zeros((0, 0, 3)), np.zeros((0, 0, 3))) is None
    assert outcome([]) == (UNSAID, [NO_NUMBERS])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_compared_as_it_is_shown(value: float) -> None:
    """A scene may produce pixels that are no numbers, and a node may write such pixels."""
    ours, theirs = stepped_picture(16), stepped_picture(16)
    ours[3, 4, 1] = theirs[3, 4, 1] = value
    assert distance(ours, theirs) == 0.0
    assert outcome(distances(np.full_like(ours, value)))[0] == REFUSED


def test_colours_that_nobody_sees_do_not_matter() -> None:
    ours, theirs = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    theirs[..., :3] = 1.0
    assert distance(ours, theirs) == 0.0


@given(st.lists(APART, min_size=3, max_size=3))
def test_only_the_nearest_and_near_is_accepted(far: list[float]) -> None:
    found, codes = outcome(list(far))
    assert (found == ACCEPTED) == (not codes)
    assert (found == ACCEPTED) == (far[0] <= min(far[1:]) and far[0] <= APART_MOST)


@given(st.lists(st.sampled_from((EXACT, ACCEPTED, UNSAID, REFUSED)), min_size=1, max_size=9))
def test_of_a_chunk_the_worst_frame_counts(outcomes: list[str]) -> None:
    found = together([{"outcome": one} for one in outcomes])["outcome"]
    worst = (EXACT, ACCEPTED, UNSAID, REFUSED)
    assert worst.index(found) == max(map(worst.index, outcomes))


def enlarged(picture: Array) -> Array:
    """Return the picture as if it had been drawn at half width and height, and enlarged."""
    height, width, channels = picture.shape
    small = picture.reshape(height // 2, 2, width // 2, 2, channels).mean((1, 3))
    large = small.repeat(2, 0).repeat(2, 1)
    return (large + np.roll(large, 1, 0) + np.roll(large, 1, 1)) / 3


def test_an_enlarged_frame_lacks_the_detail_though_it_is_near() -> None:
    random = np.random.default_rng(1)
    ours = np.clip(stepped_picture(16) + random.normal(0, 0.02, (36, 64, 1)), 0, 1)
    theirs = enlarged(ours)
    assert outcome([distance(ours, theirs), 0.1, 0.1], alikeness(ours, theirs)) == (
        REFUSED,
        [OTHER_DETAIL],
    )
    rounded = np.clip(ours + random.integers(-1, 2, ours.shape) / 255, 0, 1)
    assert alikeness(ours, rounded) > 0.95
    assert alikeness(np.zeros_like(ours), rounded) == 1.0
    assert alikeness(ours, np.zeros_like(ours)) == 0.0
