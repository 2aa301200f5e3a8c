"""Anchors at the HTTP API of a whole gateway over a chain twin: verification compares them with the
chain.
"""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest

from actors.anchor.policy import AnchorSettings
from rendertrust.anchor_note import MEMBERS
from rendertrust.proof_check import verify as verify_proof
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected, execute
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person, holds
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from tests.twins.chain import ChainTwin

Json = dict[str, Any]
SETTINGS = AnchorSettings(every_seconds=0.02, anchor_seconds=0.0)


@pytest.fixture
def chain() -> ChainTwin:
    return ChainTwin()


@pytest.fixture
async def gateway(database: PostgresEndpoint, chain: ChainTwin) -> AsyncGenerator[Whole]:
    settings = settings_for_tests(credits={"starter": "100"}, proof={"checkpoint_seconds": 0.1})
    async with whole(database, settings, anchoring=(chain, SETTINGS)) as running:
        yield running


async def wait_until_verified(creator: Person, entry: Json) -> Json:
    """Wait until the anchor of an entry is confirmed, and return the entry's verification."""

    async def confirmed() -> Json | None:
        status, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
        assert status == 200, found
        return found if found["state"] == "confirmed" else None

    found = await until(confirmed)
    assert found is not None
    return found


async def test_an_entry_is_verified_on_the_chain(creator: Person) -> None:
    entry = await creator.deduct()
    found = await wait_until_verified(creator, entry)
    assert (found["verified"], found["reason"], found["private"]) == (True, None, True)
    assert found["on_chain_root"] == found["merkle_root"]
    _, proof = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    assert holds(proof)
    assert proof["anchor_tx_hash"] == found["tx_hash"]
    assert proof["block_number"] == found["block_number"]
    assert proof["merkle_root"] == found["merkle_root"]


async def test_what_a_proof_says_of_its_anchor_is_signed_and_open_to_everybody(
    gateway: Whole, creator: Person, http: aiohttp.ClientSession
) -> None:
    entry = await creator.deduct()
    await wait_until_verified(creator, entry)
    _, proof = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    verdict = verify_proof(proof)
    assert verdict.holds, verdict.steps
    assert [step.name for step in verdict.steps][-1] == "claim"
    for name, value in (
        ("anchor_tx_hash", "0x" + "12" * 32),
        ("block_number", proof["block_number"] + 1),
        ("chain_id", proof["chain_id"] + 1),
        ("contract", "0x" + "12" * 20),
        ("anchor", None),
    ):
        assert not verify_proof({**proof, name: value}).holds
    status, now = await Person(http, gateway.url).answered("GET", "/ledger/checkpoint")
    assert (status, now["anchor"]) == (200, proof["anchor"])


NO_NOTE = {
    "without a note": "UPDATE chain_transactions SET note = NULL",
    "by a key that went": "UPDATE chain_transactions SET note = regexp_replace(note, '— .*', '')",
}


@pytest.mark.parametrize("statement", NO_NOTE.values(), ids=list(NO_NOTE))
async def test_a_proof_names_no_anchor_that_its_key_did_not_sign(
    creator: Person, database: PostgresEndpoint, statement: str
) -> None:
    entry = await creator.deduct()
    anchor = await wait_until_verified(creator, entry)
    await execute(database.owner_dsn, statement)
    _, proof = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    assert verify_proof(proof).holds
    assert [proof[name] for name in (*MEMBERS, "anchor")] == [None] * 5
    # a client that reads the chain finds this root
    assert proof["merkle_root"] == anchor["merkle_root"]


async def test_before_an_anchor_nothing_is_verified_and_why(
    creator: Person, chain: ChainTwin
) -> None:
    chain.mining = False
    entry = await creator.deduct()
    status, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
    assert status == 200
    told = (found["verified"], found["on_chain_root"], found["tx_hash"], found["state"])
    assert told == (False, None, None, "pending")
    assert "no confirmed anchor" in found["reason"]


async def test_a_chain_that_is_away_is_503_and_harms_nothing_else(
    creator: Person, chain: ChainTwin
) -> None:
    entry = await creator.deduct()
    await wait_until_verified(creator, entry)
    chain.away = True
    assert (await creator.call("GET", f"/ledger/{entry['entry_id']}/verify"))[0] == 503
    assert (await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof"))[0] == 200
    await creator.deduct()


ALTERED = {
    "UPDATE transfers SET created_at = created_at - interval '1 day'": "the entry does not match",
    "UPDATE leaves SET hash = sha256('x')": "the entry does not match",
}


async def run_as_owner(database: PostgresEndpoint, statement: str) -> None:
    """Run a statement as the owner of the database, with the log's triggers off."""
    async with connected(database.owner_dsn) as owner:
        for table in ("transfers", "leaves", "tiles"):
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await owner.execute(statement)


async def test_what_was_altered_before_it_was_anchored_is_told(
    creator: Person, chain: ChainTwin, database: PostgresEndpoint
) -> None:
    chain.mining = False
    entry = await creator.deduct()
    assert (await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof"))[0] == 200
    await run_as_owner(database, "UPDATE transfers SET created_at = created_at - interval '1 day'")
    _, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
    assert (found["verified"], found["state"]) == (False, "pending")
    assert "it was altered" in found["reason"]


async def test_an_anchor_on_a_chain_of_before_is_no_word_of_the_chain_of_now(
    creator: Person, database: PostgresEndpoint
) -> None:
    entry = await creator.deduct()
    anchor = await wait_until_verified(creator, entry)
    await run_as_owner(database, "UPDATE chain_transactions SET chain_id = 5, nonce = nonce + 900")

    async def told() -> str | None:
        _, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
        return found["reason"] if found["state"] == "pending" else None

    assert f"is on chain 5, and this gateway anchors on chain {anchor['chain_id']}" in str(
        await until(told)
    )


@pytest.mark.parametrize("statement", ALTERED)
async def test_what_was_altered_is_verified_no_more(
    gateway: Whole, creator: Person, chain: ChainTwin, database: PostgresEndpoint, statement: str
) -> None:
    entry = await creator.deduct()
    anchor = await wait_until_verified(creator, entry)
    _, before = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    await run_as_owner(database, statement)
    gateway.gateway.tables.proofs.forget()
    _, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
    assert not found["verified"]
    assert ALTERED[statement] in found["reason"]
    on_chain = await chain.root_at(anchor["contract"], before["tree_size"])
    assert on_chain is not None
    assert (holds(before), before["merkle_root"]) == (True, on_chain.hex())
    _, after = await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof")
    assert not still_holds(after)


def still_holds(proof: Json) -> bool:
    return verify_proof(proof).holds


@pytest.fixture
async def anchored(
    database: PostgresEndpoint, http: aiohttp.ClientSession, chain: ChainTwin
) -> AsyncGenerator[tuple[Person, Json]]:
    """Yield a user and their verified entry, at a gateway whose Anchor reads the chain only
    once.
    """
    settings = settings_for_tests(credits={"starter": "100"}, proof={"checkpoint_seconds": 0.1})
    async with whole(database, settings, anchoring=(chain, SETTINGS)) as running:
        creator = Person(http, running.url)
        await creator.register()
        entry = await creator.deduct()
        await wait_until_verified(creator, entry)
    looks, seldom = chain.looks, AnchorSettings(every_seconds=3600.0)
    async with whole(database, settings, anchoring=(chain, seldom)) as running:
        again = Person(http, running.url)
        again.headers = creator.headers
        await until(lambda: chain.looks > looks)
        assert (await wait_until_verified(again, entry))["verified"]
        yield again, entry


async def test_a_chain_with_another_root_is_told(
    anchored: tuple[Person, Json], chain: ChainTwin
) -> None:
    creator, entry = anchored
    anchors = [block for block in chain.blocks if "root" in block]
    for number, block in enumerate(anchors):  # the entry is in the first anchor or in a later one
        block["root"] = "ab" * 32
        if number:
            block["previous"] = "ab" * 32
    _, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
    assert not found["verified"]
    assert "the chain has" in found["reason"]


async def test_an_anchor_whose_block_was_taken_back_is_pending_at_once(
    anchored: tuple[Person, Json], chain: ChainTwin
) -> None:
    """The Anchor has not looked yet, so its rows still name the old block."""
    creator, entry = anchored
    for change in ("shifted", "fork", "gone"):
        chain.shifted, chain.fork = int(change == "shifted"), int(change == "fork")
        if change == "gone":
            chain.lose(len(chain.blocks) - 1)
        _, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
        told = found["verified"], found["state"], found["on_chain_root"], found["block_number"]
        assert told == (False, "pending", None, None), change
        assert "is not final" in found["reason"]


async def test_anchors_are_listed_by_page_and_since(creator: Person) -> None:
    for _ in range(3):
        await wait_until_verified(creator, await creator.deduct())
    status, whole_list = await creator.answered("GET", "/ledger/anchors")
    assert status == 200
    assert whole_list["count"] == len(whole_list["anchors"]) >= 1
    sizes = [row["size"] for row in whole_list["anchors"]]
    assert sizes == sorted(sizes, reverse=True)
    _, first = await creator.answered("GET", "/ledger/anchors?page=1&per_page=1")
    assert (first["anchors"], first["page"], first["per_page"]) == (
        *([whole_list["anchors"][0]], 1),
        1,
    )
    _, none = await creator.answered("GET", "/ledger/anchors?since=2100-01-01T00:00:00Z")
    assert (none["anchors"], none["count"]) == ([], 0)
    for query in ("page=0", "per_page=101", "since=yesterday", "per_page=x"):
        assert (await creator.answered("GET", f"/ledger/anchors?{query}"))[0] == 422


async def test_without_a_chain_it_says_so(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    async with whole(database, settings_for_tests(credits={"starter": "100"})) as plain:
        creator = Person(http, plain.url)
        await creator.register()
        entry = await creator.deduct()
        status, found = await creator.answered("GET", f"/ledger/{entry['entry_id']}/verify")
        assert (status, found["verified"], found["state"]) == (200, False, "disabled")
        assert (await creator.answered("GET", "/ledger/anchors"))[1]["anchors"] == []
        assert (await creator.answered("GET", "/ledger/999999/verify"))[0] == 404
