"""Frames that EEVEE drew: the nearest number of samples, by whole frames."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.inside.raster import (
    ACCEPTED,
    APART_MOST,
    REFUSED,
    UNSAID,
    distance,
    outcome,
)

Array = Any
FAR = st.floats(0, 1)


def frame(samples: int, driver: float = 0.0) -> Array:
    """A picture whose edges depend on the number of samples, by a driver that rounds its way."""
    ramp = np.linspace(0, 1, 64 * 36).reshape(36, 64, 1) * np.ones(3)
    return np.floor(ramp * samples) / samples + driver


def distances(theirs: Array, samples: int = 16) -> list[float | None]:
    return [distance(frame(of), theirs) for of in (samples, samples * 3 // 4, samples // 2)]


def test_another_driver_with_as_many_samples_is_accepted() -> None:
    assert outcome(distances(frame(16, 0.004))) == ACCEPTED


@pytest.mark.parametrize("samples", [12, 10, 8, 4])
def test_fewer_samples_are_refused(samples: int) -> None:
    assert outcome(distances(frame(samples, 0.004))) == REFUSED


def test_another_picture_is_refused_though_it_is_the_nearest() -> None:
    theirs = frame(16)[::-1]
    found = distances(theirs)
    assert found[0] is not None
    assert found[0] > APART_MOST
    assert outcome(found) == REFUSED


def test_what_is_no_number_says_nothing() -> None:
    theirs = frame(16)
    theirs[3, 4, 1] = np.nan
    assert outcome(distances(theirs)) == UNSAID
    assert outcome(distances(frame(16)[:, :-1])) == UNSAID
    assert distance(np.zeros((0, 0, 3)), np.zeros((0, 0, 3))) is None
    assert outcome([]) == UNSAID


def test_colours_that_nobody_sees_do_not_matter() -> None:
    ours, theirs = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    theirs[..., :3] = 1.0
    assert distance(ours, theirs) == 0.0


@given(st.lists(FAR, min_size=3, max_size=3))
def test_only_the_nearest_and_near_is_accepted(far: list[float]) -> None:
    found = outcome(list(far))
    assert (found == ACCEPTED) == (far[0] <= min(far[1:]) and far[0] <= APART_MOST)
