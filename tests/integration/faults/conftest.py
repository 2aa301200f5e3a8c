"""Two gateways on the same engines; one gateway reaches the engines through faulty proxies."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.valkey import ValkeyEndpoint
from tests.faults.gateway import Engines, FaultyGateway, faulty_gateway
from tests.support.api_description import our_contract
from tests.support.databases import Databases
from tests.support.engines import LoopThread


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all async tests of this folder on one event loop, as the tests of a module share their
    gateways.
    """
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="module")
def books(
    engine_loop: LoopThread, databases: Databases, database_template: str
) -> Iterator[PostgresEndpoint]:
    """Yield a database for the tests of one module."""
    fresh = engine_loop.run(databases.take(database_template))
    yield fresh
    engine_loop.run(databases.drop(fresh))


@pytest.fixture(scope="module")
def engines(
    books: PostgresEndpoint, valkey_endpoint: ValkeyEndpoint, objects_endpoint: ObjectsEndpoint
) -> Engines:
    return Engines(books, valkey_endpoint, objects_endpoint)


@pytest.fixture(scope="module")
def sections() -> dict[str, dict[str, Any]]:
    """Settings of both gateways, except the settings of the engines."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(
    engines: Engines, sections: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultyGateway]:
    async with faulty_gateway(engines, tmp_path_factory.mktemp("here"), **sections) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neighbour(
    engines: Engines, sections: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultyGateway]:
    async with faulty_gateway(engines, tmp_path_factory.mktemp("there"), **sections) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session without a limit of connections, which compares each answer with the API's
    description.
    """
    connector, watch = aiohttp.TCPConnector(limit=0), our_contract().watch()
    async with aiohttp.ClientSession(connector=connector, trace_configs=[watch]) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _remove_faults(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Remove a test's faults afterwards, however the test ends."""
    yield
    if "gateway" in request.fixturenames:
        await request.getfixturevalue("gateway").mend()
