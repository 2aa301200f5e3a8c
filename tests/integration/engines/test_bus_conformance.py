"""Tests of the Bus port: the twin and the real server must behave alike."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio.client import PubSub

from supervisors.engines.bus_valkey import ValkeyBus
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.engine_account import engine_account
from supervisors.engines.valkey import EmbeddedValkey
from tests.integration.engines.conformance_bus import (
    BusConformance,
    Line,
    publish_until_heard,
    topic,
)
from tests.support.engines import engine_folder
from tests.support.until import until
from tests.twins.bus import TwinBus


class Twin(Line):
    def __init__(self) -> None:
        self.twin = self.here = self.there = TwinBus()

    async def take_away(self) -> None:
        self.twin.away = True

    async def bring_back(self) -> None:
        self.twin.away = False


class Real(Line):
    def __init__(self, data: Path) -> None:
        self._engine = EmbeddedValkey(data, account=engine_account())
        self.here_bus = self.here = ValkeyBus(CurrentEndpoint())
        self.there_bus = self.there = ValkeyBus(CurrentEndpoint())

    async def take_away(self) -> None:
        await self._engine.stop()

    async def bring_back(self) -> None:
        endpoint = await self._engine.start()
        for bus in (self.here_bus, self.there_bus):
            bus.endpoint.set(endpoint)

    async def close(self) -> None:
        await self.here_bus.close()
        await self.there_bus.close()
        await self._engine.stop()


@pytest.fixture(scope="module")
def bus_data() -> Iterator[Path]:
    with engine_folder() as folder:
        yield folder


@pytest.fixture
async def real(bus_data: Path) -> AsyncIterator[Real]:
    line = Real(bus_data)
    await line.bring_back()
    yield line
    await line.close()


class TestTwin(BusConformance):
    @pytest.fixture
    def line(self) -> Line:
        return Twin()


class TestReal(BusConformance):
    @pytest.fixture
    def line(self, real: Real) -> Line:
        return real


async def test_what_is_not_sent_is_counted(real: Real) -> None:
    await real.take_away()
    for _ in range(20):
        await real.there.publish(topic(), b"lost")
    await until(lambda: real.there_bus.dropped == 20)
    await real.bring_back()


async def test_a_receiver_that_raises_is_counted_and_the_others_hear(real: Real) -> None:
    name, received = topic(), list[bytes]()

    def fail(_payload: bytes) -> None:
        raise ValueError("a receiver's mistake")

    real.here.subscribe(name, fail)
    real.here.subscribe(name, received.append)
    await publish_until_heard(real, name, received)
    assert real.here_bus.failed > 0


async def test_a_burst_is_sent_in_batches_and_arrives(real: Real) -> None:
    name, received = topic(), list[bytes]()
    real.here.subscribe(name, received.append)
    await publish_until_heard(real, name, received, b"start")
    for number in range(5_000):
        await real.there.publish(name, b"%d" % number)
    await until(lambda: b"4999" in received)
    assert real.there_bus.dropped == 0


@pytest.mark.timeout(60)
async def test_it_ends_though_a_command_swallows_that_it_was_cancelled(
    real: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call ``asyncio.wait_for`` of Python 3.11 swallows a cancellation when its work ends at
    the same moment.
    """
    asked = asyncio.Event()

    async def ping(pubsub: PubSub) -> None:
        asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(PubSub, "ping", ping)
    real.here.subscribe(topic(), lambda _: None)
    async with asyncio.timeout(60):
        await asked.wait()
        await real.here_bus.close()
