"""Tests of the Chain port: the twin and a real EVM node with the real contract must behave
alike.
"""

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest

from actors.ports import Anchored, Bid, Chain, ChainRefused, ChainUnavailable, Mined
from rendertrust import merkle
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.current_endpoint import CurrentEndpoint
from tests.support.until import until
from tests.twins.chain import ChainTwin

EMPTY = merkle.root([])
LEAVES = [b"%d" % number for number in range(300)]


@pytest.fixture(params=["twin", "anvil"])
async def chain(request: pytest.FixtureRequest) -> AsyncIterator[Chain]:
    if request.param == "twin":
        yield ChainTwin()
        return
    from supervisors.engines.chain_web3 import Web3Chain

    current = CurrentEndpoint[ChainEndpoint]()
    current.set(request.getfixturevalue("anvil"))
    real = Web3Chain(current, fee_cap_gwei=100)
    yield real
    await real.close()


async def done(chain: Chain, name: str) -> Mined:
    found = await until(lambda: chain.mined(name))
    assert found is not None
    return found


async def deployed(chain: Chain) -> str:
    signed = await chain.sign_deploy((await chain.state()).nonce, await chain.bid())
    await chain.send(signed.raw)
    assert (await done(chain, signed.hash)).succeeded
    assert signed.contract is not None
    return signed.contract


async def anchored(chain: Chain, contract: str, size: int, previous: bytes) -> Mined:
    anchor = Anchored(size, merkle.root(LEAVES[:size]))
    nonce = (await chain.state()).nonce
    signed = await chain.sign_anchor(contract, anchor, previous, nonce, await chain.bid())
    await chain.send(signed.raw)
    return await done(chain, signed.hash)


async def test_a_contract_begins_with_the_tree_of_no_leaves(chain: Chain) -> None:
    before = (await chain.state()).nonce
    contract = await deployed(chain)
    assert (await chain.state()).nonce == before + 1
    assert await chain.newest(contract) == Anchored(0, EMPTY)
    assert await chain.root_at(contract, 3) is None


async def test_anchors_follow_one_another(chain: Chain) -> None:
    contract, previous = await deployed(chain), EMPTY
    for size in (3, 4, 100):
        assert (await anchored(chain, contract, size, previous)).succeeded
        previous = merkle.root(LEAVES[:size])
        assert await chain.newest(contract) == Anchored(size, previous)
    assert await chain.root_at(contract, 4) == merkle.root(LEAVES[:4])
    assert await chain.root_at(contract, 5) is None


async def test_what_the_contract_would_refuse_is_not_signed(chain: Chain) -> None:
    contract = await deployed(chain)
    await anchored(chain, contract, 5, EMPTY)
    root = merkle.root(LEAVES[:5])
    nonce, bid = (await chain.state()).nonce, await chain.bid()
    for anchor, previous in (
        (Anchored(5, root), root),
        (Anchored(4, root), root),
        (Anchored(6, root), EMPTY),
    ):
        with pytest.raises(ChainRefused):
            await chain.sign_anchor(contract, anchor, previous, nonce, bid)


async def test_the_same_transaction_is_sent_as_often_as_one_likes(chain: Chain) -> None:
    nonce, bid = (await chain.state()).nonce, await chain.bid()
    signed = await chain.sign_deploy(nonce, bid)
    assert signed == await chain.sign_deploy(nonce, bid)
    await chain.send(signed.raw)
    await done(chain, signed.hash)
    await chain.send(signed.raw)
    assert (await chain.state()).nonce == nonce + 1


async def test_a_number_that_was_used_is_refused_to_another(chain: Chain) -> None:
    nonce, bid = (await chain.state()).nonce, await chain.bid()
    first = await chain.sign_deploy(nonce, bid)
    await chain.send(first.raw)
    await done(chain, first.hash)
    other = await chain.sign_deploy(nonce, Bid(bid.most + 10**9, bid.tip + 10**9))
    with pytest.raises(ChainRefused):
        await chain.send(other.raw)


async def test_what_is_not_there_is_not_found(chain: Chain) -> None:
    nowhere = "0x00000000000000000000000000000000000000AA"
    assert await chain.newest(nowhere) is None
    assert await chain.root_at(nowhere, 1) is None
    assert await chain.mined("0x" + "00" * 32) is None


async def test_a_block_is_kept_after_a_while(chain: Chain) -> None:
    contract = await deployed(chain)
    mined = await anchored(chain, contract, 1, EMPTY)
    await until(lambda: chain.is_kept(mined))


async def test_a_node_that_is_away_or_of_another_chain_is_said_to_be(
    anvil: ChainEndpoint,
) -> None:
    from supervisors.engines.chain_web3 import Web3Chain

    for wrong in (
        attrs.evolve(anvil, url="http://127.0.0.1:9"),
        attrs.evolve(anvil, chain_id=1),
    ):
        current = CurrentEndpoint[ChainEndpoint]()
        current.set(wrong)
        chain = Web3Chain(current, fee_cap_gwei=1)
        with pytest.raises(ChainUnavailable):
            await chain.state()
        await chain.close()
    assert anvil.key not in repr(anvil)
    await asyncio.sleep(0)


async def test_calls_that_are_cancelled_at_any_time_block_no_later_call(
    anvil: ChainEndpoint,
) -> None:
    from supervisors.engines.chain_web3 import Web3Chain

    chain = Web3Chain(CurrentEndpoint(anvil), fee_cap_gwei=1)

    async def ask() -> None:
        async with chain.asking():
            pass

    await ask()
    for turns in range(240):
        calls = [asyncio.create_task(ask()) for _ in range(32)]
        for _ in range(turns % 12):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await ask()
    await chain.close()
