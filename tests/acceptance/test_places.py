"""Interrupted first starts, and a data folder with a long path."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.support.api_clients import Creator, faithful_node
from tests.support.engines import engine_folder
from tests.support.examples import series
from tests.support.gateway_process import (
    PATIENT,
    ForkedGateway,
    Gateway,
    forked_gateway,
    none_alive_in,
)
from tests.support.until import until

LONG_PATH = 120  # bytes
DATABASE, STORE = "postgres/pg/postmaster.pid", "objects/configuration/options"


@pytest_asyncio.fixture(loop_scope="session")
async def cold() -> AsyncIterator[Gateway]:
    """Yield a gateway that was never started, and stop it afterwards."""
    with engine_folder() as base:
        gateway = ForkedGateway(base / "data", **PATIENT)
        yield gateway
        await gateway.stop()
        await none_alive_in(gateway.data)


async def check_it_serves(gateway: Gateway) -> None:
    """Check that an upload and a job work, and that fsck finds nothing."""
    async with aiohttp.ClientSession() as http, faithful_node(http, gateway.url) as node:
        creator = Creator(http, gateway.url, f"{node.id}@example.org")
        await creator.register()
        payload = await creator.upload(b"BLENDER" + os.urandom(100_000))
        _, answer = await creator.dispatch("render", payload_ref=payload)
        await creator.job_within(answer["job_id"], "COMPLETED")
    code, said = await gateway.fsck()
    assert code == 0, said


@pytest.mark.parametrize(
    "everything",
    series([False, True], [False]),
    ids=["alone", "with what it started"],
)
async def test_killed_during_initdb_it_starts_the_next_time(
    cold: Gateway, everything: bool
) -> None:
    start = asyncio.ensure_future(cold.start())
    fresh = cold.data / "postgres" / "pg.new"
    await until((fresh / "base").exists)
    await (cold.kill_group() if everything else cold.kill())
    with pytest.raises(AssertionError, match="the gateway ended"):
        await start
    assert not (cold.data / "postgres" / "pg").exists()
    await cold.start()
    assert not fresh.exists()
    await check_it_serves(cold)


@pytest.mark.parametrize("part", series([DATABASE, STORE], [STORE]))
async def test_killed_while_it_starts_it_starts_the_next_time(cold: Gateway, part: str) -> None:
    start = asyncio.ensure_future(cold.start())
    await until((cold.data / part).exists)
    await cold.kill_group()
    with pytest.raises(AssertionError, match="the gateway ended"):
        await start
    await cold.start()
    await check_it_serves(cold)


async def test_a_long_data_folder_with_blanks_and_umlauts() -> None:
    name = "Daten für RenderTrust "
    base = Path(tempfile.gettempdir(), "engines-xxxxxxxx", name)
    async with forked_gateway(name + "x" * (LONG_PATH - len(bytes(base)))) as gateway:
        assert len(bytes(gateway.data)) >= LONG_PATH
        await check_it_serves(gateway)
        await gateway.kill()
        await gateway.start()
        await check_it_serves(gateway)
