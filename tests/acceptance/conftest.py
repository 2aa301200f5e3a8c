"""Fixtures with gateways that tests may kill, and with clients of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpServer
from pytest_asyncio import is_async_test

from tests.support.api_clients import Creator, PlainNode
from tests.support.api_description import our_contract
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway

NUMBERS = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all async tests of this folder on one event loop, as the tests of a module may share a
    gateway.
    """
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    """Yield a gateway that has just started; a module may override it."""
    async with start_gateway() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def aiohttp_server() -> AsyncIterator[AiohttpServer]:
    """Start servers as pytest-aiohttp does, but on the loop that all tests share."""
    async with AsyncExitStack() as running:

        async def start(app: web.Application, **options: Any) -> TestServer:
            server = TestServer(app, **options)
            await server.start_server()
            running.push_async_callback(server.close)
            return server

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session that compares each answer with the API's description."""
    async with aiohttp.ClientSession(trace_configs=[our_contract().watch()]) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def creator(gateway: Gateway, http: aiohttp.ClientSession) -> Creator:
    person = Creator(http, gateway.url, f"jane{next(NUMBERS)}@example.org")
    await person.register()
    return person


@pytest_asyncio.fixture(loop_scope="session")
async def make_node(
    gateway: Gateway, http: aiohttp.ClientSession
) -> AsyncIterator[Callable[..., Awaitable[PlainNode]]]:
    """Yield a function that registers a healthy plain node without a socket."""
    nodes: list[PlainNode] = []

    async def make(*capabilities: str) -> PlainNode:
        node = PlainNode(http, gateway.url, capabilities or ("echo", "render"))
        nodes.append(node)
        await node.register()
        await node.heartbeat()
        return node

    yield make
    for node in nodes:
        await node.leave()
