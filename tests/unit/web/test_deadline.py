"""The deadline of an operation's handlers: one timer for all of them."""

import asyncio

import pytest

from tests.unit.simulated_time import simulated
from web.http.endpoint import Deadline

SECONDS = 2.0


async def late(seconds: float) -> float:
    """Wait, then return the loop's time."""
    await asyncio.sleep(seconds)
    return asyncio.get_running_loop().time()


@simulated
async def test_work_within_the_deadline_returns_its_result() -> None:
    begun = asyncio.get_running_loop().time()
    assert await Deadline(SECONDS).keep(late(1.9)) == pytest.approx(begun + 1.9)


@simulated
async def test_each_of_many_tasks_expires_at_its_own_time() -> None:
    loop, deadline = asyncio.get_running_loop(), Deadline(SECONDS)
    begun, ended = loop.time(), dict[float, float]()

    async def one(start: float) -> None:
        await asyncio.sleep(start)
        with pytest.raises(TimeoutError):
            await deadline.keep(late(60.0))
        ended[start] = loop.time() - begun

    # the first task of each timer has ended when the timer runs
    quick = [deadline.keep(late(0.5)), late(9.0)]
    await asyncio.gather(*quick, *(one(start) for start in (0.1, 0.2, 1.0, 5.0)))
    assert ended == pytest.approx({start: start + SECONDS for start in (0.1, 0.2, 1.0, 5.0)})


@simulated
async def test_work_that_nobody_waits_for_any_more_is_cancelled_as_asked() -> None:
    task = asyncio.create_task(Deadline(SECONDS).keep(late(60.0)))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@simulated
async def test_a_task_goes_on_after_a_deadline() -> None:
    deadline = Deadline(SECONDS)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await deadline.keep(late(60.0))
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert await deadline.keep(late(1.0))


@simulated
async def test_work_that_ends_in_spite_of_the_deadline_returns_its_result() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            return "done"
        raise AssertionError("never cancelled")

    task = asyncio.current_task()
    assert task is not None
    assert await Deadline(SECONDS).keep(stubborn()) == "done"
    assert task.cancelling() == 0
