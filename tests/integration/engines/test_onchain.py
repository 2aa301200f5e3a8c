"""Proofs verified against a real chain with nothing but the plain package installed."""

import asyncio
import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from eth_utils.crypto import keccak
from pytest_aiohttp import AiohttpServer

import rendertrust
from actors.ports import Anchored, Mined
from rendertrust.anchor_note import MEMBERS
from rendertrust.onchain import ANCHORED, ROOT_AT, ChainUnknown, OnChain
from rendertrust.proof_check import Verdict, anchored, verify
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from tests.integration.engines.test_chain_conformance import EMPTY, done
from tests.support import programs
from tests.support.examples import chosen
from tests.support.leaves import leaf
from tests.unit.proof.test_epochs import BASE, Log

LOG = Log(BASE, [leaf(n) for n in range(1, 8)])
SIZE = 5
NAME = re.compile(r"[^A-Za-z0-9_-]")
STRANGER = "0x" + "12" * 20


@attrs.frozen
class Scene:
    """A checkpoint of five leaves on a chain, and the proof of one of the leaves."""

    url: str
    contract: str
    proof: dict[str, Any]
    chain: Web3Chain
    made: str  # transaction that deployed the contract

    async def verdict(self, named: str | None = None, **changed: Any) -> Verdict:
        proof = {**self.proof, **changed}
        return verify(proof, chain=await anchored(self.url, proof, contract=named))


async def anchor(
    chain: Web3Chain, contract: str, size: int = SIZE, previous: bytes = EMPTY
) -> tuple[str, Mined]:
    made = Anchored(size, LOG.at(size).root)
    bid, nonce = await chain.bid(), (await chain.state()).nonce
    signed = await chain.sign_anchor(contract, made, previous, nonce, bid)
    await chain.send(signed.raw)
    return signed.hash, await done(chain, signed.hash)


async def deployed(chain: Web3Chain) -> tuple[str, str]:
    """Deploy a contract; return its address and its transaction."""
    signed = await chain.sign_deploy((await chain.state()).nonce, await chain.bid())
    await chain.send(signed.raw)
    assert (await done(chain, signed.hash)).succeeded
    return str(signed.contract), signed.hash


@pytest.fixture
async def scene(anvil: ChainEndpoint) -> AsyncIterator[Scene]:
    chain = Web3Chain(CurrentEndpoint(anvil), fee_cap_gwei=100)
    contract, made = await deployed(chain)
    name, mined = await anchor(chain, contract)
    proof = {
        **LOG.proof(2, SIZE),
        **LOG.anchored(SIZE, name, mined.block, (anvil.chain_id, contract)),
    }
    yield Scene(anvil.url, contract, proof, chain, made)
    await chain.close()


def test_the_call_is_that_of_the_contract() -> None:
    assert keccak(text="rootAt(uint64)")[:4].hex() == ROOT_AT[2:]
    assert keccak(text="Anchored(uint64,bytes32,bytes32)").hex() == ANCHORED[2:]


async def test_an_anchor_is_found_and_a_private_chain_vouches_for_nothing(scene: Scene) -> None:
    for contract in (None, scene.contract, scene.contract.lower()):
        verdict = await scene.verdict(contract)
        assert verdict.holds, verdict.steps
        assert not verdict.witnessed
        chain, said = verdict.steps[-2:]
        assert (chain.name, said.name) == ("chain", "anchor")
        assert "private" in chain.said
        assert ("that you named" in said.said) == (contract is not None)


async def test_a_chain_vouches_by_a_contract_that_one_knows_from_elsewhere(scene: Scene) -> None:
    """Anyone may deploy a contract, anchor their own log in it, and write its address into a
    proof.
    """
    for contract in (None, scene.contract):
        found = await anchored(scene.url, scene.proof, contract=contract)
        assert isinstance(found, OnChain)
        for final in (None, True, False):
            chain = attrs.evolve(found, private=False, final=final)
            verdict = verify(scene.proof, chain=chain)
            assert verdict.holds
            assert verdict.witnessed == (contract is not None and final is True)
            assert ("pending: the block is not final yet" in verdict.steps[-1].said) == (
                final is False
            )
            assert ("the blockchain node does not say" in verdict.steps[-1].said) == (final is None)
        assert ("--contract" in verdict.steps[-1].said) == (contract is None)


async def test_the_transaction_must_be_the_anchors_own(scene: Scene) -> None:
    """Transactions of another anchor and of the deployment are in blocks as well, but do not
    count.
    """
    name, mined = await anchor(scene.chain, scene.contract, 6, LOG.at(SIZE).root)
    of_creation = await scene.chain.mined(scene.made)
    assert of_creation is not None
    for contract in (None, scene.contract):
        for tx, block, says in (
            (name, mined.block, "did not anchor this root at 5 leaves"),
            (scene.made, of_creation.block, "one that made a contract"),
        ):
            verdict = await scene.verdict(contract, anchor_tx_hash=tx, block_number=block)
            assert not verdict.holds
            assert says in verdict.steps[-1].said, verdict.steps


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"anchor_tx_hash": "0x" + "00" * 32}, "does not know the transaction"),
    ({"anchor_tx_hash": "nonsense"}, "is not a transaction hash"),
    ({"block_number": 99_999}, "not in block 99999"),
    ({"chain_id": 1}, "anchored on chain 1, not here"),
    ({"contract": STRANGER}, "the anchor's transaction is one to"),
    ({"anchor_tx_hash": None}, "anchor_tx_hash is not a transaction hash"),
]
GARBAGE: dict[str, list[Any]] = {
    "chain_id is not a whole number": [None, "1", 31337.0, True],
    "block_number is not a whole number": [None, "3", []],
    "contract is not a contract address": [None, 5, "garbage", "0x12"],
}
WRONG.extend(({says.split()[0]: wrong}, says) for says, kinds in GARBAGE.items() for wrong in kinds)


@pytest.mark.parametrize(("changed", "says"), WRONG)
async def test_a_proof_that_says_otherwise_than_the_chain_does_not_hold(
    scene: Scene, changed: dict[str, Any], says: str
) -> None:
    for contract in (None, scene.contract):
        verdict = await scene.verdict(contract, **changed)
        assert not verdict.holds
        named = "contract" in changed and contract is not None and says.startswith("the anchor's")
        assert ("the proof names" if named else says) in verdict.steps[-1].said, verdict.steps


def flipped(value: str | int) -> list[str | int]:
    """Return a hash, address or number with each of its bits changed; numbers up to 2^40."""
    if isinstance(value, int):
        return [value ^ 1 << bit for bit in range(40)]
    whole, width = int(value, 16), len(value) - 2
    return [f"0x{whole ^ 1 << bit:0{width}x}" for bit in range(4 * width)]


@pytest.mark.parametrize("member", ["anchor_tx_hash", "block_number", "chain_id", "contract"])
async def test_every_bit_of_what_names_an_anchor_counts(scene: Scene, member: str) -> None:
    changed = flipped(scene.proof[member])
    assert len(changed) in (40, 160, 256)
    for value in changed[:: chosen(day=9, night=1)]:
        verdict = await scene.verdict(scene.contract, **{member: value})
        assert not verdict.holds, value


async def test_a_blocks_number_is_no_float(scene: Scene) -> None:
    verdict = await scene.verdict(block_number=float(scene.proof["block_number"]))
    assert not verdict.holds
    assert "block_number is not a whole number" in verdict.steps[-1].said


async def test_another_contract_than_the_one_that_one_knows_is_told(scene: Scene) -> None:
    verdict = await scene.verdict(STRANGER)
    assert not verdict.holds
    assert STRANGER in verdict.steps[-1].said
    nothing: dict[str, Any] = dict.fromkeys((*MEMBERS, "anchor"))
    assert not (await scene.verdict("0x12", **nothing)).holds


async def test_a_log_that_was_anchored_otherwise_does_not_hold(scene: Scene) -> None:
    """A gateway shows a client another log of the same size."""
    forged = Log(BASE, [*LOG.leaves[:4], leaf(77)])
    verdict = await scene.verdict(scene.contract, **forged.proof(2, SIZE))
    assert not verdict.holds
    assert LOG.at(SIZE).root.hex() in verdict.steps[-1].said
    larger = await scene.verdict(scene.contract, **LOG.proof(2, 6))
    assert "did not anchor this root at 6 leaves" in larger.steps[-1].said


async def test_what_is_not_anchored_yet_holds_and_nothing_vouches_for_it(scene: Scene) -> None:
    nothing: dict[str, Any] = dict.fromkeys((*MEMBERS, "anchor"))
    for contract in (None, scene.contract):
        verdict = await scene.verdict(contract, **{**LOG.proof(2, 6), **nothing})
        assert verdict.holds, verdict.steps
        assert not verdict.witnessed
        assert "not anchored yet" in verdict.steps[-1].said
    nowhere = await scene.verdict(STRANGER, **nothing)
    assert "not anchored yet" in nowhere.steps[-1].said
    # the log is anchored, but the proof is older than the anchor
    older = await scene.verdict(scene.contract, **nothing)
    assert older.holds
    assert older.steps[-1].name == "anchor"


# ── nodes that answer nonsense ───────────────────────────────────────────────────────────────────

SOMEWHERE: dict[str, Any] = {
    "anchor_tx_hash": "0x" + "ab" * 32,
    "block_number": 1,
    "chain_id": 1,
    "contract": STRANGER,
}
ANSWERS: list[bytes] = [
    b"",
    b"[]",
    b"{}",
    b'{"result": "x"}',
    b'{"result": 5}',
    b'{"result": "0x"}',
    b'{"error": {"message": "no"}}',
    b'{"error": 5, "result": "0x1"}',
    b"[" * 100_000,
    b'"' + b"x" * (1 << 21),
    b'{"result": {"to": 5, "blockNumber": []}}',
    b'{"result": null}',
]


@pytest.mark.parametrize("body", ANSWERS, ids=lambda body: body[:24].decode())
async def test_a_node_that_answers_nonsense_is_a_step_that_fails(
    aiohttp_server: AiohttpServer, body: bytes
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.add_routes([web.post("/", answer)])
    server = await aiohttp_server(app)
    proof = {**LOG.proof(2, SIZE), **SOMEWHERE}
    found = await anchored(str(server.make_url("/")), proof)
    assert isinstance(found, ChainUnknown)
    verdict = verify(proof, chain=found)
    assert not verdict.holds
    assert verdict.steps[-1].name == "chain"


async def test_a_node_that_is_silent_is_waited_for_no_longer_than_said(
    aiohttp_server: AiohttpServer,
) -> None:
    ever = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await ever.wait()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/", never)])
    proof = {**LOG.proof(2, SIZE), **SOMEWHERE}
    server = await aiohttp_server(app)
    found = await anchored(str(server.make_url("/")), proof, seconds=0.2)
    ever.set()
    assert found == ChainUnknown("the chain's node does not answer within 0.2 s")
    gone = await anchored("http://127.0.0.1:9", proof)
    assert isinstance(gone, ChainUnknown)
    assert "does not answer" in gone.reason


# ── command line of the plain wheel ──────────────────────────────────────────────────────────────

ALONE = textwrap.dedent("""
    import importlib.machinery, json, os, sys

    class Plain(importlib.machinery.PathFinder):
        refused = frozenset(json.loads(os.environ["REFUSED"]))

        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name.partition(".")[0] in cls.refused:
                return None
            return super().find_spec(name, path, target)

    sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Plain
""")


def required_distributions(names: list[str]) -> set[str]:
    """Return the distributions that ``names`` require, directly or through other distributions."""
    found: set[str] = set()
    while names:
        name = names.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform or version of Python
        names += [NAME.split(line, maxsplit=1)[0] for line in wanted if "extra ==" not in line]
    return found


def missing_modules() -> list[str]:
    """Return all modules that an installation of the plain wheel lacks."""
    project = Path(rendertrust.__file__).resolve().parents[1] / "pyproject.toml"
    listed = tomllib.loads(project.read_text())["project"]["dependencies"]
    plain = required_distributions([line.split(">")[0] for line in listed])
    modules = metadata.packages_distributions()
    rooms = ["actors", "config", "sql", "supervisors", "web"]
    kept = {d.lower().replace("_", "-") for d in plain}
    return rooms + [
        module
        for module, owners in modules.items()
        if module != "rendertrust"  # the environment may have it installed
        and not {owner.lower().replace("_", "-") for owner in owners} & kept
    ]


def run_alone(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run ``rendertrust`` with only the packages that the plain wheel brings."""
    site = folder / "site"
    if not site.exists():
        site.mkdir()
        (site / "sitecustomize.py").write_text(ALONE)
        (site / "rendertrust").symlink_to(Path(rendertrust.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": str(site), "REFUSED": json.dumps(missing_modules())}
    command = [sys.executable, "-m", "rendertrust", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def called_alone(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(run_alone, folder, *words)


async def run_here(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run ``rendertrust`` with everything that is installed here."""
    code, out, err = await programs.call(*words, env=os.environ, cwd=folder)
    return subprocess.CompletedProcess(words, code, out, err)


async def test_the_plain_package_asks_the_chain(scene: Scene, tmp_path: Path) -> None:
    assert {"web3", "asyncpg", "eth_account"} <= set(missing_modules())
    (tmp_path / "proof.json").write_text(json.dumps(scene.proof))
    (tmp_path / "bad.json").write_text(json.dumps({**scene.proof, "block_number": 1_000_000}))
    good = await called_alone(tmp_path, "verify", "proof.json", "--rpc", scene.url)
    assert good.returncode == 3, good
    assert "ok  anchor" in good.stdout
    named = ("--contract", scene.contract)
    asked = ("verify", "proof.json", "--rpc", scene.url, *named, "--json")
    again = await called_alone(tmp_path, *asked)
    assert again.returncode == 3, again
    steps = json.loads(again.stdout)["steps"]
    assert [step["name"] for step in steps][-2:] == ["chain", "anchor"]
    bad = await run_here(tmp_path, "verify", "proof.json", "bad.json", "--rpc", scene.url)
    assert bad.returncode == 1, bad
    away = await run_here(tmp_path, "verify", "proof.json", "--rpc", "http://127.0.0.1:9")
    assert (away.returncode, "does not answer" in away.stdout) == (1, True)


async def test_a_checkpoint_vouches_where_the_chain_is_private(
    scene: Scene, tmp_path: Path
) -> None:
    (tmp_path / "proof.json").write_text(json.dumps(scene.proof))
    kept = {"checkpoint": scene.proof["checkpoint"], "verifier": scene.proof["verifier"]}
    (tmp_path / "mine.json").write_text(json.dumps(kept))
    both = ("--rpc", scene.url, "--checkpoint", "mine.json")
    assert (await run_here(tmp_path, "verify", "proof.json", *both)).returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--contract", STRANGER), "--contract needs --rpc"),
        (("--rpc", "ftp://x"), "--rpc is the http(s) address"),
        (("--rpc", "http://x", "--contract", "0x12"), "--contract is an address"),
    ],
)
async def test_a_wrong_use_is_told(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "proof.json").write_text("{}")
    told = await run_here(tmp_path, "verify", "proof.json", *words)
    assert (told.returncode, says in told.stderr) == (2, True), told
