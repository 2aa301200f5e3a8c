"""Estimates of a job's remaining time from its own units, and the times that are shown."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from heapq import heapify, heapreplace
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.api.jobs import ETA_REASONS
from sql.jobs import PaceRow
from web.jobs.eta import (
    ENOUGH,
    JOBS_MOST,
    ShownEta,
    ShownEtas,
    next_shown,
    pace_of_one,
    seconds_left,
)

seconds = st.floats(0, 1e6)
means = st.floats(0.001, 1e6)
at_work = st.lists(seconds, min_size=1, max_size=50)
enough = st.integers(ENOUGH, 5_000)
waiting = st.integers(0, 5_000)


@given(st.integers(0, ENOUGH - 1), means, at_work, waiting)
def test_nothing_is_said_until_enough_were_seen(
    done: int, mean: float, work: list[float], left: int
) -> None:
    assert seconds_left(done, mean, work, left) is None


@given(enough, means, st.integers(1, 5_000))
def test_nothing_is_said_while_nobody_works(done: int, mean: float, left: int) -> None:
    assert seconds_left(done, mean, [], left) is None


@given(st.integers(0, 5_000), st.one_of(st.none(), means))
def test_nothing_is_said_where_verdicts_alone_are_missing(done: int, mean: float | None) -> None:
    assert seconds_left(done, mean, [], 0) is None


@given(enough, means, at_work, waiting)
def test_it_lies_between_what_one_and_what_infinitely_many_would_need(
    done: int, mean: float, work: list[float], left: int
) -> None:
    found = seconds_left(done, mean, work, left)
    assert found is not None
    ahead = [max(0.0, mean - gone) for gone in work]
    assert max(ahead) <= found <= (sum(ahead) + left * mean) * (1 + 1e-9)
    assert found >= left * mean / len(work) * (1 - 1e-9)


@given(enough, means, at_work, waiting)
def test_more_to_do_never_takes_less(done: int, mean: float, work: list[float], left: int) -> None:
    less, more = (seconds_left(done, mean, work, n) for n in (left, left + 1))
    assert less is not None
    assert more is not None
    assert less <= more


@given(enough, means, at_work, waiting)
def test_one_more_who_begins_does_not_make_it_later(
    done: int, mean: float, work: list[float], left: int
) -> None:
    """The additional node takes one of the waiting units."""
    alone = seconds_left(done, mean, work, left + 1)
    helped = seconds_left(done, mean, [*work, 0.0], left)
    assert alone is not None
    assert helped is not None
    assert helped <= max(alone, mean) * (1 + 1e-9)


@given(
    enough,
    st.floats(0.1, 1e4),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.integers(0, 300),
)
def test_it_is_what_really_passes_but_for_one_unit(
    done: int, mean: float, shares: list[float], left: int
) -> None:
    """The comparison is a farm whose nodes take the next unit as soon as they are free."""
    work = [mean * share for share in shares]
    free = [mean - gone for gone in work]
    heapify(free)
    for _ in range(left):
        heapreplace(free, free[0] + mean)
    found = seconds_left(done, mean, work, left)
    assert found is not None
    assert found <= max(free) * (1 + 1e-9)
    assert max(free) <= found + mean * (1 + 1e-9)


def test_two_nodes_with_ten_frames_of_a_minute_need_five_minutes() -> None:
    assert seconds_left(5, 60.0, [0.0, 0.0], 8) == pytest.approx(300.0)
    assert seconds_left(5, 60.0, [30.0, 59.0], 0) == pytest.approx(30.0)


NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
paces = st.builds(
    PaceRow,
    done=st.integers(ENOUGH, 50),
    mean=st.floats(1, 1e4),
    at_work=st.lists(st.floats(0, 1e4), max_size=6),
    waiting=st.integers(0, 40),
)
pauses = st.floats(0, 3600)


def shown_times(
    steps: Sequence[tuple[float, PaceRow]],
) -> list[tuple[datetime, PaceRow, ShownEta]]:
    """Return what is shown at each step: its time, the job's pace, and the shown time."""
    now, shown, found = NOON, None, list[tuple[datetime, PaceRow, ShownEta]]()
    for pause, pace in steps:
        now += timedelta(seconds=pause)
        shown = next_shown(shown, pace, now)
        if shown is not None:
            found.append((now, pace, shown))
    return found


@given(st.lists(st.tuples(pauses, paces), min_size=2, max_size=12))
def test_a_shown_time_rises_only_with_a_reason(steps: list[tuple[float, PaceRow]]) -> None:
    for (_, _, before), (now, pace, after) in pairwise(shown_times(steps)):
        if after.at <= before.at:
            continue
        assert after.reason in ETA_REASONS
        assert after.earlier is not None
        assert after.earlier < after.at
        if after.reason == "fewer_nodes":
            assert len(pace.at_work) < before.nodes
        elif after.reason == "more_work":
            assert len(pace.at_work) + pace.waiting > before.left
        elif after.reason == "slower":
            assert (pace.mean or 0) > before.mean or now >= before.at
        else:
            assert before.is_idle


@given(st.lists(st.tuples(pauses, paces), min_size=1, max_size=12))
def test_a_shown_time_is_never_over(steps: list[tuple[float, PaceRow]]) -> None:
    for now, pace, shown in shown_times(steps):
        assert shown.at >= now or not pace.at_work


@given(st.floats(1, 1e4), st.integers(1, 6), st.integers(1, 60), st.floats(0, 1))
def test_a_shown_time_stays_or_falls_while_all_goes_as_expected(
    mean: float, nodes: int, waiting: int, hurry: float
) -> None:
    """In each step, every node does a unit, in the mean duration or faster."""
    now, shown, times = NOON, None, list[datetime]()
    for step in range(waiting // nodes + 1):
        pace = PaceRow(ENOUGH + step * nodes, mean, [0.0] * nodes, waiting - step * nodes)
        shown = next_shown(shown, pace, now)
        assert shown is not None
        assert shown.reason is None
        times.append(shown.at)
        now += timedelta(seconds=mean * hurry)
    assert times == sorted(times, reverse=True)


def of_one(gone: float, progress: float | None) -> PaceRow:
    """Return the pace of a job's only unit, which a preflight estimated to take 100 seconds."""
    return pace_of_one(PaceRow(0, None, [gone], 0), 100.0, progress)


def test_the_only_unit_is_estimated_from_the_preflight_and_its_progress() -> None:
    first = next_shown(None, of_one(0.0, None), NOON)
    assert first is not None
    assert first.at == NOON + timedelta(seconds=100)
    ahead = next_shown(first, of_one(20.0, 0.5), NOON + timedelta(seconds=20))
    assert ahead is not None
    assert (ahead.at, ahead.reason) == (NOON + timedelta(seconds=70), None)
    same = next_shown(first, of_one(20.0, 0.15), NOON + timedelta(seconds=20))
    assert same is not None
    assert (same.at, same.reason) == (first.at, None), "a little slower is no reason"
    late = next_shown(first, of_one(60.0, 0.2), NOON + timedelta(seconds=60))
    assert late is not None
    assert (late.at, late.reason) == (NOON + timedelta(seconds=140), "slower")
    assert pace_of_one(PaceRow(0, None, [], 1), 100.0, None) == PaceRow(0, None, [], 1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0.1, 1e5))
def test_the_time_of_the_only_unit_falls_while_it_is_as_fast_as_estimated(
    parts: list[float], total: float
) -> None:
    shown, times = None, list[datetime]()
    for part in sorted(parts):
        pace = pace_of_one(PaceRow(0, None, [part * total], 0), total, part)
        shown = next_shown(shown, pace, NOON + timedelta(seconds=part * total))
        assert shown is not None
        times.append(shown.at)
    assert max(times) - times[0] < timedelta(milliseconds=1)


def pace_of(nodes: int, waiting: int, mean: float = 60.0) -> PaceRow:
    return PaceRow(10, mean, [0.0] * nodes, waiting)


def test_each_reason_is_shown_with_the_time_before() -> None:
    first = next_shown(None, pace_of(4, 20), NOON)
    assert first is not None
    assert (first.reason, first.earlier) == (None, None)
    for pace, reason in (
        (pace_of(2, 20), "fewer_nodes"),
        (pace_of(4, 28), "more_work"),
        (pace_of(4, 20, mean=90.0), "slower"),
    ):
        later = next_shown(first, pace, NOON)
        assert later is not None
        assert (later.reason, later.earlier) == (reason, first.at)
        assert later.at > first.at
    idle = next_shown(first, pace_of(0, 20), NOON)
    assert idle is not None
    assert (idle.at, idle.is_idle) == (first.at, True)
    later = next_shown(idle, pace_of(4, 20), NOON + timedelta(minutes=30))
    assert later is not None
    assert (later.reason, later.earlier) == ("no_node", first.at)


def test_a_reason_is_forgotten_when_the_job_has_caught_up() -> None:
    first = next_shown(None, pace_of(4, 20), NOON)
    late = next_shown(first, pace_of(2, 20), NOON)
    less = next_shown(late, pace_of(3, 20), NOON)
    assert less is not None
    assert (less.reason, less.earlier) == ("fewer_nodes", first and first.at)
    done = next_shown(less, pace_of(4, 10), NOON)
    assert done is not None
    assert (done.reason, done.earlier) == (None, None)


def test_nodes_without_work_at_the_end_are_no_reason() -> None:
    first = next_shown(None, pace_of(4, 1), NOON)
    last = next_shown(first, pace_of(1, 0, mean=61.0), NOON + timedelta(seconds=20))
    assert first is not None
    assert last is not None
    assert (last.at, last.reason) == (first.at, None)


def test_a_gateway_remembers_what_it_showed_for_a_bounded_number_of_jobs() -> None:
    shown, first = ShownEtas(), UUID(int=0)
    before = shown.next(first, pace_of(4, 20), NOON)
    assert before is not None
    steady = shown.next(first, pace_of(4, 20), NOON + timedelta(seconds=1))
    assert steady is not None
    assert steady.at == before.at
    shown.pause(first)
    resumed = shown.next(first, pace_of(4, 20), NOON + timedelta(seconds=9))
    assert resumed is not None
    assert resumed.reason == "no_node"
    for number in range(1, JOBS_MOST + 1):
        shown.next(UUID(int=number), pace_of(4, 20), NOON)
    again = shown.next(first, pace_of(1, 20), NOON + timedelta(seconds=2))
    assert again is not None
    assert again.reason is None, "the job was forgotten"
