"""Fixtures with one Chromium per worker, on the session's event loop; Chromium can reach only this
machine.
"""

import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect
from pytest_asyncio import is_async_test

SHELL = "chromium-headless-shell"  # needs half the processor time of the whole browser
WITHIN_MS = 240_000  # long, so that only a hang exceeds it
HERE = "EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1], EXCLUDE ::1"
ARGUMENTS = [
    f"--host-resolver-rules=MAP * ~NOTFOUND, {HERE}",
    "--disable-dev-shm-usage",
]
expect.set_options(timeout=WITHIN_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all async tests of this folder on the session's event loop, where the browser lives."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.heavy)
            if is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """Run the system's headless shell of Chromium until the block ends."""
    path = shutil.which(SHELL)
    assert path is not None, f"{SHELL} is needed: scripts/system_packages.py --for-tests"
    arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else ARGUMENTS
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        await found.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Yield the worker's browser, in which each test opens its own context."""
    async with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def database_template(migrated_database: str) -> str:
    """Return the name of the template database with the newest schema."""
    return migrated_database
