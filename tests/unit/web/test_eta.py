"""Estimates of a job's remaining time from its own units."""

from heapq import heapify, heapreplace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.jobs.eta import ENOUGH, seconds_left

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
