"""Rate limits that several gateways count together, and their behaviour without Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.engine_account import engine_account
from supervisors.engines.rates_valkey import SharedRates
from supervisors.engines.system_clock import SystemClock
from supervisors.engines.valkey import EmbeddedValkey, ValkeyEndpoint
from tests.support.engines import engine_folder
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from web.http.problem import Problem
from web.http.rate_limits import NOT_COUNTED, RateLimits, RateState

MOST = 20


class Gateways:
    """Two gateways that count together, and the server that holds their counts."""

    def __init__(self, data: Path) -> None:
        self._engine = EmbeddedValkey(data, account=engine_account())
        self._endpoint = CurrentEndpoint[ValkeyEndpoint]()
        clock, limits = SystemClock(), settings_for_tests(limits={"login": MOST, "read": MOST})
        self._shared = [SharedRates(self._endpoint, lambda: clock.now().timestamp()) for _ in "ab"]
        self.here, self.there = (
            RateLimits(limits.limits, clock, shared) for shared in self._shared
        )

    async def bring_back(self) -> None:
        self._endpoint.set(await self._engine.start())

    async def take_away(self) -> None:
        await self._engine.stop()

    async def close(self) -> None:
        for shared in self._shared:
            await shared.close()
        await self._engine.stop()


@pytest.fixture(autouse=True)
def _long_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait long for answers, so that a busy machine does not look like a lost server."""
    monkeypatch.setattr("web.http.rate_limits.SHARED_SECONDS", 60.0)
    monkeypatch.setattr("supervisors.engines.rates_valkey.ANSWER_SECONDS", 60.0)


@pytest.fixture(scope="module")
def valkey_data() -> Iterator[Path]:
    with engine_folder() as folder:
        yield folder


@pytest.fixture
async def gateways(valkey_data: Path) -> AsyncIterator[Gateways]:
    both = Gateways(valkey_data)
    await both.bring_back()
    yield both
    await both.close()


async def counted(rates: RateLimits, rate: str, subject: str) -> RateState:
    standing = await rates.count(rate, subject)
    assert not isinstance(standing, Problem)
    return standing


async def test_of_many_at_once_at_both_exactly_as_many_are_let_in_as_may(
    gateways: Gateways,
) -> None:
    subject = str(uuid4())
    both = (gateways.here, gateways.there)
    asked = [counted(both[number % 2], "login", subject) for number in range(5 * MOST)]
    found = await asyncio.gather(*asked)
    assert sum(not standing.is_over for standing in found) == MOST
    left = sorted(standing.remaining for standing in found if not standing.is_over)
    assert left == list(range(MOST))


async def test_what_the_other_began_ends_when_it_says(gateways: Gateways) -> None:
    subject, began = str(uuid4()), time.monotonic()
    first = await counted(gateways.here, "read", subject)
    second = await counted(gateways.there, "read", subject)
    passed = time.monotonic() - began
    assert (first.remaining, second.remaining) == (MOST - 1, MOST - 2)
    assert 60 - passed <= first.seconds <= 60
    assert 59 - passed <= second.seconds <= 61


async def test_without_redis_each_counts_alone_and_passwords_are_not_tried(
    gateways: Gateways,
) -> None:
    subject = str(uuid4())
    await counted(gateways.here, "read", subject)
    await gateways.take_away()
    assert await gateways.here.count("login", subject) is NOT_COUNTED
    assert NOT_COUNTED.status == 503
    assert int(NOT_COUNTED.headers["Retry-After"]) >= 1
    for number in range(MOST):
        standing = await counted(gateways.here, "read", subject)
        assert standing.remaining == MOST - number - 1  # the gateway counts alone, with a limit
    assert (await counted(gateways.here, "read", subject)).is_over

    await gateways.bring_back()
    await until(lambda: is_counted_again(gateways, subject))


async def is_counted_again(gateways: Gateways, subject: str) -> bool:
    return isinstance(await gateways.here.count("login", subject), RateState)
