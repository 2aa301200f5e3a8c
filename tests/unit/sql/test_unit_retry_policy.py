"""Counting of a unit's tries, the time of the next try, and the last try."""

from hypothesis import given
from hypothesis import strategies as st

from sql.unit_retry_policy import (
    HELD_NODES,
    NODE_FAILURES_MOST,
    TRIES_MOST,
    held_seconds,
    tries,
    wait_seconds,
)


def after(
    failures: int = 0, faults: int = 0, tried: int = 1, *, is_nodes: bool = True
) -> int | None:
    return wait_seconds(failures=failures, faults=faults, tried=tried, is_nodes=is_nodes)


def returned(tried: int) -> int | None:
    return wait_seconds(failures=0, faults=0, tried=tried, is_nodes=False, is_returned=True)


def test_what_no_node_had_is_no_try() -> None:
    assert tries(5, 0) == 5
    assert tries(5, 4) == 1
    assert tries(0, 0) == 1, "the attempt that is about to be made counts"


def test_of_nodes_the_third_failure_is_the_last() -> None:
    waits = [after(failures) for failures in range(NODE_FAILURES_MOST)]
    assert waits == [1, 2, None]


def test_faults_wait_one_two_and_four_seconds() -> None:
    assert [after(0, faults, is_nodes=False) for faults in range(4)] == [1, 2, 4, None]
    assert after(1, 1, is_nodes=False) == 4, "failures and faults are counted together"
    assert after(1, 2, is_nodes=False) is None


def test_numbers_that_were_given_make_no_wait_longer() -> None:
    assert after(0, 0, 7) == 1


def test_what_is_returned_is_tried_twelve_times() -> None:
    assert [returned(tried) for tried in (1, 2, 3, 11)] == [1, 2, 4, 4]
    assert returned(TRIES_MOST) is None
    assert after(0, 0, TRIES_MOST) is None


@given(st.integers(1, 10), st.integers(1, 20_000))
def test_what_cannot_be_sent_waits_from_a_second_to_a_minute(nodes: int, unsent: int) -> None:
    wait = held_seconds(nodes=nodes, times=unsent)
    assert 1 <= wait <= held_seconds(nodes=nodes, times=unsent + 1) <= 60
    if nodes >= HELD_NODES or unsent > 6:
        assert wait == 60, "else two nodes that alternate would use up the attempt numbers"
