"""The client remembers what a gateway signed, and says so when the gateway takes it back."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rendertrust.client import (
    AsyncClient,
    BadAnswer,
    Forked,
    MemoryPins,
    NotProved,
    Pin,
    RenderTrustError,
    Tokens,
)
from tests.integration.client.conftest import Program
from tests.integration.client.log_double import LogDouble, leaf
from tests.twins.signer import signing_key


@pytest.fixture
async def log() -> AsyncIterator[LogDouble]:
    async with LogDouble() as double:
        yield double


@pytest.fixture
def pins() -> MemoryPins:
    return MemoryPins()


@pytest.fixture
async def client(log: LogDouble, pins: MemoryPins) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(log.url, tokens=Tokens("a", "b"), pins=pins) as client:
        yield client


async def test_a_log_that_grows_is_followed(
    client: AsyncClient, log: LogDouble, pins: MemoryPins
) -> None:
    for leaves in (0, 1, 7, 300):
        log.grow(leaves)
        found = await client.log_checkpoint()
        assert found.size == len(log.leaves)
        assert pins.pin == Pin(log.verifier, log.signed)
        proof = await client.entry_proof(3)
        assert proof.leaf == leaf(2).decode()


async def test_a_proof_is_a_look_at_the_log_too(
    client: AsyncClient, log: LogDouble, pins: MemoryPins
) -> None:
    first = await client.verify_entry(2)
    assert first.holds
    assert not first.witnessed
    log.grow(3)
    second = await client.verify_entry(2)
    assert second.holds
    assert second.witnessed
    assert pins.pin == Pin(log.verifier, log.signed)


async def test_a_private_part_comes_for_who_asks(client: AsyncClient) -> None:
    assert (await client.entry_proof(1)).opening is None
    opened = await client.entry_proof(1, opening=True)
    assert opened.opening is not None
    assert opened.opening.private.startswith("account user:jane\n")


async def rewrite(log: LogDouble) -> None:
    log.leaves[1] = leaf(77)


async def rewrite_and_grow(log: LogDouble) -> None:
    log.leaves[1] = leaf(77)
    log.grow(4)


async def shorten(log: LogDouble) -> None:
    log.leaves.pop()


async def change_the_key(log: LogDouble) -> None:
    log.keys = [signing_key(9)]
    log.grow(1)


LIES = [rewrite, rewrite_and_grow, shorten, change_the_key]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("by_proof", [True, False])
async def test_a_log_that_takes_something_back_is_shouted_about(
    client: AsyncClient, log: LogDouble, pins: MemoryPins, lie: object, by_proof: bool
) -> None:
    before = await client.log_checkpoint()
    kept = pins.pin
    await lie(log)  # type: ignore[operator]
    with pytest.raises(Forked, match="not the one that it showed before") as forked:
        await (client.entry_proof(4) if by_proof else client.log_checkpoint())
    assert (forked.value.before, forked.value.now) == (before.checkpoint, log.signed)
    assert pins.pin == kept


async def test_a_new_key_is_followed_where_the_old_one_signs_beside_it(
    client: AsyncClient, log: LogDouble, pins: MemoryPins
) -> None:
    await client.log_checkpoint()
    log.keys = [signing_key(2), signing_key(1)]
    log.grow(1)
    await client.log_checkpoint()
    assert pins.pin is not None
    assert pins.pin.verifier == log.verifier
    log.keys = [signing_key(2)]
    log.grow(1)
    assert (await client.log_checkpoint()).size == 7


@pytest.mark.parametrize(
    ("member", "value", "error"),
    [
        ("leaf_hash", "00" * 32, NotProved),
        ("entry_id", 2, NotProved),
        ("merkle_root", "00" * 32, NotProved),
        ("proof_hashes", [], NotProved),
        ("checkpoint", "nonsense", NotProved),
        ("verifier", "nonsense", NotProved),
        ("tree_size", "5", RenderTrustError),
    ],
)
async def test_a_proof_that_does_not_hold_is_none(
    client: AsyncClient, log: LogDouble, member: str, value: object, error: type[Exception]
) -> None:
    log.tamper[member] = value
    with pytest.raises(error):
        await client.entry_proof(3)


@pytest.mark.parametrize("member", ["proof_hashes", "to_root", "from_root"])
async def test_growth_that_is_not_shown_is_a_fork(
    client: AsyncClient, log: LogDouble, member: str
) -> None:
    await client.log_checkpoint()
    log.grow(2)
    log.tamper[member] = ["00" * 32] if member == "proof_hashes" else "00" * 32
    with pytest.raises(Forked):
        await client.log_checkpoint()


async def test_a_checkpoint_that_nobody_signed_is_no_answer(
    client: AsyncClient, log: LogDouble
) -> None:
    log.tamper["checkpoint"] = log.signed.replace("2026", "2027")
    with pytest.raises(BadAnswer):
        await client.log_checkpoint()


# ── at the command line ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def program(log: LogDouble, tmp_path: Path) -> Program:
    program = Program(log.url, tmp_path)
    await program.log_in()
    return program


async def test_a_proof_is_fetched_and_checked_without_the_gateway(
    program: Program, log: LogDouble, tmp_path: Path
) -> None:
    fetched = await program.run("ledger", "proof", "3", "--output", "proof.json")
    assert fetched.code == 0, fetched
    alone = await program.run("verify", "proof.json", "--url", "http://127.0.0.1:9")
    assert alone.code == 3, alone
    assert "ok  inclusion" in alone.out
    assert "--checkpoint names what does" in alone.err
    kept = await program.run("ledger", "checkpoint", "--output", "mine.json")
    assert kept.code == 0, kept
    known = await program.run("verify", "proof.json", "--checkpoint", "mine.json")
    assert known.code == 0, known
    proof = json.loads((tmp_path / "proof.json").read_text())
    (tmp_path / "bad.json").write_text(json.dumps({**proof, "leaf_index": 1}))
    bad = await program.run("verify", "proof.json", "bad.json", "--json")
    assert bad.code == 1
    assert [line["holds"] for line in bad.lines] == [True, False]


async def test_what_was_seen_is_kept_between_calls(program: Program, log: LogDouble) -> None:
    first = await program.run("ledger", "verify", "2")
    assert first.code == 3, first
    log.grow(5)
    second = await program.run("ledger", "verify", "2")
    assert second.code == 0, second
    await rewrite_and_grow(log)
    third = await program.run("ledger", "checkpoint")
    assert third.code == 1
    assert "not the one that it showed before" in third.err
    assert "Before:" in third.err
    assert "Now:" in third.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ledger", "proof", "x"), "neither a number nor an id"),
        (("verify", "nothing.json"), "does not exist"),
        (("verify",), "Missing argument"),
    ],
)
async def test_a_wrong_use_is_told(program: Program, words: tuple[str, ...], says: str) -> None:
    told = await program.run(*words)
    assert told.code == 2
    assert says in told.err


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff", '{"from_size": 1}', "{}"])
async def test_a_file_that_is_no_proof_is_told(
    program: Program, tmp_path: Path, content: str
) -> None:
    (tmp_path / "x.json").write_text(content)
    told = await program.run("verify", "x.json")
    assert told.code in (1, 2)
    assert "x.json" in told.out + told.err
