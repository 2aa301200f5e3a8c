"""The client pins what a gateway's log signed, and reports when the gateway contradicts it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rendertrust import merkle, note
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
from tests.integration.client.log_double import LogDouble
from tests.support.leaves import leaf
from tests.support.merkle_proofs import consistency_proof
from tests.twins.signer import signing_key


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
        proof = await client.entry_proof(5)
        assert proof.leaf == leaf(3).decode()


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
        await (client.entry_proof(7) if by_proof else client.log_checkpoint())
    assert (forked.value.before, forked.value.now) == (before.checkpoint, log.signed)
    assert pins.pin == kept
    assert kept is not None
    assert pins.forks == [(kept, Pin(log.verifier, log.signed))]


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


async def test_an_older_proof_by_an_older_key_is_of_the_same_log(
    client: AsyncClient, log: LogDouble, pins: MemoryPins
) -> None:
    """Anchors stay valid for years, while the key that signed them may be replaced."""
    await client.log_checkpoint()
    old = list(log.leaves)
    for keys in ([2, 1], [2]):
        log.keys = [signing_key(number) for number in keys]
        log.grow(1)
        await client.log_checkpoint()
    log.older = (old, [signing_key(1)])
    verdict = await client.verify_entry(2)
    assert verdict.witnessed, verdict.steps
    log.older = ([*old[:2], leaf(77)], [signing_key(1)])
    with pytest.raises(Forked):
        await client.verify_entry(2)


@pytest.mark.parametrize("seen", [1, 3, 5])
async def test_a_log_that_kept_what_was_seen_is_followed_into_another_epoch(
    log: LogDouble, client: AsyncClient, pins: MemoryPins, seen: int
) -> None:
    log.leaves = log.leaves[:seen]
    await client.log_checkpoint()
    log.grow(4)
    log.restore(5 if seen == 5 else 3)
    assert (await client.log_checkpoint()).origin.startswith("farm.example/log/epoch/2-")
    assert pins.pin == Pin(log.verifier, log.signed)
    log.grow(3)
    verdict = await client.verify_entry(1)
    assert verdict.witnessed, verdict.steps
    log.grow(2)
    log.restore(len(log.leaves) - 2)
    log.restore(len(log.leaves))
    assert (await client.log_checkpoint()).origin.startswith("farm.example/log/epoch/4-")


async def test_who_saw_what_the_epoch_names_follows(
    log: LogDouble, client: AsyncClient, pins: MemoryPins
) -> None:
    await client.log_checkpoint()
    log.restore(2)
    verdict = await client.verify_entry(1)
    assert verdict.witnessed, verdict.steps
    assert pins.pin == Pin(log.verifier, log.signed)


@pytest.mark.parametrize(("kept", "anchored"), [(4, 4), (2, 3), (2, 4)])
async def test_who_saw_what_was_lost_is_told_and_may_accept_it(
    log: LogDouble, client: AsyncClient, pins: MemoryPins, kept: int, anchored: int
) -> None:
    await client.log_checkpoint()
    before = pins.pin
    log.restore(kept, anchored=anchored)
    with pytest.raises(Forked, match=f"from a backup on 2026-03-13, which had {kept} of the 5"):
        await client.log_checkpoint()
    assert pins.pin == before
    assert (await client.log_checkpoint(accept=True)).size == kept + 1
    assert pins.pin == Pin(log.verifier, log.signed)
    assert len(pins.forks) == 2
    await client.log_checkpoint()


@pytest.mark.parametrize("member", ["epochs", "tree_size", "merkle_root"])
async def test_an_epoch_that_is_not_shown_is_a_fork(
    log: LogDouble, client: AsyncClient, member: str
) -> None:
    await client.log_checkpoint()
    log.restore(5)
    log.tamper[member] = {"epochs": [], "tree_size": 5, "merkle_root": "00" * 32}[member]
    with pytest.raises(Forked, match="another epoch"):
        await client.log_checkpoint()


async def test_an_epoch_before_is_shorter(log: LogDouble, client: AsyncClient) -> None:
    old = list(log.leaves)
    log.restore(5)
    await client.log_checkpoint()
    log.leaves, log.origin = [*old, leaf(9), leaf(10)], "farm.example/log"
    with pytest.raises(Forked, match="shorter"):
        await client.log_checkpoint()


async def test_a_proof_by_an_epoch_before_is_shouted_about_too(
    log: LogDouble, client: AsyncClient, pins: MemoryPins
) -> None:
    """A client that only requests a proof must also learn that the pinned log is gone."""
    old = list(log.leaves)
    log.restore(5)
    await client.log_checkpoint()
    log.leaves, log.origin = old, "farm.example/log"
    with pytest.raises(Forked, match="shorter"):
        await client.verify_entry(1)
    assert len(pins.forks) == 1


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


async def test_a_sound_proof_of_another_entry_is_none(client: AsyncClient, log: LogDouble) -> None:
    log.instead = {3: 2}
    assert (await client.entry_proof(2)).entry_id == 2
    for asked in (3, "3"):
        with pytest.raises(NotProved, match="for entry 2, not 3"):
            await client.entry_proof(asked)
    with pytest.raises(NotProved, match="for entry 2, not 3"):
        await client.verify_entry(3)


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


# ── command line ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def program(log: LogDouble, tmp_path: Path) -> Program:
    program = Program(log.url, tmp_path)
    await program.log_in()
    return program


async def test_a_proof_is_fetched_and_checked_without_the_gateway(
    program: Program, log: LogDouble, tmp_path: Path
) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # as code pages are
    fetched = await program.execute("ledger", "proof", "5", "--out", "proof.json", **ascii_only)
    assert fetched.code == 0, fetched
    alone = await program.run("verify", "proof.json", "--url", "http://127.0.0.1:9")
    assert alone.code == 3, alone
    assert "ok  inclusion" in alone.out
    assert "use --checkpoint, or --rpc and --contract" in alone.err
    kept = await program.run("ledger", "checkpoint", "--output", "mine.json")
    assert kept.code == 0, kept
    known = await program.run("verify", "proof.json", "--checkpoint", "mine.json")
    assert known.code == 0, known
    proof = json.loads((tmp_path / "proof.json").read_text())
    (tmp_path / "bad.json").write_text(json.dumps({**proof, "leaf_index": 1}))
    bad = await program.run("verify", "proof.json", "bad.json", "--json")
    assert bad.code == 1
    assert [line["holds"] for line in bad.lines] == [True, False]


async def test_a_plain_signed_note_is_a_checkpoint_by_a_key_that_one_knows(
    program: Program, log: LogDouble, tmp_path: Path
) -> None:
    assert (await program.run("ledger", "proof", "5", "--output", "proof.json")).code == 0
    (tmp_path / "note.txt").write_text(log.signed)
    assert (await program.run("ledger", "checkpoint", "--output", "mine.json")).code == 0
    with_note = ("verify", "proof.json", "--checkpoint", "note.txt")
    (tmp_path / "altered.txt").write_text(log.signed.replace("2026", "2027"))
    other = str(note.verifier_of(log.origin, signing_key(9)))
    strange = str(note.verifier_of("other.example", signing_key(9)))
    for words, code, says in (
        (with_note, 0, "ok  witness"),  # the program fetched this proof, so it has pinned the key
        ((*with_note, "--key", log.verifier), 0, "ok  witness"),
        ((*with_note, "--key", other), 1, "is not signed by"),
        ((*with_note, "--key", strange), 1, "name its key by --key"),
        ((*with_note[:-1], "altered.txt", "--key", log.verifier), 1, "is invalid"),
        ((*with_note[:-1], "mine.json", "--key", log.verifier), 0, "ok  witness"),
        ((*with_note[:-1], "mine.json", "--key", other), 1, "is not signed by"),
    ):
        told = await program.run(*words)
        assert (told.code, says in told.out) == (code, True), told
    for words, says in (
        (("verify", "proof.json", "--key", log.verifier), "--key needs --checkpoint"),
        ((*with_note, "--key", "nonsense"), "not a verifier key"),
    ):
        told = await program.run(*words)
        assert (told.code, says in told.err) == (2, True), told


async def test_a_checkpoint_that_was_kept_is_checked_itself(
    program: Program, log: LogDouble, tmp_path: Path
) -> None:
    """The checkpoint is an answer of the API or a plain note, with or without an older note."""
    log.grow(3)
    assert (await program.run("ledger", "checkpoint", "--output", "older.json")).code == 0
    older = len(log.leaves)
    log.grow(4)
    assert (await program.run("ledger", "checkpoint", "--output", "mine.json")).code == 0
    (tmp_path / "note.txt").write_text(log.signed)
    between = {
        "from_size": older,
        "from_root": merkle.root(log.leaves[:older]).hex(),
        "to_size": older + 4,
        "to_root": merkle.root(log.leaves).hex(),
        "proof_hashes": [p.hex() for p in consistency_proof(log.leaves, older, older + 4)],
    }
    (tmp_path / "link.json").write_text(json.dumps(between))
    other = str(note.verifier_of(log.origin, signing_key(9)))
    size = f"{older + 4} leaves"
    get = f"get /api/v1/ledger/consistency?from={older}&to={older + 4}"
    for words, code, says in (
        (("mine.json",), 3, size),
        (("note.txt",), 3, size),  # with the pinned key
        (("note.txt", "--key", log.verifier), 3, size),
        (("note.txt", "--key", other), 1, "is not signed by"),
        (("mine.json", "--key", log.verifier), 3, "ok  key"),
        (("mine.json", "--key", other), 1, "NO  key"),
        (("mine.json", "--checkpoint", "note.txt"), 0, "the same checkpoint"),
        (("mine.json", "--checkpoint", "older.json"), 1, get),
        (("mine.json", "link.json", "--checkpoint", "older.json"), 0, "ok  witness"),
        (("older.json", "link.json", "--checkpoint", "note.txt"), 0, "ok  witness"),
    ):
        told = await program.run("verify", *words)
        assert (told.code, says in told.out) == (code, True), (words, told)


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
    kept = next(line for line in third.err.splitlines() if "-fork-" in line)
    path = kept.split(", in ")[1].split(": they are")[0]
    fork = json.loads(Path(path).read_text())
    assert fork["now"] == {"verifier": log.verifier, "checkpoint": log.signed}
    assert fork["before"]["checkpoint"] != log.signed
    accepted = await program.run("ledger", "checkpoint", "--accept")
    assert accepted.code == 0, accepted
    assert (await program.run("ledger", "verify", "5")).code == 0


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


BROKEN = ["", "{", "[]", "{}", '{"verifier": "x", "checkpoint": "y"}']


@pytest.mark.parametrize("content", BROKEN)
async def test_a_pin_that_cannot_be_read_is_shouted_about(
    program: Program, log: LogDouble, content: str
) -> None:
    """A damaged file must not make the client accept another log of the gateway."""
    first = await program.run("ledger", "checkpoint", "--json")
    pin = pin_file(program)
    pin.write_text(content)
    await rewrite_and_grow(log)
    for words in (("checkpoint",), ("verify", "5"), ("proof", "5")):
        told = await program.run("ledger", *words)
        assert told.code == 1, told
        assert "The pinned checkpoint of the gateway's log cannot be read" in told.err
        assert str(pin) in told.err
        assert "--accept" in told.err
    assert (first.code, pin.read_text()) == (0, content)
    assert (await program.run("ledger", "checkpoint", "--accept")).code == 0
    (aside,) = pin.parent.glob("*-broken-*")
    assert aside.read_text() == content
    assert (await program.run("ledger", "verify", "5")).code == 0


def pin_file(program: Program) -> Path:
    (found,) = (program.home / "state" / "rendertrust" / "checkpoints").glob("*.json")
    return found


NOTHING = ["", "[]", "{", "\xff", '{"from_size": 1}', "{}", '{"epochs": [5]}', "NaN", "[" * 100_000]


@pytest.mark.parametrize("content", NOTHING, ids=lambda content: content[:12])
async def test_a_file_that_is_no_proof_does_not_hold(
    program: Program, tmp_path: Path, content: str
) -> None:
    (tmp_path / "x.json").write_text(content)
    told = await program.run("verify", "x.json")
    assert told.code == 1, told
    assert "x.json: INVALID" in told.out


async def test_what_links_checkpoints_and_does_not_hold_is_a_failure(
    program: Program, log: LogDouble, tmp_path: Path
) -> None:
    assert (await program.run("ledger", "proof", "5", "--output", "proof.json")).code == 0
    assert (await program.run("ledger", "checkpoint", "--output", "mine.json")).code == 0
    log.restore(4)
    begun = {"leaf": log.leaves[-1].decode(), "leaf_index": 4, "proof_hashes": []}
    epochs = {"epochs": [begun], "tree_size": 5, "merkle_root": "00" * 32}
    for content in ({"from_size": 1, "to_size": 2}, epochs):
        (tmp_path / "link.json").write_text(json.dumps(content))
        told = await program.run("verify", "proof.json", "link.json", "--json")
        assert told.code == 1, told
        held = {line["name"]: line["holds"] for line in told.lines}
        assert held == {"proof.json": True, "link.json": False}
    (tmp_path / "none.json").write_text("{}")
    told = await program.run("verify", "proof.json", "--checkpoint", "none.json")
    assert (told.code, "none.json: INVALID" in told.out) == (1, True), told
    good = await program.run("verify", "proof.json", "--checkpoint", "mine.json")
    assert good.code == 0


@pytest.mark.parametrize("member", ["from_size", "epochs"])
async def test_a_proof_has_no_other_members(program: Program, tmp_path: Path, member: str) -> None:
    assert (await program.run("ledger", "proof", "5", "--output", "proof.json")).code == 0
    proof = json.loads((tmp_path / "proof.json").read_text())
    (tmp_path / "more.json").write_text(json.dumps({**proof, member: 1}))
    told = await program.run("verify", "more.json")
    assert (told.code, f"'{member}' is not a member of a proof" in told.out) == (1, True), told


async def test_a_text_has_one_reading(program: Program, tmp_path: Path) -> None:
    """All programs must read a proof alike, so repeated members and other encodings are refused."""
    assert (await program.run("ledger", "proof", "5", "--output", "proof.json")).code == 0
    text = (tmp_path / "proof.json").read_text()
    twice = text.replace("{", '{"entry_id": 77, ', 1)
    for raw, why in (
        (twice.encode(), "entry_id is repeated"),
        (text.encode("utf-16"), "not UTF-8 text"),
        (text.encode("utf-8-sig"), "not JSON: Unexpected UTF-8 BOM"),
        (text.replace("{", '{"more": NaN, ', 1).encode(), "NaN is not JSON"),
    ):
        (tmp_path / "x.json").write_bytes(raw)
        told = await program.run("verify", "x.json")
        assert (told.code, why in told.out) == (1, True), told
