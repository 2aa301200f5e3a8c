"""Fixture with one gateway per module, so that no test sees what another module did."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.browser.console.stage import Stage, on_stage
from tests.support.engines import LoopThread
from tests.support.lent_engines import StartGateway


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def stage(engine_loop: LoopThread, start_gateway: StartGateway) -> AsyncIterator[Stage]:
    async with on_stage(engine_loop, start_gateway) as there:
        yield there
