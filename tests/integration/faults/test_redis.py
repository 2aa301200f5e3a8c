"""A gateway with a faulty connection to Redis: it counts alone, refuses logins, and recovers."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import attrs
import pytest
import pytest_asyncio

from tests.faults.gateway import FaultyGateway
from tests.faults.orders import NUMBERS
from tests.faults.proxy import Proxy
from tests.faults.proxy_troubles import away, resetting, silent
from tests.support.api_clients import Creator
from tests.support.examples import series
from tests.support.until import until

ANSWER_SECONDS = 30.0  # half a second's wait for Redis, and time for a busy machine
REVOKED_SECONDS = 30.0
LIMIT = 1000
# redis-py does not close the writer of a connection that was reset during a write.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")
PASSWORD = "securepassword123"


@pytest.fixture(scope="module")
def sections() -> dict[str, dict[str, Any]]:
    """Settings with which both gateways count together."""
    return {"limits": {"shared": True, "login": LIMIT, "read": LIMIT}}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _short_silence() -> AsyncIterator[None]:
    """Treat a silent connection as dead after two seconds instead of twelve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supervisors.engines.bus_valkey.PING_SECONDS", 0.5)
        patch.setattr("supervisors.engines.bus_valkey.SILENCE_SECONDS", 2.0)
        yield


async def hanging_up_on_every_command(proxy: Proxy) -> None:
    proxy.cut(b"\r\n", back=True, times=10_000)


async def late(proxy: Proxy) -> None:
    proxy.delay = 0.3


AWAY = [silent, away, resetting, hanging_up_on_every_command, late]
BY_DAY = [silent, away]


@attrs.frozen
class Person:
    """A user at one of the gateways."""

    http: aiohttp.ClientSession
    creator: Creator

    async def reads(self) -> tuple[int, int]:
        """Read the balance; return the status, and how many reads are left."""
        headers = {"Authorization": f"Bearer {self.creator.token}"}
        url = f"{self.creator.url}/api/v1/credits/balance"
        async with self.in_time(), self.http.get(url, headers=headers) as answer:
            await answer.read()
            return answer.status, int(answer.headers.get("RateLimit-Remaining", "-1"))

    async def logs_in(self) -> int:
        body = {"email": self.creator.email, "password": PASSWORD}
        async with self.in_time():
            status, answer = await self.creator.once("POST", "/auth/login", body)
        if status == 200:
            self.creator.token = answer["access_token"]
        return status

    async def can_log_in(self) -> bool:
        return await self.logs_in() == 200

    @asynccontextmanager
    async def in_time(self) -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        yield
        assert loop.time() - began < ANSWER_SECONDS


async def person(http: aiohttp.ClientSession, url: str) -> Person:
    creator = Creator(http, url, "")

    async def registered() -> bool:
        creator.email = f"p{next(NUMBERS)}@example.org"
        return await creator.can_register()

    await until(registered)
    return Person(http, creator)


async def hint_passes(here: FaultyGateway, there: FaultyGateway) -> None:
    topic, received = f"test:{uuid4()}", list[bytes]()
    subscription = there.application.outside.bus.subscribe(topic, received.append)

    async def said_and_heard() -> bool:
        await here.application.outside.bus.publish(topic, b"hint")
        return bool(received)

    await until(said_and_heard)
    subscription.close()


@pytest.mark.parametrize("trouble", series(AWAY, BY_DAY), ids=lambda trouble: trouble.__name__)
async def test_without_redis_it_counts_alone_guards_passwords_and_comes_back(
    gateway: FaultyGateway,
    neighbour: FaultyGateway,
    http: aiohttp.ClientSession,
    trouble: Callable[[Proxy], Awaitable[None]],
) -> None:
    jane, ben = await person(http, gateway.url), await person(http, neighbour.url)
    await hint_passes(gateway, neighbour)
    await hint_passes(neighbour, gateway)
    await trouble(gateway.redis)
    await gateway.becomes(http, "redis", "unavailable")
    await gateway.becomes(http, "status", "degraded")
    await neighbour.becomes(http, "status", "ready")
    await check_counts_alone(jane, ben)
    await log_out_at(jane, neighbour)
    gateway.redis.mend()
    await gateway.redis.up()
    await until(jane.can_log_in)
    await gateway.becomes(http, "status", "ready")
    await until(lambda: are_counted_together(jane, neighbour))
    await hint_passes(gateway, neighbour)
    await hint_passes(neighbour, gateway)


async def check_counts_alone(jane: Person, ben: Person) -> None:
    """Check that Jane can read and submit up to her limit; only Ben, at the neighbour, can
    log in.
    """
    left = []
    for _ in range(5):
        assert await jane.logs_in() == 503
        await until(ben.can_log_in)
        status, remaining = await jane.reads()
        assert status == 200
        left.append(remaining)
        assert (await jane.creator.dispatch("echo", queue=True))[0] == 202
    assert left == [LIMIT - number - 1 for number in range(5)]


async def log_out_at(jane: Person, neighbour: FaultyGateway) -> None:
    """Log out at the neighbour, and wait until this gateway refuses the token without Redis."""
    there = dataclasses.replace(jane.creator, url=neighbour.url)
    assert (await there.call("POST", "/auth/logout"))[0] == 200

    async def refused() -> bool:
        return (await jane.reads())[0] == 401

    await until(refused, within=REVOKED_SECONDS)


async def are_counted_together(jane: Person, neighbour: FaultyGateway) -> bool:
    _, here = await jane.reads()
    _, there = await attrs.evolve(
        jane, creator=dataclasses.replace(jane.creator, url=neighbour.url)
    ).reads()
    return there == here - 1
