"""People at gateways."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
