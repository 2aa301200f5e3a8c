"""The watchdog is fed while loop and tree are alive; a stuck actor ends the process."""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from prometheus_client import Gauge, Histogram

from actors.kernel import Actor, Message, Statistics, handles
from actors.pulse import actor as pulse
from actors.pulse.actor import STUCK
from actors.pulse.stuck_detector import StuckDetector
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.pulses import pulse_of
from tests.support.service_manager import Manager
from tests.support.until import until
from web.process.service_manager import ServiceManager, service_manager

ROOT = Path(__file__).resolve().parents[3]


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
    """An actor whose handler hangs until it is let go."""

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


async def test_the_watchdog_is_fed_until_an_actor_is_stuck_and_then_the_tree_gives_up(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.02)
    go_on = asyncio.Event()
    worker = Child("worker", lambda: WorkerActor(go_on), stop_within=0.1)
    beats = Child(
        "pulse",
        lambda: pulse_of(
            lambda: [tree.snapshot()],
            SystemClock(),
            ServiceManager(manager.address, 0.04),
            end=lambda: ended.append(True),
            stuck_seconds=0.3,
        ),
    )
    ended: list[bool] = []
    tree = Supervisor("Edge", Strategy.ONE_FOR_ONE, Intensity(), [worker, beats])
    await tree.start()
    try:
        await until(lambda: "WATCHDOG=1" in manager.heard())
        worker.ref.tell(Hang())
        async with asyncio.timeout(60):
            reason = await tree.failed()
        assert "no message handled for 0.3 s: worker" in reason
        assert ended == [True]
        assert _value_of(STUCK) == 1
    finally:
        await tree.stop()


async def test_memory_is_tidied_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.001)
    monkeypatch.setattr(pulse, "TIDY_SECONDS", 0.05)
    twice, times = asyncio.Event(), itertools.count(1)
    clock, manager = SystemClock(), ServiceManager()

    def tidy() -> None:
        if next(times) == 2:
            twice.set()

    beats = Child("pulse", lambda: pulse_of(list, clock, manager, tidy=tidy))
    tree = Supervisor("Edge", Strategy.ONE_FOR_ONE, Intensity(), [beats])
    await tree.start()
    try:
        async with asyncio.timeout(60):
            await twice.wait()
    finally:
        await tree.stop()


IMMOVABLE = """
import asyncio
from functools import partial
from actors.kernel import handles
from actors.pulse import actor as pulse
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.pulses import pulse_of
from tests.unit.web.test_watchdog import Hang, WorkerActor
from web.process.forced_exit import exit_within
from web.process.service_manager import ServiceManager

pulse.BEAT_SECONDS, pulse.LOOK_SECONDS = 0.02, 0.05

class Immovable(WorkerActor):
    @handles(Hang)
    async def hang(self, message):
        while True:
            try:
                await self._go_on.wait()
            except asyncio.CancelledError:
                pass

async def main():
    worker = Child("worker", lambda: Immovable(asyncio.Event()), stop_within=0.1)
    end = partial(exit_within, 0.5)
    beats = Child("pulse", lambda: pulse_of(
        lambda: [tree.snapshot()], SystemClock(), ServiceManager(), end=end, stuck_seconds=0.3))
    tree = Supervisor("Edge", Strategy.ONE_FOR_ONE, Intensity(), [worker, beats])
    await tree.start()
    worker.ref.tell(Hang())
    await tree.failed()

asyncio.run(main())
"""


async def test_a_process_ends_though_its_stuck_handler_takes_no_notice_of_its_end() -> None:
    """Without ``exit_within`` the loop would wait for that handler for ever."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", IMMOVABLE, cwd=ROOT)
    try:
        async with asyncio.timeout(60):
            assert await process.wait() == 1
    finally:
        if process.returncode is None:
            process.kill()


def _value_of(metric: Gauge | Histogram, ending: str = "") -> float:
    (family,) = metric.collect()
    return next(each.value for each in family.samples if each.name == family.name + ending)


def _figures(tree: Supervisor) -> Statistics:
    figures = tree.snapshot().children[0].statistics
    assert figures is not None
    return figures


@pytest.mark.parametrize("messages", [1, 2])
async def test_a_handler_that_never_returns_is_noticed_whatever_the_mailbox_holds(
    messages: int,
) -> None:
    go_on = asyncio.Event()
    worker = Child("worker", lambda: WorkerActor(go_on))
    tree = Supervisor("Edge", Strategy.ONE_FOR_ONE, Intensity(), [worker])
    await tree.start()
    vitality = StuckDetector()
    for second in range(0, 1_000, 5):
        assert vitality.stuck([tree.snapshot()], float(second)) == [], "the worker is idle"
    for _ in range(messages):
        worker.ref.tell(Hang())
    await until(lambda: _figures(tree).is_handling and _figures(tree).depth == messages - 1)
    assert vitality.stuck([tree.snapshot()], 1_000.0) == []
    assert vitality.stuck([tree.snapshot()], 1_054.0) == []
    assert vitality.stuck([tree.snapshot()], 1_061.0) == ["worker"]
    go_on.set()
    await until(lambda: _figures(tree).handled == messages)
    assert vitality.stuck([tree.snapshot()], 1_062.0) == []
    assert vitality.stuck([tree.snapshot()], 2_000.0) == []
    await tree.stop()
