"""What tests run by day, for every change, and what by night: properties and series.

``RENDERTRUST_TESTS=night``, or a run with ``-m nightly``, chooses the night.
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
    """Register both profiles, and load the one that the environment asks for.

    A slow machine is no counterexample, so examples have no deadline. By day CI tries the same
    cases each time, so that only the change can turn a test red; a developer's machine tries new
    ones, and so does the night.
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
    """Return one of two sizes, by the profile that is loaded."""
    return night if settings.get_current_profile_name() == NIGHT else day


def series(every: Iterable[Any], by_day: Iterable[Any]) -> list[Any]:
    """Return ``every`` value as a parameter; those that are not ``by_day`` are nightly."""
    day = list(by_day)
    return [v if v in day else pytest.param(v, marks=pytest.mark.nightly) for v in every]
