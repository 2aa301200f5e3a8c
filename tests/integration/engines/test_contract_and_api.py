"""Answers of a gateway's API, verified by the contract itself on a real EVM node."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import attrs
import pytest
from eth_account import Account

from actors.anchor.policy import AnchorSettings
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.engines.test_anchor_on_a_node import rpc
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import whole

Json = dict[str, Any]
ANCHORING = AnchorSettings(every_seconds=0.05, anchor_seconds=0.0)


@attrs.frozen
class Scene:
    """Jane at a gateway that anchors on the node, and a client of the contract."""

    jane: Person
    chain: Web3Chain

    async def entry(self, reference: str) -> int:
        body = {"amount": "1", "reference_id": reference, "description": "d"}

        async def taken() -> int | None:
            status, found = await self.jane.call("POST", "/credits/deduct", body)
            return int(found["entry_id"]) if status == 200 else None

        number = await until(taken)
        assert number is not None
        return number

    async def proof(self, entry: int) -> Json:
        """Wait until the entry is anchored, and return its proof."""

        async def done() -> Json | None:
            status, found = await self.jane.call("GET", f"/ledger/{entry}/proof")
            return found if status == 200 and found["contract"] is not None else None

        found = await until(done)
        assert found is not None
        return found

    async def says(self, contract: str, function: str, *arguments: Any) -> bool:
        async with self.chain.asking() as (web3, _):
            there = web3.eth.contract(address=contract, abi=self.chain.artefact["abi"])  # type: ignore[call-overload]
            return bool(await there.functions[function](*arguments).call())


@pytest.fixture
async def scene(anvil: ChainEndpoint, database: PostgresEndpoint) -> AsyncIterator[Scene]:
    account: Any = Account.create()
    await rpc(anvil.url, "anvil_setBalance", account.address, hex(10**20))
    endpoint = ChainEndpoint(anvil.url, anvil.chain_id, account.key.hex())
    chain = Web3Chain(CurrentEndpoint(endpoint), fee_cap_gwei=100)
    settings = settings_for_tests(credits={"starter": "100"}, proof={"checkpoint_seconds": 0.1})
    async with (
        whole(database, settings, anchoring=(chain, ANCHORING)) as gateway,
        aiohttp.ClientSession() as http,
    ):
        jane = Person(http, gateway.url)
        await jane.register()
        yield Scene(jane, chain)
    await chain.close()


def hashes(answer: Json) -> list[bytes]:
    return [bytes.fromhex(part) for part in answer["proof_hashes"]]


async def test_a_proof_of_the_api_holds_in_the_contract(scene: Scene) -> None:
    for number in range(5):
        proof = await scene.proof(await scene.entry(str(number)))
        contract, leaf = proof["contract"], bytes.fromhex(proof["leaf_hash"])
        place, path = (proof["leaf_index"], proof["tree_size"]), hashes(proof)
        assert await scene.says(contract, "verifyInclusion", leaf, *place, path)
        wrong = bytes([leaf[0] ^ 1]) + leaf[1:]
        assert not await scene.says(contract, "verifyInclusion", wrong, *place, path)
        assert not await scene.says(contract, "verifyInclusion", leaf, *place, path[:-1])
        beside = (place[0] - 1, place[1])
        assert not await scene.says(contract, "verifyInclusion", leaf, *beside, path)


async def test_the_consistency_of_the_api_holds_in_the_contract(scene: Scene) -> None:
    last = await scene.proof(await scene.entry("first"))
    for number in range(3):
        last = await scene.proof(await scene.entry(str(number)))
    _, listed = await scene.jane.answered("GET", "/ledger/anchors")
    confirmed = [one for one in listed["anchors"] if one["state"] == "confirmed"]
    sizes = sorted(one["size"] for one in confirmed if one["contract"] == last["contract"])
    assert len(sizes) >= 4
    for place, n in enumerate(sizes):
        for m in sizes[:place]:
            status, shown = await scene.jane.answered("GET", f"/ledger/consistency?from={m}&to={n}")
            assert status == 200, shown
            path = hashes(shown)
            assert await scene.says(last["contract"], "verifyConsistency", m, n, path), (m, n)
            more = [*path, bytes(32)]
            assert not await scene.says(last["contract"], "verifyConsistency", m, n, more)
            assert not path or not await scene.says(
                last["contract"], "verifyConsistency", m, n, [bytes(32), *path[1:]]
            )
