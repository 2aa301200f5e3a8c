"""One Chromium per worker, which reaches this machine alone, on the loop of the session."""

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
WITHIN_MS = 240_000  # only what hangs is found by it
ARGUMENTS = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE [::1], EXCLUDE ::1",
    "--disable-dev-shm-usage",
]
expect.set_options(timeout=WITHIN_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on the loop of the session, where the browser lives."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.heavy)
            if is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """The headless shell of Chromium that the system has; nothing of it is left running."""
    path = shutil.which(SHELL)
    assert path is not None, f"{SHELL} is needed: scripts/system_packages.py --for-tests"
    arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else ARGUMENTS
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        await found.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The worker's browser; each test opens a context of its own in it."""
    async with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def database_template(migrated_database: str) -> str:
    """Every database has the newest schema."""
    return migrated_database
