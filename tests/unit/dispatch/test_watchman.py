"""Tests of the Watchman, which closes the sessions when it stops."""

import asyncio
import logging
from typing import Any

import pytest

from actors.kernel import Ref, handles
from actors.node_session.messages import Close, NodeSession
from actors.watchman.actor import WatchmanActor
from actors.watchman.messages import IsOpen
from supervisors.child import Child
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.stand_in import StandIn
from tests.unit.dispatch.stage import NODE, PreparedStore, open_unit
from tests.unit.simulated_time import simulated


class SlowSession(StandIn[NodeSession]):
    """A session that records when it is told to close, and takes ``seconds`` for it."""

    def __init__(self, closed: list[tuple[float, int]], seconds: float) -> None:
        self._closed = closed
        self._seconds = seconds

    @handles(Close)
    async def close(self, message: Close) -> None:
        self._closed.append((asyncio.get_running_loop().time(), message.code))
        await asyncio.sleep(self._seconds)
        self.stop()


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


async def stop_with(
    store: PreparedStore, sessions: int, seconds: float = 0.0
) -> list[tuple[float, int]]:
    closed: list[tuple[float, int]] = []
    nodes = DynamicSupervisor("nodes")
    watchman: Child = Child("watchman", lambda: WatchmanActor(nodes.children, store.port))
    root = Supervisor("root", Strategy.REST_FOR_ONE, Intensity(), [nodes, watchman])
    await root.start()
    for number in range(sessions):
        await nodes.start_child(Child(f"session-{number}", lambda: SlowSession(closed, seconds)))
    ref: Ref[Any] = watchman.ref
    assert await ref.ask(IsOpen(), within=1.0)
    await root.stop()
    return closed


@simulated
async def test_the_sessions_are_closed_with_1012() -> None:
    closed = await stop_with(PreparedStore(), 3)
    assert [code for _, code in closed] == [1012] * 3


@simulated
async def test_sessions_that_take_their_time_are_closed_in_batches() -> None:
    closed = await stop_with(PreparedStore(), 250, seconds=0.5)
    times = [time for time, _ in closed]
    assert len(times) == 250
    assert [sum(round(t - times[0], 2) == late for t in times) for late in (0.0, 0.25, 0.5)] == [
        100,
        100,
        50,
    ]


@simulated
async def test_units_that_still_run_are_reported() -> None:
    store = PreparedStore()
    store.units = [open_unit(state="RUNNING", attempt=1, node=NODE), open_unit()]
    handler = Records()
    log = logging.getLogger("actors.watchman.actor")
    log.addHandler(handler)
    try:
        await stop_with(store, 0)
    finally:
        log.removeHandler(handler)
    assert [record.getMessage() for record in handler.records] == [
        "1 units still run; their nodes keep them until the next start"
    ]


@pytest.mark.parametrize("away", [True, False])
def test_the_gateway_stops_whether_the_database_is_there_or_not(away: bool) -> None:
    @simulated
    async def play() -> None:
        store = PreparedStore()
        store.away = away
        assert len(await stop_with(store, 1)) == 1

    play()
