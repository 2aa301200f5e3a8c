"""Formatting of values for people."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.api.preflights import Estimate
from rendertrust.cli import value_text
from rendertrust.cli.remote_preflight import estimated

NOW = datetime(2026, 3, 13, 12, tzinfo=UTC)


@given(st.text())
def test_nothing_steers_the_terminal(text: str) -> None:
    said = value_text.harmless(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in said)
    assert "\n" not in said


def test_words_in_any_script_stay() -> None:
    assert value_text.harmless("Szene für\tMünchen\n場面") == "Szene für München 場面"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.9, "60 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (3605, "1 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert value_text.duration(seconds) == said


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(days=3), "3 d ago"),
    ],
)
def test_times_that_are_past(gone: timedelta, said: str) -> None:
    assert value_text.ago(NOW - gone, NOW) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_449_999, "1.4 MB"), (10**15, "1000.0 TB")],
)
def test_sizes(count: int, said: str) -> None:
    assert value_text.size(count) == said


def test_percent_is_never_rounded_up_to_done() -> None:
    assert value_text.percent(0.999) == "99 %"
    assert value_text.percent(1.0) == "100 %"
    assert value_text.percent(None) == "-"


def test_stamps_are_utc() -> None:
    assert value_text.stamp(NOW.astimezone()) == "2026-03-13T12:00:00Z"


def test_an_estimate_has_no_range_that_begins_where_it_ends() -> None:
    one = Estimate(1, 3.6, 3.8, 4.1, 2, 3.8, "")
    assert estimated(one) == "About 4 s of one node for one frame."
    several = Estimate(48, 1200, 1640, 2340, 2, 820, "")
    assert "for 48 frames (20 min to 39 min); 13 min 40 s if all 2 slots" in estimated(several)
