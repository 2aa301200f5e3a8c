"""Pauses between retries."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from rendertrust.client.backoff import NEVER, Retries, polling


def longest(least: float, most: float) -> float:
    return most


def test_pauses_double_up_to_the_most() -> None:
    assert list(Retries(times=6, first=0.25, most=2.0).delays(longest)) == [
        *[0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    ]


def test_jitter_only_shortens() -> None:
    assert all(0.75 * 4 <= d <= 4 for d in Retries(times=20, first=4.0).delays())


def test_never_has_no_second_try() -> None:
    assert list(NEVER.delays()) == []


def test_what_the_gateway_asks_for_is_the_least_pause() -> None:
    assert Retries().pause(0.25, 3.0) == 3.0
    assert Retries().pause(4.0, 3.0) == 4.0
    assert Retries().pause(0.25, None) == 0.25


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_no_try_begins_after_the_time_is_over(delay: float, asked: float, gone: float) -> None:
    retries = Retries()
    pause = retries.pause(delay, asked, gone)
    assert pause is None or gone + pause <= retries.within


def test_polling_slows_down_to_two_seconds_and_goes_on() -> None:
    pauses = list(islice(polling(), 50))
    assert pauses[0] == 0.25
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
