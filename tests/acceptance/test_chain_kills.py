"""A gateway with an embedded chain: gateway, chain node or both are killed; no nonce is
used twice.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from supervisors.engines.offline_postgres import kept_endpoint
from tests.acceptance.test_chain_restore import entry_of
from tests.support.databases import fetch
from tests.support.examples import series
from tests.support.gateway_process import (
    Gateway,
    alive_in,
    forked_gateway,
)
from tests.support.lent_engines import StartGateway
from tests.support.proof_readers import Person
from tests.support.until import until

pytestmark = pytest.mark.heavy
# All fail points from the log's commit to the anchor's confirmation.
POINTS = [
    "before_log.CheckpointRow:1",
    "after_log.CheckpointRow:1",
    "before_kept.SentRow:1",
    "after_kept.SentRow:1",
    "after_sent.SentRow:2",
    "before_confirmed.SentRow:1",
    "after_confirmed.SentRow:1",
]

BY_DAY = ["after_sent.SentRow:2"]  # the transaction was sent, and its outcome is unknown
SETTINGS = {
    "RENDERTRUST_CHAIN_URL": "embedded",
    "RENDERTRUST_CHAIN_ANCHOR_SECONDS": "0",
    "RENDERTRUST_PROOF_CHECKPOINT_SECONDS": "0.2",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    async with start_gateway(**SETTINGS) as running, aiohttp.ClientSession() as http:
        # A node that stops while it makes its first block may keep the nonce but lose the block.
        await verified(http, running)
        yield running


def dsn_of(gateway: Gateway) -> str:
    """Return the URL of the gateway's database, external or embedded."""
    if (lent := gateway.settings.get("RENDERTRUST_DATABASE_URL")) is not None:
        return lent
    endpoint = kept_endpoint(gateway.data)
    assert endpoint is not None
    return endpoint.app_dsn


async def sent(gateway: Gateway) -> list[Any]:
    return list(await fetch(dsn_of(gateway), "SELECT * FROM chain_transactions ORDER BY nonce"))


async def verified(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Check that a new entry is verified on the chain, and that nonces have no gap."""
    person = Person(http, gateway.url)
    await person.register()
    path = f"/ledger/{await entry_of(person)}/verify"

    async def done() -> bool:
        status, found = await person.call("GET", path)
        assert status in (200, 503), found
        return bool(status == 200 and found["verified"])

    await until(done)
    rows = await sent(gateway)
    assert [row["nonce"] for row in rows] == list(range(len(rows)))
    sizes = [row["size"] for row in rows if row["size"] is not None]
    assert sizes == sorted(set(sizes))
    assert [row["error"] for row in rows if row["error"]] == []
    assert len({row["contract"] for row in rows}) == 1


@pytest.mark.parametrize("point", series(POINTS, BY_DAY))
async def test_the_gateway_dies_between_signing_and_confirming(
    gateway: Gateway, point: str
) -> None:
    async with aiohttp.ClientSession() as http:
        await gateway.restart(RENDERTRUST_CRASH_AT=point)
        busy = asyncio.create_task(register_users(http, gateway))
        assert await gateway.ended() == -signal.SIGKILL
        await busy
        await gateway.start()
        await verified(http, gateway)


@pytest.mark.parametrize("point", series(POINTS, BY_DAY))
@pytest.mark.parametrize("both", [False, True], ids=["the node", "both"])
async def test_the_chains_node_dies_at_a_point_or_both_do(
    gateway: Gateway, point: str, *, both: bool
) -> None:
    """The gateway pauses at the point, and is killed there without a chance to clean up."""
    async with aiohttp.ClientSession() as http:
        await gateway.restart(RENDERTRUST_PAUSE_AT=point)
        process = gateway.process
        assert process is not None
        busy = asyncio.create_task(register_users(http, gateway))
        await until(lambda: stands_still(process.pid))
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
        for pid in chain_of(gateway):
            os.kill(pid, signal.SIGKILL)
        if both:
            await gateway.kill()
            await gateway.start()
        else:
            process.send_signal(signal.SIGCONT)
        await verified(http, gateway)


def stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def chain_of(gateway: Gateway) -> list[int]:
    """Return the process ids of the chain node and, before it, of its tether, which would stop the
    node in order.
    """
    (node,) = [pid for pid in alive_in(gateway.data) if runs_anvil(pid)]
    parent = int(Path(f"/proc/{node}/stat").read_text().rpartition(")")[2].split()[1])
    assert gateway.process is not None
    return [*([parent] if parent != gateway.process.pid else []), node]


async def register_users(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Register users one after another while the gateway lives."""
    while gateway.process is not None and gateway.process.returncode is None:
        try:
            await register_one(http, gateway)
        except (aiohttp.ClientError, KeyError):
            return


async def register_one(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Register a user, and wait until their entry is in the log."""
    person = Person(http, gateway.url)
    await person.register()
    entry = await entry_of(person)

    async def logged() -> bool:
        status, _ = await person.call("GET", f"/ledger/{entry}/proof")
        return status == 200

    await until(logged)


async def test_the_chains_node_dies_and_loses_its_newest_blocks(gateway: Gateway) -> None:
    async with aiohttp.ClientSession() as http:
        await verified(http, gateway)
        for _ in range(2):
            (node,) = [pid for pid in alive_in(gateway.data) if runs_anvil(pid)]
            os.kill(node, signal.SIGKILL)
            await verified(http, gateway)


def runs_anvil(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/anvil")


@pytest.mark.nightly
async def test_all_of_it_dies() -> None:
    async with (
        forked_gateway(**SETTINGS) as gateway,
        aiohttp.ClientSession() as http,
    ):
        await verified(http, gateway)
        await Person(http, gateway.url).register()
        await gateway.kill_group()
        await gateway.start()
        await verified(http, gateway)


async def test_after_all_these_deaths_the_books_and_the_chain_agree(gateway: Gateway) -> None:
    code, said = await gateway.fsck()
    assert code == 0, said
