"""A cached answer that is made at most once a second, however many ask for it."""

import asyncio

import pytest

from tests.twins.clock import TwinClock
from web.process.response_cache import SECONDS, ResponseCache


class HandClock(TwinClock):
    """A clock that a test sets by hand."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class SlowNumbers:
    """A slow function that returns consecutive numbers; its first ``fails`` calls fail."""

    def __init__(self, *, fails: int = 0) -> None:
        self.count, self._fails = 0, fails
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        await self.may_end.wait()
        if self.count <= self._fails:
            raise ConnectionError
        return self.count


async def test_all_who_ask_meanwhile_get_one_answer() -> None:
    made, latest = SlowNumbers(), ResponseCache[int](TwinClock())
    asking = [asyncio.create_task(latest.get(made)) for _ in range(100)]
    await asyncio.sleep(0)
    made.may_end.set()
    assert await asyncio.gather(*asking) == [1] * 100


async def test_an_answer_is_made_anew_after_a_second() -> None:
    made, clock = SlowNumbers(), HandClock()
    made.may_end.set()
    latest, found = ResponseCache[int](clock), list[int]()
    for wait in (0.0, SECONDS * 0.9, SECONDS * 0.2, 0.0):
        clock.seconds += wait
        found.append(await latest.get(made))
    assert found == [1, 1, 2, 2]


async def test_one_who_leaves_or_fails_leaves_it_to_the_next() -> None:
    made, latest = SlowNumbers(fails=2), ResponseCache[int](TwinClock())
    first, second, third = (asyncio.create_task(latest.get(made)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    made.may_end.set()
    with pytest.raises(ConnectionError):
        await second
    assert await third == 3
