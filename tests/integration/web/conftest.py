"""Fixtures with an HTTP site on a fresh, migrated database for each test."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person as AtFace
from tests.integration.web.accounts import register, with_role
from tests.support.api_description import our_contract
from tests.support.http_gateway import Face, Headers, face_with, settings_for_tests
from tests.support.patience import patient
from tests.support.proof_readers import Person
from tests.support.whole_gateway import Whole, whole

__all__ = ["patient"]
face = face_with()


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(trace_configs=[our_contract().watch()]) as session:
        yield session


@pytest.fixture
async def user(face: Face) -> Headers:
    """Register a user, and return their headers."""
    return await face.user()


@pytest.fixture
async def jane(face: Face) -> AtFace:
    """Register Jane, a creator."""
    return await register(face)


@pytest.fixture
async def admin(face: Face, database: PostgresEndpoint) -> AtFace:
    """Register Ann, an admin."""
    return await with_role(face, database.owner_dsn, "admin")


@pytest.fixture
async def gateway(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    """Run a whole gateway that gives each new user 100 credits."""
    async with whole(database, settings_for_tests(credits={"starter": "100"})) as running:
        yield running


@pytest.fixture
async def creator(gateway: Whole, http: aiohttp.ClientSession) -> Person:
    """Register a user at the whole gateway."""
    person = Person(http, gateway.url)
    await person.register()
    return person


@pytest.fixture
def no_answer_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch off the cache of answers about readiness and metrics."""
    monkeypatch.setattr("web.process.response_cache.SECONDS", 0.0)
