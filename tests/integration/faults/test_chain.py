"""A gateway with a faulty connection to its chain: jobs go on, and each anchor is sent once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import attrs
import pytest
import pytest_asyncio
from eth_account import Account

from config.settings import Chain as ChainSettings
from sql.anchors import Anchors
from sql.database import Database
from sql.fsck import run_fsck
from supervisors.chain_audit import anchor_settings, audit_chain
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from tests.faults.chain import SEND, FaultyNode
from tests.faults.gateway import Engines, FaultyGateway, faulty_gateway
from tests.faults.orders import ACCEPTED, Orders, register_customer
from tests.integration.engines.test_anchor_on_a_node import rpc
from tests.support.anchors_on_chain import anchors_on
from tests.support.examples import series
from tests.support.until import until

pytestmark = pytest.mark.heavy
ANSWER_SECONDS = 30.0  # longer than a busy machine needs for an answer
KEY = Account.create().key.hex()


@attrs.frozen
class Chained:
    """A gateway, the faulty node that it asks, and the sound node behind the faulty one."""

    gateway: FaultyGateway
    node: FaultyNode
    anvil: ChainEndpoint
    books: PostgresEndpoint


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(anvil: ChainEndpoint) -> AsyncIterator[FaultyNode]:
    await rpc(anvil.url, "anvil_setBalance", Account.from_key(KEY).address, hex(10**20))
    async with FaultyNode(anvil.url) as node:
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chained(
    engines: Engines,
    anvil: ChainEndpoint,
    node: FaultyNode,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Chained]:
    """Run a gateway that reads its chain all the time and anchors everything."""
    chain = {
        "url": node.url,
        "chain_id": anvil.chain_id,
        "key": KEY,
        "anchor_seconds": 0.0,
        "confirmations": 1,
    }
    proof = {"key": "07" * 32, "checkpoint_seconds": 0.2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supervisors.actor_settings.anchor_settings", eager)
        patch.setattr("actors.anchor.actor.AWAY_SECONDS", 0.2)
        patch.setattr("supervisors.engines.chain_web3.CALL_SECONDS", 1.0)
        data = tmp_path_factory.mktemp("chained")
        async with faulty_gateway(engines, data, chain=chain, proof=proof) as running:
            yield Chained(running, node, anvil, engines.postgres)


def eager(given: ChainSettings) -> Any:
    return attrs.evolve(anchor_settings(given), every_seconds=0.1)


@pytest.fixture(autouse=True)
def _node_is_mended(node: FaultyNode) -> Any:
    yield
    node.mend()


Trouble = Callable[[FaultyNode], Awaitable[object]]


async def silent(node: FaultyNode) -> None:
    node.hush()


async def away(node: FaultyNode) -> None:
    await node.down()


async def resetting(node: FaultyNode) -> None:
    node.cut(times=-1)


async def never_heard(node: FaultyNode) -> None:
    node.swallow(SEND, times=-1)


async def too_busy(node: FaultyNode) -> None:
    node.fail(status=503, times=-1)


async def limited(node: FaultyNode) -> None:
    node.refuse("", "rate limit exceeded", code=-32005, times=-1)


async def babbling(node: FaultyNode) -> None:
    node.babble("", b'{"jsonrpc": "2.0", "id": 0, "result": {}}', times=-1)


async def elsewhere(node: FaultyNode) -> None:
    node.say("eth_chainId", "0x1", times=-1)


async def behind(node: FaultyNode) -> None:
    node.lag = 2


async def behind_now_and_then(node: FaultyNode) -> None:
    node.lag, node.flapping = 2, True


async def late(node: FaultyNode) -> None:
    node.delay = 0.2


TROUBLES: list[Trouble] = [
    silent,
    away,
    resetting,
    never_heard,
    too_busy,
    limited,
    babbling,
    elsewhere,
    behind,
    behind_now_and_then,
    late,
]
BY_DAY = [silent, never_heard, behind]


@pytest.mark.parametrize("trouble", series(TROUBLES, BY_DAY), ids=lambda trouble: trouble.__name__)
async def test_orders_go_on_and_all_are_anchored_afterwards(
    chained: Chained, http: aiohttp.ClientSession, trouble: Trouble
) -> None:
    gateway, node = chained.gateway, chained.node
    here = await register_customer(http, gateway.url)
    await until(lambda: verified(here))
    async with here.coming():
        await here.accepted(2)
        await trouble(node)
        calls = node.calls
        await here.accepted(10)
        await gateway.becomes(http, "status", "ready")
        status, told = await verify(here)
        assert status in (200, 503), told
        await until(lambda: trouble is away or node.calls >= calls + 5)
        node.mend()
        await node.up()
        await here.accepted(2)
    assert set(here.statuses) <= {*ACCEPTED, 503}
    assert here.slowest < ANSWER_SECONDS
    await here.again()
    await here.check()
    await until(lambda: verified(here))
    await check_agreement(chained.books, chained.anvil)


async def verify(orders: Orders) -> tuple[int, Any]:
    """Let the gateway verify its newest entry with the chain."""
    _, history = await orders.person.call("GET", "/credits/history")
    entry = history["entries"][0]["entry_id"]
    return await orders.person.once("GET", f"/ledger/{entry}/verify")


async def verified(orders: Orders) -> bool:
    status, found = await verify(orders)
    assert status in (200, 503), found
    return bool(status == 200 and found["verified"])


async def check_agreement(books: PostgresEndpoint, anvil: ChainEndpoint) -> None:
    """Check that books, log and chain agree, each anchor exists once and each nonce was used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supervisors.engines.chain_web3.CALL_SECONDS", ANSWER_SECONDS)
        await _check_agreement(books, anvil)


async def _check_agreement(books: PostgresEndpoint, anvil: ChainEndpoint) -> None:
    chain = Web3Chain(
        CurrentEndpoint(ChainEndpoint(anvil.url, anvil.chain_id, KEY)), fee_cap_gwei=100
    )
    pool = Database(lambda: books.owner_dsn)
    connection = await asyncpg.connect(books.owner_dsn)

    async def settled() -> bool:
        pending = "SELECT count(*) FROM chain_transactions WHERE state = 'PENDING'"
        return bool(await connection.fetchval(pending) == 0)

    try:
        await until(settled)
        rows = await connection.fetch("SELECT * FROM chain_transactions ORDER BY nonce")
        assert {row["state"] for row in rows} == {"CONFIRMED"}, rows
        assert [row["nonce"] for row in rows] == list(range((await chain.state()).nonce))
        (contract,) = {row["contract"] for row in rows}
        kept = [(row["size"], row["root"], row["mined_hash"]) for row in rows if row["size"]]
        assert await anchors_on(chain, contract) == kept
        assert await run_fsck(connection) == []
        assert await audit_chain(chain, Anchors(pool), SystemClock()) == []
    finally:
        await connection.close()
        await pool.close()
        await chain.close()
