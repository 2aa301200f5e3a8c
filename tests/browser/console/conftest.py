"""One gateway for all tests of the console that do not change what others see."""

from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
import pytest_asyncio

from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.valkey import ValkeyEndpoint
from tests.browser.console.stage import Stage, on_stage
from tests.support.databases import Databases
from tests.support.engines import LoopThread


@pytest.fixture(scope="session")
def stage_database(
    engine_loop: LoopThread, databases: Databases, migrated_database: str
) -> Iterator[PostgresEndpoint]:
    """The stage's own database."""
    fresh = engine_loop.run(databases.take(migrated_database))
    yield fresh
    engine_loop.run(databases.drop(fresh))


@pytest.fixture(scope="session")
def lent(valkey_endpoint: ValkeyEndpoint, objects_endpoint: ObjectsEndpoint) -> Mapping[str, str]:
    """Settings of gateways that use the run's Valkey and object store."""
    return {
        "RENDERTRUST_REDIS_URL": valkey_endpoint.url,
        "RENDERTRUST_OBJECTS_URL": objects_endpoint.url,
        "RENDERTRUST_OBJECTS_ACCESS_KEY": objects_endpoint.access_key,
        "RENDERTRUST_OBJECTS_SECRET_KEY": objects_endpoint.secret_key,
    }


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def stage(
    engine_loop: LoopThread, stage_database: PostgresEndpoint, lent: Mapping[str, str]
) -> AsyncIterator[Stage]:
    async with on_stage(engine_loop, stage_database, lent) as there:
        yield there
