"""Gateways that share the engines of a test worker, each with a separate database.

Such gateways start in a fraction of the usual time. Tests of a gateway's own engines (first start,
kills, backups, upgrades) use ``running_gateway`` instead.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from itertools import count
from types import MappingProxyType
from typing import Protocol

import pytest
import pytest_asyncio

from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.valkey import ValkeyEndpoint
from tests.support.databases import Databases
from tests.support.engines import LoopThread
from tests.support.gateway_process import Gateway, forked_gateway

VALKEY_DATABASES = 16
NOTHING: Mapping[str, str] = MappingProxyType({})


class LentEngines:
    """The engines of a worker; ``lend`` yields the settings with which a gateway uses them."""

    def __init__(
        self,
        loop: LoopThread,
        databases: Databases,
        template: str,
        valkey: ValkeyEndpoint,
        objects: ObjectsEndpoint,
    ) -> None:
        self._loop, self._databases, self._template = loop, databases, template
        self._valkey = valkey
        self._objects = {
            "RENDERTRUST_OBJECTS_URL": objects.url,
            "RENDERTRUST_OBJECTS_ACCESS_KEY": objects.access_key,
            "RENDERTRUST_OBJECTS_SECRET_KEY": objects.secret_key,
        }
        self._numbers = count()

    @contextmanager
    def lend(self) -> Generator[Mapping[str, str]]:
        """Yield settings for a fresh, migrated database and a numbered Valkey database."""
        database = self._loop.run(self._databases.take(self._template))
        try:
            yield self.settings(database)
        finally:
            self._loop.run(self._databases.drop(database))

    def settings(self, database: PostgresEndpoint) -> Mapping[str, str]:
        """Return settings for this database and the next numbered Valkey database."""
        number = next(self._numbers) % VALKEY_DATABASES
        return self._objects | {
            "RENDERTRUST_DATABASE_URL": database.app_dsn,
            "RENDERTRUST_DATABASE_OWNER_URL": database.owner_dsn,
            "RENDERTRUST_REDIS_URL": f"{self._valkey.url}?db={number}",
        }


class StartGateway(Protocol):
    """Type of ``start_gateway``: starts a gateway over lent engines with additional settings."""

    def __call__(self, **settings: str) -> AbstractAsyncContextManager[Gateway]: ...


@pytest.fixture(scope="session")
def lent_engines(
    engine_loop: LoopThread,
    databases: Databases,
    migrated_database: str,
    valkey_endpoint: ValkeyEndpoint,
    objects_endpoint: ObjectsEndpoint,
) -> LentEngines:
    """The engines that all gateways of this worker share."""
    return LentEngines(engine_loop, databases, migrated_database, valkey_endpoint, objects_endpoint)


@pytest.fixture(scope="session")
def start_gateway(lent_engines: LentEngines) -> StartGateway:
    """A function to start gateways: ``async with start_gateway(**settings) as gateway``."""

    @asynccontextmanager
    async def start(**settings: str) -> AsyncGenerator[Gateway]:
        with lent_engines.lend() as engines:
            async with forked_gateway(**engines, **settings) as gateway:
                yield gateway

    return start


def gateway_with(
    settings: Mapping[str, str] = NOTHING, *, prices: Mapping[str, str] = NOTHING
) -> Callable[..., AsyncIterator[Gateway]]:
    """Return a fixture that starts one gateway per module, with these settings and prices."""

    @pytest_asyncio.fixture(scope="module", loop_scope="session")
    async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
        async with start_gateway(**settings) as running:
            for job_type, price in prices.items():
                words = ("prices", "set", job_type, price, "--reason", "to see what is charged")
                code, said = await running.run("admin", *words)
                assert code == 0, said
            yield running

    return gateway
