"""Times in which a node works: its hours, and while nobody else uses the machine."""

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.idle_detector import CpuTimes, IdleDetector, now, read_times
from rendertrust.node.readiness import Readiness
from rendertrust.node.working_hours import read_hours

STAT = "cpu  100 900 50 5000 10 1 2 3 0 0\ncpu0 1 2 3\n"


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 1, hour, minute).astimezone()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("20-8", [(20, 0), (23, 59), (0, 0), (7, 59)], [(8, 0), (19, 59)]),
        ("9-17", [(9, 0), (16, 59)], [(8, 59), (17, 0), (0, 0)]),
        ("22:30-6:15", [(22, 30), (6, 14)], [(22, 29), (6, 15)]),
        ("20-24", [(20, 0), (23, 59)], [(0, 0), (19, 59)]),
    ],
)
def test_hours_hold_from_the_first_up_to_the_last(
    text: str, inside: list[tuple[int, int]], outside: list[tuple[int, int]]
) -> None:
    hours = read_hours(text)
    assert all(hours.holds(at(*time)) for time in inside)
    assert not any(hours.holds(at(*time)) for time in outside)


@pytest.mark.parametrize("text", ["", "20", "20-20", "0-24", "25-3", "20:60-8", "a-b", "-3-4"])
def test_hours_that_are_none_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"like 20-8|set no working hours"):
        read_hours(text)


@given(st.integers(0, 1439), st.integers(0, 1439))
def test_hours_read_as_they_are_shown(first: int, last: int) -> None:
    text = f"{first // 60}:{first % 60:02}-{last // 60}:{last % 60:02}"
    if first == last:
        return
    assert read_hours(str(read_hours(text))) == read_hours(text)


def test_the_time_of_low_priorities_is_not_others_time() -> None:
    found = read_times(STAT)
    assert found == CpuTimes(others=100 + 50 + 1 + 2, total=6066)
    assert read_times("intr 1 2 3 4 5 6 7 8") is None


def test_this_machine_says_its_times() -> None:
    found = now()
    assert found is not None
    assert 0 < found.others < found.total


def cpu_readings(*shares: float) -> Callable[[], CpuTimes | None]:
    """Return readings between which other programs use these shares of the CPU."""
    times, others, total = [CpuTimes(0, 0)], 0, 0
    for share in shares:
        others, total = others + int(share * 100), total + 100
        times.append(CpuTimes(others, total))
    left = iter(times)
    return lambda: next(left)


def test_a_machine_is_quiet_after_a_while_and_busy_at_once() -> None:
    looked = IdleDetector(
        0.25, 3, cpu_readings(0.1, 0.1, 0.5, 0.1, 0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1)
    )
    assert [looked.look() for _ in range(12)] == [
        *(False, False, False, False, False, False, True),
        *(True, True, True, False, False),
    ]


def test_a_machine_that_does_not_tell_is_not_idle() -> None:
    looked = IdleDetector(0.25, 1, lambda: None)
    assert not any(looked.look() for _ in range(5))


def test_the_reason_to_rest_is_said() -> None:
    ready = Readiness(read_hours("20-8"), None, lambda: at(12))
    assert ready.why_not() == "the node works only from 20:00-08:00"
    ready = Readiness(read_hours("20-8"), None, lambda: at(21))
    assert ready.why_not() is None
    ready = Readiness(None, IdleDetector(0.25, 1, lambda: None))
    assert ready.why_not() == "other users or programs are using this machine"
