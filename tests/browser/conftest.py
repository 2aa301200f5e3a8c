"""Chromium without a network but this machine."""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

ARGUMENTS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-dev-shm-usage"]


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """The system's Chromium; nothing of it is left running."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "Chromium is needed: scripts/system_packages.py --for-tests"
    arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else ARGUMENTS
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        await found.close()


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    """One for each test."""
    async with chromium() as found:
        yield found
