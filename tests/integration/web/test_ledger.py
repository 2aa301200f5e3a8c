"""Proofs at the HTTP API of a whole gateway, verified as a stranger would."""

import asyncio
import hashlib
from itertools import pairwise
from uuid import UUID

import aiohttp
import pytest

from rendertrust import checkpoint, merkle, nonce_note, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import Verifier
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Json, Person, holds
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole


async def test_an_entry_of_now_is_proved_at_once(creator: Person) -> None:
    entry = await creator.deduct()
    status, proof = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    assert status == 200, proof
    assert holds(proof)
    assert proof["entry_id"] == entry["entry_id"]
    assert entry["entry_id"] % 2 == 1
    assert proof["side"] == "debit"
    assert f"\ntransfer {(entry['entry_id'] + 1) // 2}\n" in proof["leaf"]
    assert "\nkind DEDUCTION\namount 10000\n" in proof["leaf"]
    assert (proof["anchor_tx_hash"], proof["block_number"], proof["opening"]) == (None, None, None)


async def test_every_entry_is_proved_by_number_and_by_id(creator: Person) -> None:
    for _ in range(20):
        await creator.deduct()
    _, history = await creator.answered("GET", "/credits/history")
    assert history["count"] == 21
    for entry in history["entries"]:
        _, by_number = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
        _, by_id = await creator.answered("GET", f"/ledger/{entry['id']}/proof")
        assert holds(by_number)
        assert by_id["leaf"] == by_number["leaf"]


async def test_the_owner_can_open_their_side(creator: Person) -> None:
    entry = await creator.deduct()
    _, proof = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof?opening=true")
    salt, private = bytes.fromhex(proof["opening"]["salt"]), proof["opening"]["private"]
    digest = hashlib.sha256(salt + private.encode()).hexdigest()
    assert f"\ndebit {digest}\n" in proof["leaf"]
    assert "before 1000000\nafter 990000\n" in private
    assert "as \\u00c4dmin said" in private


@pytest.mark.parametrize(
    "key", ["0", "-1", "999999", "99999999999999999999", "x", str(UUID(int=7)), "1.5", "01"]
)
async def test_what_is_no_entry_is_not_found(creator: Person, key: str) -> None:
    assert (await creator.answered("GET", f"/ledger/{key}/proof"))[0] == 404


async def test_anothers_entry_is_as_absent_as_none(
    gateway: Whole, http: aiohttp.ClientSession, creator: Person
) -> None:
    entry = await creator.deduct()
    other = Person(http, gateway.url)
    await other.register()
    for key in (entry["entry_id"], entry["entry_id"] + 1, entry["id"]):
        refused = await other.answered("GET", f"/ledger/{key}/proof")
        absent = await other.answered("GET", "/ledger/999999/proof")
        assert refused[0] == absent[0] == 404
        assert refused[1]["detail"] == absent[1]["detail"] == "Entry not found"


async def test_a_nonce_is_signed_by_the_key_of_the_checkpoint(
    gateway: Whole, http: aiohttp.ClientSession, creator: Person
) -> None:
    await creator.deduct()
    stranger, nonce = Person(http, gateway.url), "0f" * 32

    async def checkpoint() -> Json:
        status, found = await stranger.answered("GET", "/ledger/checkpoint")
        return found if status == 200 else {}  # 503 until the log has begun

    plain = await until(checkpoint)
    status, now = await stranger.answered("GET", f"/ledger/checkpoint?nonce={nonce}")
    assert status == 200
    assert now.keys() - plain.keys() == {"answer"}
    verifier = note.read_verifier(now["verifier"])
    assert isinstance(verifier, Verifier)
    assert nonce_note.refusal(now["answer"], verifier, nonce) is None
    assert nonce_note.refusal(now["answer"], verifier, "0e" * 32) is not None
    for wrong in ("", "0f", "0F" * 32, "0f" * 33):
        status, _ = await stranger.answered("GET", f"/ledger/checkpoint?nonce={wrong}")
        assert status == 422


async def test_the_checkpoint_and_its_growth_are_open_to_everybody(
    gateway: Whole, http: aiohttp.ClientSession, creator: Person
) -> None:
    stranger = Person(http, gateway.url)
    sizes: list[Json] = []
    for _ in range(4):
        entry = await creator.deduct()
        await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
        status, now = await stranger.answered("GET", "/ledger/checkpoint")
        assert status == 200, now
        verifier = note.read_verifier(now["verifier"])
        assert isinstance(verifier, Verifier)
        signed = checkpoint.read(now["checkpoint"], verifier)
        assert isinstance(signed, Checkpoint)
        assert (signed.size, signed.root.hex()) == (now["size"], now["root"])
        sizes.append(now)
    for older, newer in pairwise(sizes):
        path = f"/ledger/consistency?from={older['size']}&to={newer['size']}"
        _, shown = await stranger.answered("GET", path)
        proof = [bytes.fromhex(part) for part in shown["proof_hashes"]]
        roots = bytes.fromhex(older["root"]), bytes.fromhex(newer["root"])
        assert merkle.verify_consistency(older["size"], newer["size"], proof, *roots)
        assert (shown["from_root"], shown["to_root"]) == (older["root"], newer["root"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "from"),
        ("from=0", "from"),
        ("from=x", "from"),
        ("from=1&from=2", "from"),
        ("from=1&to=9999", "to"),
        ("from=9999", "from"),
        ("from=2&to=1", "from"),
        ("from=99999999999999999999", "from"),
    ],
)
async def test_sizes_that_are_none_are_named(creator: Person, query: str, field: str) -> None:
    entry = await creator.deduct()
    await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    status, answer = await creator.answered("GET", f"/ledger/consistency?{query}")
    assert status == 422
    assert [fault["field"] for fault in answer["errors"]] == [field]


async def test_many_at_once_are_all_proved(creator: Person) -> None:
    entries = await asyncio.gather(*(creator.deduct() for _ in range(20)))
    paths = [f"/ledger/{entry['entry_id']}/proof" for entry in entries]
    for status, proof in await asyncio.gather(*(creator.answered("GET", path) for path in paths)):
        assert status == 200, proof
        assert holds(proof)


async def test_an_entry_that_is_altered_is_proved_no_more_and_its_old_proof_still_holds(
    gateway: Whole, creator: Person, database: PostgresEndpoint
) -> None:
    entry = await creator.deduct()
    _, before = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    async with connected(database.owner_dsn) as owner:
        await owner.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        await owner.execute(
            "UPDATE transfers SET created_at = created_at - interval '1 day'"
            " WHERE id = ($1::bigint + 1) / 2",
            entry["entry_id"],
        )
    _, after = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    assert holds(before)
    assert not holds(after)
    assert after["leaf_hash"] == before["leaf_hash"]
    findings = await gateway.store.audit()
    found = [(finding.invariant, finding.subject) for finding in findings]
    assert found == [("I7", f"transfer {(entry['entry_id'] + 1) // 2}")]


async def test_two_gateways_on_one_log_prove_alike(
    gateway: Whole, http: aiohttp.ClientSession, creator: Person, database: PostgresEndpoint
) -> None:
    async with whole(database, settings_for_tests()) as second:
        there = Person(http, second.url)
        there.headers = creator.headers
        for number in range(10):
            entry = await creator.deduct()
            asked = creator if number % 2 else there
            status, proof = await asked.answered("GET", f"/ledger/{entry['entry_id']}/proof")
            assert status == 200, proof
            assert holds(proof)
        assert await gateway.store.audit() == []
