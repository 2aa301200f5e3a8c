"""Sizes of property tests and parameter series: small by day (for each change), large by night.

``RENDERTRUST_TESTS=night``, or a run with ``-m nightly``, selects the large sizes.
"""

import os
from collections.abc import Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import settings

T = TypeVar("T")
DAY, NIGHT = "day", "night"
DAY_EXAMPLES, NIGHT_EXAMPLES = 25, 1000


def register_profiles() -> None:
    """Register both Hypothesis profiles and load the profile that the environment selects.

    Examples have no deadline, because a slow machine is no counterexample. By day CI repeats the
    same examples, so that only a change can make a test fail; developers and nightly runs get
    random examples.
    """
    always: dict[str, Any] = {"deadline": None, "print_blob": True}
    is_ci = "CI" in os.environ
    settings.register_profile(DAY, max_examples=DAY_EXAMPLES, derandomize=is_ci, **always)
    settings.register_profile(NIGHT, max_examples=NIGHT_EXAMPLES, derandomize=False, **always)
    is_night = os.environ.get("RENDERTRUST_TESTS") == NIGHT
    settings.load_profile(NIGHT if is_night else DAY)


def examples(factor: float, **others: Any) -> settings:
    """Return settings with ``factor`` times as many examples as the profile has.

    Use it where an example costs far more or far less than a few milliseconds.
    """
    assert settings.default is not None
    return settings(max_examples=max(1, round(factor * settings.default.max_examples)), **others)


def chosen(*, day: T, night: T) -> T:
    """Return ``day`` or ``night``, according to the loaded profile."""
    return night if settings.get_current_profile_name() == NIGHT else day


def series(every: Iterable[Any], by_day: Iterable[Any]) -> list[Any]:
    """Return all values as test parameters; values that are not in ``by_day`` are marked
    nightly.
    """
    day = list(by_day)
    return [v if v in day else pytest.param(v, marks=pytest.mark.nightly) for v in every]
