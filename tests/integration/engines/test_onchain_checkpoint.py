"""Kept checkpoints verified against a real chain with nothing but the plain package installed."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from pytest_aiohttp import AiohttpServer

from rendertrust import checkpoint, note
from rendertrust.onchain import SIZE as SIZE_CALL
from rendertrust.onchain import ChainUnknown, newest
from tests.integration.engines.test_onchain import (
    LOG,
    SIZE,
    STRANGER,
    Scene,
    called_alone,
    run_here,
)
from tests.integration.engines.test_onchain import scene as scene  # noqa: PLC0414 - a fixture
from tests.integration.engines.test_onchain_final import PublicNode, serve_node
from tests.support.leaves import leaf
from tests.unit.proof.test_epochs import Log
from tests.unit.proof.test_note import KEY

KEY_TEXT = str(note.verifier_of(LOG.origin, KEY))


def answer(scene: Scene, size: int, log: Log = LOG) -> dict[str, Any]:
    """Return the answer of ``/ledger/checkpoint`` while five leaves are anchored."""
    signed = log.at(size)
    return {
        "origin": log.origin,
        "size": size,
        "root": signed.root.hex(),
        "time": f"{signed.time:%Y-%m-%dT%H:%M:%SZ}",
        "checkpoint": checkpoint.sign(signed, KEY),
        "verifier": KEY_TEXT,
        "verifiers": [KEY_TEXT],
        "anchor": scene.proof["anchor"],
    }


def consistency(m: int, n: int) -> dict[str, Any]:
    """Return the answer of ``/ledger/consistency``."""
    shown = attrs.asdict(LOG.shown(m, n))
    names = {"m": "from_size", "n": "to_size", "root_m": "from_root", "root_n": "to_root"}
    named = {names[name]: shown[name] for name in names}
    roots = {name: named[name].hex() for name in ("from_root", "to_root")}
    return {**named, **roots, "proof_hashes": [part.hex() for part in shown["proof"]]}


@pytest.fixture
def folder(scene: Scene, tmp_path: Path) -> Path:
    """Write checkpoints in both forms, and consistency proofs between them."""
    forged = Log(LOG.origin, [*LOG.leaves[:4], leaf(77)])
    documents = {
        "five.json": answer(scene, 5),
        "seven.json": answer(scene, 7),
        "three.json": {**answer(scene, 3), "anchor": None},
        "5-7.json": consistency(5, 7),
        "3-5.json": consistency(3, 5),
        "broken.json": {**consistency(5, 7), "proof_hashes": []},
        "forged.json": {**answer(scene, 5, forged), "anchor": None},
    }
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "five.txt").write_text(checkpoint.sign(LOG.at(5), KEY))
    (tmp_path / "seven.txt").write_text(checkpoint.sign(LOG.at(7), KEY))
    (tmp_path / "forged.txt").write_text(checkpoint.sign(forged.at(5), KEY))
    return tmp_path


async def test_the_newest_anchor_is_asked_for(scene: Scene) -> None:
    assert await newest(scene.url, scene.contract) == SIZE
    assert isinstance(await newest(scene.url, STRANGER), ChainUnknown)
    assert isinstance(await newest("http://127.0.0.1:9", scene.contract), ChainUnknown)
    assert len(SIZE_CALL) == 10


WITH_KEY = ("--key", KEY_TEXT)
CASES: list[tuple[tuple[str, ...], int, str]] = [
    (("five.json",), 0, "since block"),
    (("five.txt", *WITH_KEY), 0, "has this root at 5 leaves"),
    (("seven.json", "5-7.json"), 0, "5 leaves are the beginning of 7"),
    (("seven.txt", "5-7.json", *WITH_KEY), 0, "5 leaves are the beginning of 7"),
    (("three.json", "3-5.json"), 0, "3 leaves are the beginning of 5"),
    (("five.json", "5-7.json", "--checkpoint", "seven.txt", *WITH_KEY), 0, "ok  witness"),
    (("seven.json",), 3, "get /api/v1/ledger/consistency?from=5&to=7"),
    (("seven.txt", *WITH_KEY), 3, "newest anchor is of 5 leaves"),
    (("three.json",), 3, "get /api/v1/ledger/consistency?from=3&to=5"),
    (("seven.json", "broken.json"), 1, "invalid proof that 5 leaves"),
    (("forged.json",), 1, LOG.at(5).root.hex()),
    (("forged.txt", *WITH_KEY), 1, LOG.at(5).root.hex()),
    (("five.json", "--checkpoint", "seven.json"), 1, "get /api/v1/ledger/consistency?from=5&to=7"),
    (("forged.json", "--checkpoint", "five.json"), 1, "the log was forked"),
]


@pytest.mark.parametrize(("words", "code", "says"), CASES, ids=lambda value: str(value)[:40])
async def test_a_chain_of_others_vouches_for_a_checkpoint(
    scene: Scene,
    folder: Path,
    aiohttp_server: AiohttpServer,
    *,
    words: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    """The chain must have the checkpoint's root, or a root that a consistency proof links
    with it.
    """
    block = hex(scene.proof["block_number"])
    url = await serve_node(aiohttp_server, PublicNode(scene.url, block))
    told = await run_here(folder, "verify", *words, "--rpc", url, "--contract", scene.contract)
    assert (told.returncode, says in told.stdout) == (code, True), told


async def test_a_private_chain_or_a_contract_that_nobody_named_vouches_for_nothing(
    scene: Scene, folder: Path, aiohttp_server: AiohttpServer
) -> None:
    named = ("--contract", scene.contract)
    block = hex(scene.proof["block_number"])
    private = await called_alone(folder, "verify", "five.json", "--rpc", scene.url, *named)
    assert (private.returncode, "private" in private.stdout) == (3, True), private
    url = await serve_node(aiohttp_server, PublicNode(scene.url, block))
    unnamed = await run_here(folder, "verify", "five.json", "--rpc", url)
    assert (unnamed.returncode, "named only by the gateway" in unnamed.stdout) == (3, True), unnamed
    plain = await run_here(folder, "verify", "five.txt", *WITH_KEY, "--rpc", url)
    assert (plain.returncode, "--contract names the contract" in plain.stdout) == (3, True), plain
    other = await run_here(folder, "verify", "five.json", "--rpc", url, "--contract", STRANGER)
    assert (other.returncode, f"not {STRANGER}" in other.stdout) == (1, True), other
    away = ("--rpc", "http://127.0.0.1:9", *named)
    for words in (("five.json",), ("five.txt", *WITH_KEY)):
        told = await run_here(folder, "verify", *words, *away)
        assert (told.returncode, "does not answer" in told.stdout) == (1, True), told
