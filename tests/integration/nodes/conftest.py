"""Fixtures with users of gateways."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_clients import Creator
from tests.support.http_gateway import settings_for_tests
from tests.support.patience import patient
from tests.support.whole_gateway import Whole, whole

__all__ = ["patient"]


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def site(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    async with whole(database, settings_for_tests()) as running:
        yield running


@pytest.fixture
async def jane(site: Whole, http: aiohttp.ClientSession) -> Creator:
    person = Creator(http, site.url, "jane@example.org")
    await person.register()
    return person
