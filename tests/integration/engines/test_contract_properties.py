"""Property tests of the contract in a real EVM: it accepts only a growing log and true proofs."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web3.exceptions import ContractCustomError

from actors.ports import Anchored, ChainRefused
from rendertrust import merkle
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from tests.integration.engines.test_chain_conformance import EMPTY, anchored, deployed
from tests.integration.engines.test_contract import HASHES, LEAVES, SIZES
from tests.support.engines import LoopThread
from tests.support.examples import examples
from tests.support.merkle_proofs import consistency_proof, inclusion_proof

pytestmark = pytest.mark.heavy
FEW, MANY = examples(0.1), examples(0.4)
GROWING = st.lists(st.integers(1, len(LEAVES)), min_size=1, max_size=4, unique=True).map(sorted)


class Stage:
    """A chain whose calls run in the event loop that made the node's client."""

    def __init__(self, loop: LoopThread, endpoint: ChainEndpoint) -> None:
        self._loop = loop
        self.chain = Web3Chain(CurrentEndpoint(endpoint), fee_cap_gwei=100)

    def run(self, work: Any) -> Any:
        return self._loop.run(work)

    async def contract(self, sizes: list[int]) -> str:
        address, previous = await deployed(self.chain), EMPTY
        for size in sizes:
            assert (await anchored(self.chain, address, size, previous)).succeeded
            previous = merkle.root(LEAVES[:size])
            assert await self.chain.newest(address) == Anchored(size, previous)
        return address

    async def refuses(self, address: str, size: int, previous: bytes) -> bool:
        state, bid = await self.chain.state(), await self.chain.bid()
        anchor = Anchored(size, merkle.root(LEAVES[:size]))
        try:
            await self.chain.sign_anchor(address, anchor, previous, state.nonce, bid)
        except ChainRefused:
            return True
        return False

    async def says(self, address: str, function: str, *arguments: Any) -> bool:
        async with self.chain.asking() as (web3, _):
            there = web3.eth.contract(address=address, abi=self.chain.artefact["abi"])  # type: ignore[call-overload]
            return bool(await there.functions[function](*arguments).call())

    async def stranger_may(self, address: str, size: int, previous: bytes) -> bool:
        async with self.chain.asking() as (web3, _):
            there = web3.eth.contract(address=address, abi=self.chain.artefact["abi"])  # type: ignore[call-overload]
            call = there.functions.anchor(size, merkle.root(LEAVES[:size]), previous)
            try:
                await call.call({"from": "0x" + "77" * 20})
            except ContractCustomError:
                return False
            return True


@pytest.fixture(scope="module")
def stage(engine_loop: LoopThread, anvil: ChainEndpoint) -> Iterator[Stage]:
    made = Stage(engine_loop, anvil)
    yield made
    made.run(made.chain.close())


@pytest.fixture(scope="module")
def address(stage: Stage) -> str:
    """Deploy a contract with all of these sizes anchored, and return its address."""
    made: str = stage.run(stage.contract(list(SIZES)))
    return made


@FEW
@given(GROWING, st.data())
def test_sizes_only_grow_and_name_what_they_follow(
    stage: Stage, sizes: list[int], data: st.DataObject
) -> None:
    address = stage.run(stage.contract(sizes))
    newest = merkle.root(LEAVES[: sizes[-1]])
    no_larger = data.draw(st.integers(1, sizes[-1]))
    assert stage.run(stage.refuses(address, no_larger, newest))
    larger = sizes[-1] + data.draw(st.integers(1, 100))
    other = data.draw(st.binary(min_size=32, max_size=32))
    assert stage.run(stage.refuses(address, larger, other)) == (other != newest)
    assert not stage.run(stage.refuses(address, larger, newest))
    assert not stage.run(stage.stranger_may(address, larger, newest))


@MANY
@given(st.data())
def test_inclusion_holds_for_true_proofs_alone(
    stage: Stage, address: str, data: st.DataObject
) -> None:
    size = data.draw(st.sampled_from(SIZES))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LEAVES[:size], index)

    def includes(found: bytes, at: int, of: int, hashes: list[bytes]) -> bool:
        return bool(stage.run(stage.says(address, "verifyInclusion", found, at, of, hashes)))

    assert includes(HASHES[index], index, size, proof)
    found = data.draw(st.sampled_from([HASHES[index], HASHES[(index + 1) % len(HASHES)]]))
    at, of = data.draw(st.integers(0, 400)), data.draw(st.sampled_from([*SIZES, 301]))
    hashes = data.draw(mutations(proof))
    root = merkle.root(LEAVES[:of])
    ours = of in SIZES and merkle.verify_inclusion(found, at, of, hashes, root)
    assert includes(found, at, of, hashes) == ours


@MANY
@given(st.data())
def test_growth_holds_for_true_proofs_alone(
    stage: Stage, address: str, data: st.DataObject
) -> None:
    m, n = sorted((data.draw(st.sampled_from(SIZES)), data.draw(st.sampled_from(SIZES))))
    proof = consistency_proof(LEAVES, m, n)

    def grew(one: int, other: int, hashes: list[bytes]) -> bool:
        return bool(stage.run(stage.says(address, "verifyConsistency", one, other, hashes)))

    assert grew(m, n, proof)
    hashes = data.draw(mutations(proof))
    one, other = data.draw(st.sampled_from([(m, n), (n, m), (m, 301), (0, n)]))
    known = one in SIZES and other in SIZES
    roots = merkle.root(LEAVES[:one]), merkle.root(LEAVES[:other])
    ours = known and merkle.verify_consistency(one, other, hashes, *roots)
    assert grew(one, other, hashes) == ours


@st.composite
def mutations(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """Return the proof unchanged, shorter, longer, in another order or with other bytes."""
    kind = draw(st.sampled_from(["as it is", "shorter", "longer", "turned", "other"]))
    if kind == "shorter":
        return proof[: draw(st.integers(0, len(proof)))]
    if kind == "longer":
        return [*proof, draw(st.binary(min_size=32, max_size=32))]
    if kind == "turned":
        return draw(st.permutations(proof))
    if kind == "other" and proof:
        place = draw(st.integers(0, len(proof) - 1))
        return [*proof[:place], draw(st.binary(min_size=32, max_size=32)), *proof[place + 1 :]]
    return list(proof)
