"""Gateways of their own for tests that kill them, and people to use them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import aiohttp
import pytest

from tests.acceptance.gateway import Gateway, alive_in
from tests.acceptance.people import Creator, PlainNode
from tests.engines import engine_folder
from tests.until import until

NUMBERS = count(1)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway that has just started; afterwards nothing of it may be left running."""
    with engine_folder() as folder:
        running = Gateway(folder / "data", **PATIENT)
        await running.start()
        yield running
        await running.stop()
        await until(lambda: not alive_in(running.data), within=20)


# Tests register more people in a minute than anybody should.
PATIENT = {
    "RENDERTRUST_LIMITS_REGISTER": "10000",
    "RENDERTRUST_LIMITS_LOGIN": "10000",
    "RENDERTRUST_LIMITS_NODE": "10000",
}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def creator(gateway: Gateway, http: aiohttp.ClientSession) -> Creator:
    person = Creator(http, gateway.url, f"jane{next(NUMBERS)}@example.org")
    await person.register()
    return person


@pytest.fixture
def make_node(gateway: Gateway, http: aiohttp.ClientSession) -> Callable[..., Awaitable[PlainNode]]:
    """Registers a plain node that is healthy, without a socket yet."""

    async def make(*capabilities: str) -> PlainNode:
        node = PlainNode(http, gateway.url, capabilities or ("echo", "render"))
        await node.register()
        await node.heartbeat()
        return node

    return make
