"""Two gateways with shared rate limits, one with a faulty connection to Redis: nobody exceeds a
limit.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio.connection import AbstractConnection

from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.rates_valkey import SharedRates
from supervisors.engines.system_clock import SystemClock
from supervisors.engines.valkey import ValkeyEndpoint
from tests.faults.place import of_redis, redis_by
from tests.faults.proxy import Proxy
from tests.faults.proxy_troubles import away, silent
from tests.support.examples import series
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from web.http.problem import Problem
from web.http.rate_limits import NOT_COUNTED, RateLimits, RateState

pytestmark = pytest.mark.heavy
MOST = 20
ANSWER_SECONDS = 30.0  # half a second's wait for Redis, and time for a busy machine
SCRIPT = b"EVALSHA"


class Gateways:
    """Two gateways that count together, ``here`` through the proxy; ``let_in`` counts accepted
    attempts.
    """

    def __init__(self, proxy: Proxy, endpoint: ValkeyEndpoint) -> None:
        self.proxy, self.clock = proxy, SystemClock()
        by_proxy = ValkeyEndpoint(redis_by(proxy, endpoint.url))
        self._shared = [self._counting(at) for at in (by_proxy, endpoint)]
        limits = settings_for_tests(limits={"login": MOST, "read": MOST}).limits
        self.here, self.there = (RateLimits(limits, self.clock, shared) for shared in self._shared)
        self.subject = str(uuid4())
        self.let_in = 0

    def _counting(self, endpoint: ValkeyEndpoint) -> SharedRates:
        return SharedRates(CurrentEndpoint(endpoint), lambda: self.clock.now().timestamp())

    async def knock(self, rates: RateLimits, rate: str = "login") -> RateState | Problem:
        began = self.clock.monotonic()
        found = await rates.count(rate, self.subject)
        assert self.clock.monotonic() - began < ANSWER_SECONDS
        self.let_in += isinstance(found, RateState) and not found.is_over
        return found

    async def is_together(self) -> bool:
        """Return True if one gateway sees what the other counts."""
        self.subject = str(uuid4())
        first, second = await self.knock(self.here), await self.knock(self.there)
        return (
            isinstance(first, RateState)
            and isinstance(second, RateState)
            and (second.remaining == first.remaining - 1)
        )

    def idle_connections(self) -> list[AbstractConnection]:
        """Return the connections of ``here`` that are idle now."""
        opened = getattr(self._shared[0], "_open")  # noqa: B009 - nobody else needs it
        assert opened is not None
        return list(getattr(opened[1], "_available_connections"))  # noqa: B009 - redis keeps it private

    async def close(self) -> None:
        for shared in self._shared:
            await shared.close()


@pytest.fixture
def long_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait long for answers of a busy machine; request this fixture before ``gateways``."""
    monkeypatch.setattr("web.http.rate_limits.SHARED_SECONDS", ANSWER_SECONDS)
    monkeypatch.setattr("supervisors.engines.rates_valkey.ANSWER_SECONDS", ANSWER_SECONDS)


@pytest_asyncio.fixture(loop_scope="session")
async def gateways(valkey_endpoint: ValkeyEndpoint) -> AsyncIterator[Gateways]:
    async with Proxy(of_redis(valkey_endpoint.url), seed=3) as proxy:
        both = Gateways(proxy, valkey_endpoint)
        await until(both.is_together)
        yield both
        await both.close()


Trouble = Callable[[Proxy], Awaitable[None]]


async def resetting(proxy: Proxy) -> None:
    proxy.resets = True


async def cut_before_it_counts(proxy: Proxy) -> None:
    proxy.cut(SCRIPT, times=100)


async def counted_and_not_answered(proxy: Proxy) -> None:
    proxy.swallow(SCRIPT, times=100)


async def dead_unnoticed(proxy: Proxy) -> None:
    proxy.strand(SCRIPT, times=100)


async def dripping(proxy: Proxy) -> None:
    proxy.pace = 400


async def late_now_and_then(proxy: Proxy) -> None:
    proxy.jitter = 0.3


TROUBLES: list[Trouble] = [
    resetting,
    cut_before_it_counts,
    counted_and_not_answered,
    dead_unnoticed,
    silent,
    away,
    dripping,
    late_now_and_then,
]
BY_DAY = [resetting, counted_and_not_answered, away]


@pytest.mark.parametrize("trouble", series(TROUBLES, BY_DAY), ids=lambda trouble: trouble.__name__)
async def test_nobody_gets_in_too_often_and_what_is_no_guard_goes_on(
    gateways: Gateways, trouble: Trouble
) -> None:
    """A login that cannot be counted together is refused; other requests are counted by each
    gateway alone.
    """
    gateways.subject, gateways.let_in = str(uuid4()), 0
    await trouble(gateways.proxy)
    for _ in range(MOST // 2):
        await asyncio.gather(*(gateways.knock(g) for g in 3 * (gateways.here, gateways.there)))
    assert gateways.let_in <= MOST
    gateways.let_in = 0
    found = [await gateways.knock(gateways.here, "read") for _ in range(3 * MOST)]
    assert NOT_COUNTED not in found
    assert MOST <= gateways.let_in <= 2 * MOST  # MOST counted alone, perhaps after some together
    gateways.proxy.mend()
    await gateways.proxy.up()
    await until(gateways.is_together)


@pytest.mark.parametrize("turns", [0, 1, 20], ids=["unnoticed", "just now", "noticed"])
async def test_a_connection_that_was_reset_while_nothing_was_counted(
    gateways: Gateways, turns: int
) -> None:
    """A user sends a request ``turns`` turns of the loop after the reset."""
    gateways.proxy.break_off()
    for _ in range(turns):
        await asyncio.sleep(0)
    await gateways.knock(gateways.here)
    await until(gateways.is_together)


async def test_a_reset_of_many_idle_connections_costs_nobody_an_answer(
    long_answers: None, gateways: Gateways
) -> None:
    """Each connection is made again when it is needed after the reset."""
    await asyncio.gather(*(gateways.knock(gateways.here) for _ in range(MOST)))
    idle = gateways.idle_connections()
    assert len(idle) == MOST
    gateways.proxy.break_off()
    await until(lambda: all(is_reset(connection) for connection in idle))
    for _ in range(2):
        knocks = (gateways.knock(gateways.here) for _ in range(MOST))
        assert NOT_COUNTED not in await asyncio.gather(*knocks)


def is_reset(connection: AbstractConnection) -> bool:
    reader = getattr(connection, "_reader")  # noqa: B009 - redis keeps it private
    return reader is not None and reader.exception() is not None
