"""Gateways over engines that all tests of a worker share, each with a database of its own.

They start in a fraction of the time. Tests of the engines that a gateway brings itself (its first
start, a kill of all that it started, backups, upgrades) use ``running_gateway`` instead.
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
    """The worker's engines; ``lend`` gives the settings by which a gateway uses them."""

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
        """With a fresh database, migrated already, and a number of Valkey's of its own."""
        database = self._loop.run(self._databases.take(self._template))
        try:
            yield self.settings(database)
        finally:
            self._loop.run(self._databases.drop(database))

    def settings(self, database: PostgresEndpoint) -> Mapping[str, str]:
        """The same over that database."""
        number = next(self._numbers) % VALKEY_DATABASES
        return self._objects | {
            "RENDERTRUST_DATABASE_URL": database.app_dsn,
            "RENDERTRUST_DATABASE_OWNER_URL": database.owner_dsn,
            "RENDERTRUST_REDIS_URL": f"{self._valkey.url}?db={number}",
        }


class StartGateway(Protocol):
    """Start a gateway over lent engines, with these settings beside."""

    def __call__(self, **settings: str) -> AbstractAsyncContextManager[Gateway]: ...


@pytest.fixture(scope="session")
def lent_engines(
    engine_loop: LoopThread,
    databases: Databases,
    migrated_database: str,
    valkey_endpoint: ValkeyEndpoint,
    objects_endpoint: ObjectsEndpoint,
) -> LentEngines:
    """What gateways of this worker use together."""
    return LentEngines(engine_loop, databases, migrated_database, valkey_endpoint, objects_endpoint)


@pytest.fixture(scope="session")
def start_gateway(lent_engines: LentEngines) -> StartGateway:
    """``async with start_gateway(**settings) as gateway``: one that has just started."""

    @asynccontextmanager
    async def start(**settings: str) -> AsyncGenerator[Gateway]:
        with lent_engines.lend() as engines:
            async with forked_gateway(**engines, **settings) as gateway:
                yield gateway

    return start


def gateway_with(
    settings: Mapping[str, str] = NOTHING, *, prices: Mapping[str, str] = NOTHING
) -> Callable[..., AsyncIterator[Gateway]]:
    """Make a fixture: one gateway for a whole module, with these settings and prices."""

    @pytest_asyncio.fixture(scope="module", loop_scope="session")
    async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
        async with start_gateway(**settings) as running:
            for job_type, price in prices.items():
                words = ("prices", "set", job_type, price, "--reason", "to see what is charged")
                code, said = await running.run("admin", *words)
                assert code == 0, said
            yield running

    return gateway
