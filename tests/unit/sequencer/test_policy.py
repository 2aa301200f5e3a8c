"""When a checkpoint is due, and which keys may sign."""

from datetime import UTC, datetime, timedelta

import pytest

from actors.sequencer.policy import SequencerSettings, is_due, is_idle, new_keys, rest_after
from config.settings import Proof
from sql.log import Head, LogView

NOW = datetime(2026, 3, 13, 12, tzinfo=UTC)
SETTINGS = SequencerSettings(Proof(checkpoint_transfers=100, checkpoint_seconds=10.0))


def look(*, size: int = 0, checked: int | None = 0, age: float = 0.0, newest: int = 0) -> LogView:
    at = None if checked is None else NOW - timedelta(seconds=age)
    return LogView(Head("log", size, bytes(32), newest), checked, at, frozenset(), 1, 1, newest, [])


@pytest.mark.parametrize(
    ("seen", "size", "due"),
    [
        (look(checked=None), 0, True),  # a log begins with a checkpoint
        (look(checked=0, age=1e6), 0, False),  # there are no new entries
        (look(checked=0, age=9.9), 99, False),
        (look(checked=0, age=10.0), 1, True),
        (look(checked=0, age=0.0), 100, True),
        (look(checked=900, age=0.0), 999, False),
        (look(checked=900, age=-50.0), 999, False),  # the clock was set back
    ],
)
def test_a_checkpoint_is_due_after_so_many_entries_or_so_much_time(
    seen: LogView, size: int, due: bool
) -> None:
    assert is_due(seen, size, NOW, SETTINGS) is due


def test_nobody_is_idle_who_has_entries_to_take_up_to_cover_or_to_check() -> None:
    assert is_idle(look(size=5, checked=5), NOW, SETTINGS)
    assert not is_idle(look(size=5, checked=4, age=11.0), NOW, SETTINGS)
    assert is_idle(look(size=5, checked=4, age=9.0), NOW, SETTINGS)
    behind = LogView(Head("log", 0, bytes(32), 4), 0, NOW, frozenset(), 1, 1, 5, [])
    assert not is_idle(behind, NOW, SETTINGS)


@pytest.mark.parametrize(
    ("known", "ours", "new"),
    [
        (set(), ["a"], ("a",)),
        ({"a"}, ["a"], ()),
        ({"a"}, ["b", "a"], ("b",)),  # a rotation: the old key signs, too
        ({"a", "b"}, ["b", "a"], ()),
        ({"a"}, ["b"], None),
        ({"a"}, ["c", "b"], None),
    ],
)
def test_a_key_counts_that_one_which_counts_signs_beside(
    known: set[str], ours: list[str], new: tuple[str, ...] | None
) -> None:
    assert new_keys(frozenset(known), ours) == new


def test_of_a_peak_the_log_takes_a_tenth_of_the_time() -> None:
    assert rest_after(0.1, 0.0) == pytest.approx(0.9)
    assert rest_after(0.1, 20.0) == pytest.approx(0.9)


def test_it_rests_less_the_further_it_is_behind_and_not_at_all_before_entries_are_late() -> None:
    rests = [rest_after(0.1, lag) for lag in (20.0, 25.0, 30.0, 35.0, 40.0)]
    assert rests == sorted(rests, reverse=True)
    assert len(set(rests)) == len(rests)
    assert rest_after(0.1, 40.0) == rest_after(0.1, 1e6) == 0.0


@pytest.mark.parametrize("keeps_up", [0.15, 0.5, 0.9])
def test_under_a_load_that_goes_on_no_entry_becomes_late(keeps_up: float) -> None:
    """The log needs the fraction ``keeps_up`` of the time to take in what is posted."""
    now = done = worst = 0.0  # all that was posted until ``done`` is in the log
    while now < 600.0:
        work = min(now - done, 1.0) * keeps_up + 0.01
        done = min(done + 1.0, now)
        lag = now - done
        worst = max(worst, lag)
        now += work + rest_after(work, lag)
    assert worst < 45.0
