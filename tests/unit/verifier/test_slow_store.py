"""A slow or silent store blocks no handler of the Verifier for a minute."""

import asyncio

import pytest

from actors.ports import ObjectInfo
from actors.pulse.stuck_detector import StuckDetector
from tests.support.until import until
from tests.twins.objects import TwinObjects
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import NODE, verifying

DELIVERIES = 80


class SlowObjects:
    """An in-memory object store whose ``head`` takes ``seconds``."""

    def __init__(self, objects: TwinObjects, seconds: float) -> None:
        self.seconds, self._head = seconds, objects.head

    async def head(self, key: str) -> ObjectInfo | None:
        await asyncio.sleep(self.seconds)
        return await self._head(key)


@simulated
@pytest.mark.parametrize("seconds", [1.0, 60.0])
async def test_a_slow_store_ends_no_process_and_what_waits_is_settled(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with verifying(enabled=False) as play:  # all waiting results are settled in one look
        slow, vitality = SlowObjects(play.objects, seconds), StuckDetector()
        monkeypatch.setattr(play.objects, "head", slow.head)
        jobs = [await play.delivered(NODE) for _ in range(DELIVERIES)]
        for _ in range(60):
            await asyncio.sleep(5)
            now = play.clock.monotonic()
            assert vitality.stuck(play.root.snapshot().children, now) == []
        slow.seconds = 0.0
        await until(lambda: all(play.verdict(job) == "unverified" for job in jobs), within=60)
