"""A migrated database for each test, and people at its gateways."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest


@pytest.fixture(scope="session")
def database_template(migrated_template: str) -> str:
    """The newest schema."""
    return migrated_template


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
