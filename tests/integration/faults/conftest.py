"""Two gateways on the same engines: one of them reaches these by proxies that are in trouble."""

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
    """All on one loop: the tests of a module share their gateways."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="module")
def books(
    engine_loop: LoopThread, databases: Databases, database_template: str
) -> Iterator[PostgresEndpoint]:
    """A database of the module's own."""
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
    """Settings of both gateways beside the engines."""
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
    """As many at once as there are; every answer is held against the description of the API."""
    connector, watch = aiohttp.TCPConnector(limit=0), our_contract().watch()
    async with aiohttp.ClientSession(connector=connector, trace_configs=[watch]) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _mended(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Whatever becomes of a test, the next one begins without its trouble."""
    yield
    if "gateway" in request.fixturenames:
        await request.getfixturevalue("gateway").mend()
