"""Actors of a process that was suspended are not considered stuck."""

import asyncio
from collections.abc import Iterable

import attrs
import pytest

from actors.pulse import actor as pulse
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock
from supervisors.restart_policy import Intensity, Strategy
from supervisors.snapshot import Snapshot
from supervisors.supervisor import Supervisor
from tests.support.pulses import pulse_of
from tests.support.until import until
from tests.unit.web.test_watchdog import Hang, WorkerActor
from web.process.service_manager import ServiceManager


@attrs.define
class StoppedClock(SystemClock):
    """The monotonic clock of a process that was suspended for ``stopped`` seconds."""

    stopped: float = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.stopped


async def test_a_gateway_that_was_stopped_for_longer_than_a_minute_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.01)
    clock, go_on, looks = StoppedClock(), asyncio.Event(), list[float]()

    def vital() -> Iterable[Snapshot]:
        looks.append(clock.monotonic())
        return [tree.snapshot()]

    worker = Child("worker", lambda: WorkerActor(go_on), stop_within=0.1)
    beats = Child("pulse", lambda: pulse_of(vital, clock, ServiceManager(), end=go_on.set))
    tree = Supervisor("Edge", Strategy.ONE_FOR_ONE, Intensity(), [worker, beats])
    await tree.start()
    try:
        worker.ref.tell(Hang())
        worker.ref.tell(Hang())
        await until(lambda: len(looks) > 3)
        stopped_at = clock.monotonic()
        clock.stopped = 75.0
        await until(lambda: len([at for at in looks if at > stopped_at + 60]) > 3 or go_on.is_set())
        assert not go_on.is_set(), "the process would end"
    finally:
        go_on.set()
        await tree.stop()
