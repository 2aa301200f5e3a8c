"""Series of which the whole is for the night."""

from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")


def by_day(series: Sequence[T], representatives: Sequence[T]) -> list[object]:
    """Parameters of a test: all of the series, marked ``nightly`` but for the representatives."""
    assert set(representatives) <= set(series)
    return [
        each if each in representatives else pytest.param(each, marks=pytest.mark.nightly)
        for each in series
    ]
