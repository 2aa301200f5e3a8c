"""The watchdog is fed while the loop and the tree are alive, and only then."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from prometheus_client import Gauge, Histogram

from actors.kernel import Actor, Message, handles
from supervisors.child import Child
from supervisors.engines.system import SystemClock
from supervisors.intensity import Intensity
from supervisors.strategy import Strategy
from supervisors.supervisor import Supervisor
from tests.service_manager import Manager
from tests.until import until
from web.process import pulse
from web.process.pulse import LAG, STUCK, PulseActor, Vitality
from web.process.service_manager import ServiceManager, service_manager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = request.param == "abstract"
    found = Manager(f"@rendertrust-{os.getpid()}" if abstract else str(tmp_path / "notify"))
    yield found
    found.close()


class Worker:
    pass


@attrs.frozen
class Hang(Message[Worker, None]):
    pass


class WorkerActor(Actor[Worker]):
    """Hangs until it is let go."""

    def __init__(self, go_on: asyncio.Event) -> None:
        self._go_on = go_on

    @handles(Hang)
    async def hang(self, message: Hang) -> None:
        await self._go_on.wait()


def test_a_manager_hears_what_is_said(manager: Manager) -> None:
    said = service_manager({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000000"})
    assert said.watchdog_seconds == 20.0
    said.say(READY=1, STATUS="Serving http://127.0.0.1:8000")
    said.say(STOPPING=1)
    assert manager.heard() == ["READY=1\nSTATUS=Serving http://127.0.0.1:8000", "STOPPING=1"]


def test_without_a_manager_or_with_one_that_is_gone_nothing_happens(tmp_path: Path) -> None:
    service_manager({}).say(READY=1)
    service_manager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).say(READY=1)


def test_a_watchdog_of_another_process_is_none_of_ours() -> None:
    assert service_manager({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_seconds == 0
    mine = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    assert service_manager(mine).watchdog_seconds == 1
    assert service_manager({"WATCHDOG_USEC": "soon"}).watchdog_seconds == 0


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager) -> None:
    said = ServiceManager(manager.address)
    for _ in range(2_000):
        said.say(WATCHDOG=1)
    assert manager.heard()


async def test_the_watchdog_is_fed_until_an_actor_is_stuck_and_again_afterwards(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "STUCK_SECONDS", 0.3)
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.02)
    go_on = asyncio.Event()
    worker = Child("worker", lambda: WorkerActor(go_on))
    beats = Child(
        "pulse",
        lambda: PulseActor(
            lambda: [tree.snapshot()], SystemClock(), ServiceManager(manager.address, 0.04)
        ),
    )
    tree = Supervisor("Edge", Strategy.ONE_FOR_ONE, Intensity(), [worker, beats])
    await tree.start()
    try:
        await until(lambda: "WATCHDOG=1" in manager.heard())
        worker.ref.tell(Hang())
        worker.ref.tell(Hang())
        await until(lambda: _value_of(STUCK) == 1)
        manager.heard()
        beaten = _beats()
        await until(lambda: _beats() > beaten + 10)  # it goes on, and is silent
        assert manager.heard() == []
        go_on.set()
        await until(lambda: "WATCHDOG=1" in manager.heard())
    finally:
        await tree.stop()


def _beats() -> float:
    """How many times the loop's lag has been measured."""
    return _value_of(LAG, "_count")


def _value_of(metric: Gauge | Histogram, ending: str = "") -> float:
    (family,) = metric.collect()
    return next(each.value for each in family.samples if each.name == family.name + ending)


def _waiting(tree: Supervisor) -> int:
    figures = tree.snapshot().children[0].statistics
    assert figures is not None
    return figures.depth


async def test_an_actor_that_waits_for_nothing_is_not_stuck() -> None:
    go_on = asyncio.Event()
    worker = Child("worker", lambda: WorkerActor(go_on))
    tree = Supervisor("Edge", Strategy.ONE_FOR_ONE, Intensity(), [worker])
    await tree.start()
    vitality = Vitality()
    for second in range(0, 1_000, 5):
        assert vitality.stuck([tree.snapshot()], float(second)) == []
    worker.ref.tell(Hang())
    worker.ref.tell(Hang())
    await until(lambda: _waiting(tree) == 1)
    assert vitality.stuck([tree.snapshot()], 1_000.0) == []
    assert vitality.stuck([tree.snapshot()], 1_061.0) == ["worker"]
    go_on.set()
    await tree.stop()
