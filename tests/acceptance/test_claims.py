"""Two gateways over one database: one is killed, and the other takes over its checks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import asyncpg
import attrs
import pytest
import pytest_asyncio

from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from tests.acceptance.test_two_gateways import SHARED
from tests.support.api_clients import Creator
from tests.support.engines import engine_folder
from tests.support.fake_verifiers import EXACT, Verifiers, finds, renderer
from tests.support.gateway_process import PATIENT, ForkedGateway, Gateway, started
from tests.support.lent_engines import LentEngines

# A claim on a check lasts 30 seconds.
pytestmark = [pytest.mark.nightly, pytest.mark.heavy, pytest.mark.timeout(600)]
WITHIN = 180.0


@attrs.frozen
class Pair:
    """Two gateways of one database, ``dsn``, and their verifiers."""

    one: Gateway
    other: Gateway
    verifiers: Verifiers
    dsn: str


@pytest_asyncio.fixture(loop_scope="session")
async def pair(lent_engines: LentEngines) -> AsyncIterator[Pair]:
    verifiers = Verifiers.make(2)
    with lent_engines.lend() as engines, engine_folder() as folder:
        settings = {**PATIENT, **SHARED, **verifiers.settings, **engines}
        one, other = (ForkedGateway(folder / name, **settings) for name in ("one", "other"))
        dsn = engines["RENDERTRUST_DATABASE_OWNER_URL"]
        await verifiers.enrol(dsn)
        async with started(one), started(other):
            yield Pair(one, other, verifiers, dsn)


async def test_a_check_of_a_gateway_that_is_killed_is_made_at_the_other(pair: Pair) -> None:
    """The other gateway waits until the claim of the killed gateway expires."""
    held, made = asyncio.Event(), asyncio.Event()
    first, second = pair.verifiers.ids

    async def holds(node: FakeNode, dispatch: JobDispatch) -> None:
        held.set()

    async def checks(node: FakeNode, dispatch: JobDispatch) -> None:
        made.set()
        await finds(EXACT)(node, dispatch)

    async def claim() -> Any:
        return await books.fetchrow("SELECT claimed_by, verifier_id FROM checks")

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        books = await asyncpg.connect(pair.dsn)
        stack.push_async_callback(books.close)
        creator = Creator(http, pair.other.url, "jane@example.org")
        await creator.register()
        holder = pair.verifiers.node(pair.one.url, first, holds)
        for node in (holder, renderer(pair.other.url)):
            await stack.enter_async_context(node)
        status, placed = await creator.dispatch("render")
        assert status == 200, placed
        await asyncio.wait_for(held.wait(), WITHIN)
        before = await claim()
        await stack.enter_async_context(pair.verifiers.node(pair.other.url, second, checks))
        await pair.one.kill()
        assert not made.is_set(), "the claim of the killed gateway still holds"
        await creator.job_within(str(placed["job_id"]), "COMPLETED", within=WITHIN)
        after = await claim()
        assert before["claimed_by"] is not None
        assert after["claimed_by"] != before["claimed_by"]
        assert after["verifier_id"] == second
    code, said = await pair.other.fsck()
    assert code == 0, said
