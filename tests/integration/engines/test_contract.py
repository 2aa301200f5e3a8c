"""Tests of the contract: it compiles to the same bytes again, and it verifies proofs in a
real EVM.
"""

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3.exceptions import ContractCustomError

from actors.ports import Anchored, ChainRefused
from rendertrust import merkle
from scripts.nodejs import NODE, NPM
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from tests.integration.engines.test_chain_conformance import EMPTY, anchored, deployed
from tests.support.merkle_proofs import consistency_proof, inclusion_proof

ROOT = Path(__file__).resolve().parents[3]
LEAVES = [b"%d" % number for number in range(300)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]
SIZES = (1, 2, 3, 5, 8, 13, 64, 65, 200, 300)
GAS_MOST = {"deploy": 700_000, "anchor": 80_000}


class Deployed:
    """A contract in which all of these sizes are anchored."""

    def __init__(self, chain: Web3Chain, address: str, web3: Any) -> None:
        self.chain, self.address = chain, address
        self.there = web3.eth.contract(address=address, abi=chain.artefact["abi"])

    async def includes(self, found: bytes, index: int, size: int, proof: list[bytes]) -> bool:
        return bool(await self.there.functions.verifyInclusion(found, index, size, proof).call())

    async def grew(self, m: int, n: int, proof: list[bytes]) -> bool:
        return bool(await self.there.functions.verifyConsistency(m, n, proof).call())


@pytest.fixture
async def contract(anvil: ChainEndpoint) -> AsyncIterator[Deployed]:
    current = CurrentEndpoint[ChainEndpoint]()
    current.set(anvil)
    chain = Web3Chain(current, fee_cap_gwei=100)
    address, previous = await deployed(chain), EMPTY
    for size in SIZES:
        assert (await anchored(chain, address, size, previous)).succeeded
        previous = merkle.root(LEAVES[:size])
    async with chain.asking() as (web3, _):
        yield Deployed(chain, address, web3)
    await chain.close()


async def test_proofs_of_ours_hold_in_the_contract_and_no_others(contract: Deployed) -> None:
    for size in SIZES[:7]:
        for index in sorted({0, 1, size // 2, size - 2, size - 1} & set(range(size))):
            proof = inclusion_proof(LEAVES[:size], index)
            assert await contract.includes(HASHES[index], index, size, proof), (index, size)
            assert not await contract.includes(HASHES[index], index, size + 1000, proof)
            assert not await contract.includes(HASHES[index], size, size, proof)
            assert not await contract.includes(b"x" * 32, index, size, proof)
            assert not await contract.includes(HASHES[index], index, size, [*proof, EMPTY])
            if proof:
                assert not await contract.includes(HASHES[index], index, size, proof[:-1])
                swapped = [b"x" * 32, *proof[1:]]
                assert not await contract.includes(HASHES[index], index, size, swapped)
                other = (index + 1) % size
                assert not await contract.includes(HASHES[index], other, size, proof)


async def test_growth_is_shown_in_the_contract(contract: Deployed) -> None:
    for place, n in enumerate(SIZES):
        for m in SIZES[: place + 1]:
            proof = consistency_proof(LEAVES, m, n)
            assert await contract.grew(m, n, proof), (m, n)
            assert not await contract.grew(m, n, [*proof, EMPTY]), (m, n)
            if proof:
                assert not await contract.grew(m, n, proof[:-1]), (m, n)
                assert not await contract.grew(m, n, [b"x" * 32, *proof[1:]]), (m, n)
            if m < n:
                assert not await contract.grew(n, m, proof)
    assert not await contract.grew(0, 3, [])
    # size 4 is not anchored
    assert not await contract.grew(4, 5, consistency_proof(LEAVES, 4, 5))


async def test_only_the_anchorer_anchors_and_only_the_admin_names_him(contract: Deployed) -> None:
    stranger = Account.create().address
    anchor = contract.there.functions.anchor(400, b"r" * 32, merkle.root(LEAVES))
    with pytest.raises(ContractCustomError):
        await anchor.call({"from": stranger})
    with pytest.raises(ContractCustomError):
        await contract.there.functions.setAnchorer(stranger).call({"from": stranger})
    sender = (await contract.chain.state()).sender
    await contract.there.functions.setAnchorer(stranger).call({"from": sender})
    await anchor.call({"from": sender})


async def test_a_root_of_nothing_is_refused(contract: Deployed) -> None:
    state, bid = await contract.chain.state(), await contract.chain.bid()
    with pytest.raises(ChainRefused):
        await contract.chain.sign_anchor(
            contract.address, Anchored(400, bytes(32)), merkle.root(LEAVES), state.nonce, bid
        )


async def test_what_it_costs(contract: Deployed) -> None:
    sender = (await contract.chain.state()).sender
    anchor = contract.there.functions.anchor(400, b"r" * 32, merkle.root(LEAVES))
    async with contract.chain.asking() as (web3, _):
        artefact = contract.chain.artefact
        made = web3.eth.contract(abi=artefact["abi"], bytecode=artefact["bytecode"])
        found = {
            "deploy": await made.constructor(sender).estimate_gas({"from": sender}),
            "anchor": await anchor.estimate_gas({"from": sender}),
        }
    assert all(found[name] <= most for name, most in GAS_MOST.items()), found


@pytest.mark.heavy
async def test_the_artefact_is_what_the_pinned_compiler_makes(tmp_path: Path) -> None:
    contracts = ROOT / "contracts"
    for name in ("package.json", "package-lock.json", "compile.js"):
        shutil.copy2(contracts / name, tmp_path / name)
    for words in (
        [*NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        [str(NODE), "compile.js", str(contracts)],
    ):
        process = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, stdout=PIPE)
        made, _ = await process.communicate()
        assert process.returncode == 0
    assert json.loads(made) == json.loads((contracts / "LedgerAnchor.json").read_text())
