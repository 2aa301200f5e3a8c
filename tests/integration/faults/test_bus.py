"""Two ends of the bus, one of which reaches Redis through a faulty proxy: hints pass again
afterwards.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from supervisors.engines.bus_valkey import ValkeyBus
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.valkey import ValkeyEndpoint
from tests.faults.place import of_redis, redis_by
from tests.faults.proxy import Proxy
from tests.integration.engines.conformance_bus import Line, publish_until_heard, topic
from tests.support.examples import series
from tests.support.until import until

LOST = b"lost-or-not"
Trouble = Callable[[Proxy, "Ends"], Awaitable[None]]


class Ends(Line):
    """Both ends of a bus; ``here`` goes through the proxy."""

    def __init__(self, proxy: Proxy, endpoint: ValkeyEndpoint) -> None:
        self.proxy = proxy
        self.here_bus = self.here = ValkeyBus(
            CurrentEndpoint(ValkeyEndpoint(redis_by(proxy, endpoint.url)))
        )
        self.there_bus = self.there = ValkeyBus(CurrentEndpoint(endpoint))
        self.back = Reversed(self)

    async def take_away(self) -> None:
        await self.proxy.down()

    async def bring_back(self) -> None:
        await self.proxy.up()

    async def close(self) -> None:
        await self.here_bus.close()
        await self.there_bus.close()

    async def say(self, times: int) -> None:
        """Publish hints that may or may not arrive."""
        for _ in range(times):
            await self.here.publish(topic(), LOST)


class Reversed(Line):
    """A line with its ends exchanged."""

    def __init__(self, line: Line) -> None:
        self.here, self.there = line.there, line.here

    async def take_away(self) -> None:
        raise NotImplementedError

    async def bring_back(self) -> None:
        raise NotImplementedError


@pytest_asyncio.fixture(loop_scope="session")
async def ends(
    valkey_endpoint: ValkeyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ends]:
    """Yield the ends; a silent connection counts as dead after two seconds instead of twelve."""
    monkeypatch.setattr("supervisors.engines.bus_valkey.PING_SECONDS", 0.5)
    monkeypatch.setattr("supervisors.engines.bus_valkey.SILENCE_SECONDS", 2.0)
    async with Proxy(of_redis(valkey_endpoint.url)) as proxy:
        ends = Ends(proxy, valkey_endpoint)
        yield ends
        await ends.close()


async def reset_while_nothing_is_said(proxy: Proxy, ends: Ends) -> None:
    """Reset the connections while idle, and wait until the subscriber has reconnected."""
    made = proxy.made
    proxy.break_off()
    await until(lambda: proxy.made > made)


async def reset_again_and_again(proxy: Proxy, ends: Ends) -> None:
    proxy.resets = True
    proxy.break_off()
    made = proxy.made
    await ends.say(5)
    await until(lambda: proxy.made >= made + 3)


async def reset_in_a_batch(proxy: Proxy, ends: Ends) -> None:
    trap = proxy.cut(LOST)
    await ends.say(20)
    await until(lambda: trap.sprung)


async def answer_swallowed(proxy: Proxy, ends: Ends) -> None:
    trap = proxy.swallow(LOST)
    await ends.say(20)
    await until(lambda: trap.sprung)


async def dead_unnoticed(proxy: Proxy, ends: Ends) -> None:
    trap = proxy.strand(LOST)
    await ends.say(20)
    await until(lambda: trap.sprung)
    await until(lambda: ends.here_bus.dropped)


async def silent(proxy: Proxy, ends: Ends) -> None:
    proxy.hush()
    await ends.say(20)
    await until(lambda: ends.here_bus.dropped)


async def away(proxy: Proxy, ends: Ends) -> None:
    await proxy.down()
    await ends.say(20)
    await until(lambda: ends.here_bus.dropped)
    await proxy.up()


async def dripping(proxy: Proxy, ends: Ends) -> None:
    proxy.pace = 2_000
    await ends.say(20)


async def late(proxy: Proxy, ends: Ends) -> None:
    proxy.delay, proxy.jitter = 0.1, 0.1
    await ends.say(20)


TROUBLES: list[Trouble] = [
    reset_while_nothing_is_said,
    reset_again_and_again,
    reset_in_a_batch,
    answer_swallowed,
    dead_unnoticed,
    silent,
    away,
    dripping,
    late,
]
BY_DAY = [reset_again_and_again, answer_swallowed, dead_unnoticed, away]


@pytest.mark.parametrize("trouble", series(TROUBLES, BY_DAY), ids=lambda trouble: trouble.__name__)
async def test_hints_pass_again_both_ways(ends: Ends, trouble: Trouble) -> None:
    name, other = topic(), topic()
    there, here = list[bytes](), list[bytes]()
    ends.there.subscribe(name, there.append)
    ends.here.subscribe(other, here.append)
    await publish_until_heard(ends.back, name, there, b"before")
    await publish_until_heard(ends, other, here, b"before")
    await trouble(ends.proxy, ends)
    ends.proxy.mend()
    await publish_until_heard(ends.back, name, there, b"after")
    await publish_until_heard(ends, other, here, b"after")
    assert LOST not in [*there, *here]
