"""The record of the event loop's lag: the worst of every two seconds, for ten minutes."""

import asyncio

from tests.twins.clock import TwinClock
from tests.unit.simulated_time import simulated
from web.process.loop_lag import KEPT, LagHistory


@simulated
async def test_the_worst_of_every_two_seconds_is_kept() -> None:
    lag = LagHistory(TwinClock())
    for late in (0.001, 0.5, 0.002):
        lag.note(late)
        await asyncio.sleep(0.5)
    await asyncio.sleep(1.0)
    lag.note(0.003)
    assert [each.worst for each in lag.readings()] == [0.5, 0.003]


@simulated
async def test_it_is_bounded() -> None:
    lag = LagHistory(TwinClock())
    for number in range(KEPT + 5):
        lag.note(float(number))
        await asyncio.sleep(2.0)
    readings = lag.readings()
    assert len(readings) == KEPT
    assert (readings[0].worst, readings[-1].worst) == (5.0, float(KEPT + 4))
