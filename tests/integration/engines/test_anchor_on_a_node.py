"""The Anchor over a real node as an external chain: rebids with higher fees, and anchors again
after a reorganisation.
"""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from eth_account import Account

from actors.ports import Anchored, ChainRefused
from sql.anchors import Anchors
from sql.database import Database
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.engines.test_chain_conformance import done
from tests.integration.sql.test_anchor import Scene, anchoring
from tests.support.until import until


async def rpc(url: str, method: str, *params: Any) -> Any:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with aiohttp.ClientSession() as http, http.post(url, json=call) as answer:
        found = await answer.json()
        assert "error" not in found, found
        return found["result"]


@pytest.fixture
async def chain(anvil: ChainEndpoint) -> AsyncIterator[Web3Chain]:
    """Yield a chain client with a new account, so that other tests' nonces do not matter."""
    account: Any = Account.create()
    await rpc(anvil.url, "anvil_setBalance", account.address, hex(10**20))
    endpoint = ChainEndpoint(anvil.url, anvil.chain_id, account.key.hex())
    made = Web3Chain(CurrentEndpoint(endpoint), fee_cap_gwei=100)
    yield made
    await made.close()


@pytest.fixture
async def scene(chain: Web3Chain, database: PostgresEndpoint) -> AsyncIterator[Scene]:
    pool = Database(lambda: database.app_dsn)
    played: Any = chain
    yield Scene(sql_stage(pool), played, Anchors(pool), pool)
    await pool.close()


@pytest.fixture
async def mining(anvil: ChainEndpoint) -> AsyncIterator[str]:
    """Yield the node's URL; the node mines blocks only on request until the test is over."""
    await rpc(anvil.url, "evm_setAutomine", False)
    yield anvil.url
    await rpc(anvil.url, "evm_setAutomine", True)
    await rpc(anvil.url, "evm_mine")


async def test_a_replacement_must_offer_more_and_takes_the_others_place(
    chain: Web3Chain, mining: str
) -> None:
    nonce = (await chain.state()).nonce
    first = await chain.sign_deploy(nonce, await chain.bid())
    await chain.send(first.raw)
    same = await chain.bid()
    other = await chain.sign_deploy(nonce, type(same)(same.most - 1, same.tip))
    with pytest.raises(ChainRefused):
        await chain.send(other.raw)
    more = await chain.sign_deploy(nonce, await chain.bid(raised=2))
    await chain.send(more.raw)
    await rpc(mining, "evm_mine")
    assert (await done(chain, more.hash)).succeeded
    assert await chain.mined(first.hash) is None
    assert (await chain.bid(raised=200)).most == 100 * 10**9  # the fee cap of the settings


async def test_what_waits_for_too_long_is_offered_for_more_and_mined(
    scene: Scene, mining: str
) -> None:
    due = await scene.grow()
    async with anchoring(scene, rebid_seconds=60.0):

        async def forms() -> int:
            state = await scene.chain.state()
            sent = await scene.anchors.sent(state.chain_id, state.sender, 0)
            return max((len(row.hashes) for row in sent), default=0)

        async def has(count: int) -> bool:
            return await forms() == count

        await until(lambda: has(1))
        scene.stage.clock.pass_by(61)
        await until(lambda: has(2))
        await rpc(mining, "evm_setAutomine", True)
        await rpc(mining, "evm_mine")
        await until(lambda: anchored(scene, due))


async def test_an_anchor_that_a_reorganisation_takes_back_is_made_again(
    scene: Scene, anvil: ChainEndpoint
) -> None:
    first = await scene.grow()
    async with anchoring(scene):
        await until(lambda: anchored(scene, first))
        second = await scene.grow()
        await until(lambda: anchored(scene, second))
        state = await scene.chain.state()
        contract = (await scene.anchors.sent(state.chain_id, state.sender, 0))[0].contract
        await rpc(anvil.url, "anvil_rollback", 1)
        await until(lambda: is_newest(scene, contract, second))
        third = await scene.grow()
        await until(lambda: anchored(scene, third))
        await until(lambda: is_newest(scene, contract, third))
    rows = await scene.page()
    assert [row.size for row in rows] == [third[0], second[0], first[0]]
    assert {row.state for row in rows} == {"CONFIRMED"}


async def anchored(scene: Scene, due: tuple[int, bytes]) -> bool:
    found = await scene.page()
    return any((row.size, row.state) == (due[0], "CONFIRMED") for row in found)


async def is_newest(scene: Scene, contract: str, due: tuple[int, bytes]) -> bool:
    return await scene.chain.newest(contract) == Anchored(*due)
