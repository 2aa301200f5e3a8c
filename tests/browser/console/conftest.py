"""One gateway and one browser for all tests of the console, on one loop."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from pytest_asyncio import is_async_test

from tests.browser.conftest import chromium
from tests.browser.console.stage import Stage, on_stage
from tests.support.engines import LoopThread


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on the loop of the session."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.heavy)
            if is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def stage(engine_loop: LoopThread) -> AsyncIterator[Stage]:
    async with on_stage(engine_loop) as there:
        yield there


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all."""
    async with chromium() as found:
        yield found
