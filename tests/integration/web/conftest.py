"""A site on a fresh, migrated database for each test."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest

from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_description import our_contract
from tests.support.http_gateway import Face, serving, settings_for_tests
from tests.support.proof_readers import Person
from tests.support.whole_gateway import Whole


@pytest.fixture
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """Development's settings, without rate limits."""
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests()) as running:
        yield running
    await pool.close()


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(trace_configs=[our_contract().watch()]) as session:
        yield session


@pytest.fixture
async def jane(gateway: Whole, http: aiohttp.ClientSession) -> Person:
    """Somebody at the whole gateway that a module has."""
    person = Person(http, gateway.url)
    await person.register()
    return person


@pytest.fixture
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each question about readiness and metrics get an answer of its own."""
    monkeypatch.setattr("web.process.response_cache.SECONDS", 0.0)
