"""An anchor counts once it is final: by the chain's own statement, or by blocks on top of it."""

from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, web
from pytest_aiohttp import AiohttpServer

from rendertrust.anchor_note import MEMBERS
from rendertrust.onchain import OnChain
from rendertrust.proof_check import anchored, verify
from tests.integration.engines.test_anchor_on_a_node import rpc
from tests.integration.engines.test_onchain import LOG, SIZE, Scene, anchor
from tests.integration.engines.test_onchain import scene as scene  # noqa: PLC0414 - a fixture


async def test_on_a_chain_of_ones_own_nobody_waits_for_blocks_that_nobody_makes(
    scene: Scene,
) -> None:
    """A private chain proves nothing to others anyway; ``confirmations`` asks for more blocks
    explicitly.
    """
    name, mined = await anchor(scene.chain, scene.contract, 6, LOG.at(SIZE).root)
    where = LOG.anchored(6, name, mined.block, (scene.proof["chain_id"], scene.contract))
    proof = {**scene.proof, **LOG.proof(2, 6), **where}
    for confirmations, mine, final in ((None, 0, True), (12, 0, False), (12, 11, True)):
        if mine:
            await rpc(scene.url, "anvil_mine", hex(mine))
        found = await anchored(
            scene.url, proof, contract=scene.contract, confirmations=confirmations
        )
        assert isinstance(found, OnChain)
        assert (found.fault, found.mined, found.final) == (None, mined.block, final)
        assert not found.is_outside


@attrs.define
class PublicNode:
    """Node of a public chain, which answers some requests itself and passes all others to the local
    node.
    """

    behind: str
    # Number of the block with the tag ``finalized``. None: no block is final yet; "-": the node
    # does not know the tag.
    finalized: str | None
    keeps: bool = True  # whether the node has the state of older blocks

    async def answer(self, request: web.Request) -> web.Response:
        call = await request.json()
        said = {"jsonrpc": "2.0", "id": 1}
        method, params = call["method"], call["params"]
        if method == "web3_clientVersion":
            return web.json_response({**said, "result": "Geth/v1.15.0"})
        if params and params[0] == "finalized" and self.finalized == "-":
            return web.json_response({**said, "error": {"message": "unknown block"}})
        if params and params[0] == "finalized":
            block = None if self.finalized is None else {"number": self.finalized}
            return web.json_response({**said, "result": block})
        if method == "eth_call" and params[1] != "latest" and not self.keeps:
            return web.json_response({**said, "error": {"message": "missing trie node"}})
        async with ClientSession() as http, http.post(self.behind, json=call) as answered:
            return web.json_response(await answered.json())


async def serve_node(aiohttp_server: AiohttpServer, talker: PublicNode) -> str:
    """Run the node until the test ends, and return its URL."""
    app = web.Application()
    app.add_routes([web.post("/", talker.answer)])
    return str((await aiohttp_server(app)).make_url("/"))


UNKNOWN: dict[str, Any] = dict.fromkeys((*MEMBERS, "anchor"))


@pytest.mark.parametrize("finalized", [None, "-"])
async def test_where_no_block_is_called_final_as_many_on_top_are_wanted(
    scene: Scene, aiohttp_server: AiohttpServer, finalized: str | None
) -> None:
    """Without the tag ``finalized``, an anchor counts once ``confirmations`` blocks confirm it.

    This holds for proofs that name their anchor and for proofs that do not.
    """
    name, mined = await anchor(scene.chain, scene.contract, 6, LOG.at(SIZE).root)
    where = LOG.anchored(6, name, mined.block, (scene.proof["chain_id"], scene.contract))
    known = {**scene.proof, **LOG.proof(2, 6), **where}
    url = await serve_node(aiohttp_server, PublicNode(scene.url, finalized))
    for mine, wanted in ((0, False), (2, False), (1, True)):
        if mine:
            await rpc(scene.url, "anvil_mine", hex(mine))
        for proof in (known, {**known, **UNKNOWN}):
            found = await anchored(url, proof, contract=scene.contract, confirmations=4)
            assert isinstance(found, OnChain)
            assert (found.fault, found.final) == (None, wanted)
            verdict = verify(proof, chain=found)
            assert verdict.holds
            assert verdict.witnessed == wanted


async def test_what_is_final_is_for_the_chain_to_say_where_it_does(
    scene: Scene, aiohttp_server: AiohttpServer
) -> None:
    name, mined = await anchor(scene.chain, scene.contract, 6, LOG.at(SIZE).root)
    where = LOG.anchored(6, name, mined.block, (scene.proof["chain_id"], scene.contract))
    known = {**scene.proof, **LOG.proof(2, 6), **where}
    await rpc(scene.url, "anvil_mine", hex(20))
    for finalized, wanted in ((mined.block - 1, False), (mined.block, True)):
        url = await serve_node(aiohttp_server, PublicNode(scene.url, hex(finalized)))
        for proof in (known, {**known, **UNKNOWN}):
            found = await anchored(url, proof, contract=scene.contract, confirmations=1)
            assert isinstance(found, OnChain)
            assert (found.fault, found.final) == (None, wanted)


async def test_a_node_that_keeps_no_older_state_vouches_for_no_anchor_that_nobody_named(
    scene: Scene, aiohttp_server: AiohttpServer
) -> None:
    block = scene.proof["block_number"]
    url = await serve_node(aiohttp_server, PublicNode(scene.url, hex(block), keeps=False))
    known = await anchored(url, scene.proof, contract=scene.contract)
    assert isinstance(known, OnChain)
    assert known.final
    found = await anchored(url, {**scene.proof, **UNKNOWN}, contract=scene.contract)
    assert isinstance(found, OnChain)
    assert (found.final, found.is_outside) == (None, False)
