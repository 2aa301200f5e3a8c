"""Halts of a gateway whose chain may have more of the log than its database.

During a halt the gateway books and signs nothing and says why; reading and logging in still work.
"""

from collections.abc import AsyncGenerator
from typing import Any, cast

import aiohttp
import pytest

from actors.anchor.policy import AnchorSettings
from actors.ports import Anchored
from sql.anchors import Anchors
from sql.audit_log import Act
from sql.database import Database
from sql.epochs import ChainPosition, EpochRow, reopen
from sql.halts import RESTORED, Halt, Halted, write_halt
from supervisors.chain_audit import audit_chain, see
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from tests.integration.web.test_anchors import wait_until_verified
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person, holds
from tests.support.transfers import transfer_between
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from tests.twins.chain import CHAIN_ID, SENDER, ChainTwin

pytestmark = pytest.mark.usefixtures("no_answer_cache")

Json = dict[str, Any]
SETTINGS = AnchorSettings(every_seconds=0.02, anchor_seconds=0.0)
LOGIN = {"email": "jane@example.org", "password": "a long password"}
CLOCK = SystemClock()


@pytest.fixture
def chain() -> ChainTwin:
    return ChainTwin()


@pytest.fixture
async def gateway(
    database: PostgresEndpoint, chain: ChainTwin, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Whole]:
    monkeypatch.setattr("sql.halts.FRESH_SECONDS", 0.05)
    settings = settings_for_tests(credits={"starter": "100"}, proof={"checkpoint_seconds": 0.1})
    async with whole(database, settings, anchoring=(chain, SETTINGS)) as running:
        yield running


async def ready(creator: Person) -> Json:
    """Return the readiness answer, once the gateway has read the state of its log."""

    async def read() -> Json | None:
        found: Json = (await creator.call("GET", "/health/ready"))[1]
        return found if found["log"] is not None else None

    return cast("Json", await until(read))


async def halted(creator: Person) -> str:
    async def told() -> str | None:
        found = await ready(creator)
        return cast("str | None", found["log"]["halted"]) if found["status"] == "degraded" else None

    found = await until(told)
    assert found is not None
    return found


async def anchor_unknown_leaves(chain: ChainTwin, size: int) -> str:
    """Anchor a checkpoint that the database never saw, and return the contract."""
    contract = next(block["deploy"] for block in chain.blocks if "deploy" in block)
    newest = await chain.newest(contract)
    assert newest is not None
    ahead = Anchored(newest.size + size, b"r" * 32)
    bid = await chain.bid()
    signed = await chain.sign_anchor(contract, ahead, newest.root, len(chain.blocks), bid)
    await chain.send(signed.raw)
    return str(contract)


async def deduct(creator: Person, reference: str) -> tuple[int, Json]:
    body = {"amount": "1", "reference_id": reference, "description": "d"}
    return await creator.call("POST", "/credits/deduct", body)


async def begin_epoch(gateway: Whole, chain: ChainTwin) -> EpochRow:
    """Begin an epoch as the command `chain reopen` does."""
    database = gateway.gateway.database
    seen = await see(chain, Anchors(database), CLOCK)
    assert seen.halt is not None
    assert seen.halt.contract is not None
    assert seen.halt.size is not None
    assert seen.halt.root is not None
    there = ChainPosition(
        CHAIN_ID, seen.halt.contract, seen.halt.size, seen.halt.root, SENDER, seen.state.nonce
    )
    now = CLOCK.now()
    return await reopen(
        database, there, now, lambda row: Act(now, None, "me", "chain.reopen", row.origin, "why")
    )


async def test_a_chain_that_is_ahead_halts_every_write_and_no_reading(
    gateway: Whole, creator: Person, chain: ChainTwin
) -> None:
    entry = await creator.deduct()
    await wait_until_verified(creator, entry)
    await anchor_unknown_leaves(chain, 50)
    why = await halted(creator)
    assert "an older backup was restored" in why
    for method, path, body in (
        ("POST", "/credits/deduct", {"amount": "1", "reference_id": "x", "description": "d"}),
        ("POST", "/jobs/dispatch", {"job_type": "echo", "payload_ref": "s3://x/y"}),
        ("POST", "/auth/register", {**LOGIN, "email": "late@example.org", "name": "L"}),
        ("POST", "/nodes/register", {"public_key": "x", "capabilities": []}),
        ("POST", "/uploads", {"sha256": "00" * 32, "size": 1, "filename": "x"}),
        ("POST", "/auth/password", {"old_password": "a long password", "new_password": "b"}),
    ):
        status, problem = await creator.call(method, path, body)
        assert status == 503, (path, problem)
        assert "`rendertrust chain reopen`" in problem["detail"], path
    for path in ("/credits/balance", "/credits/history", "/jobs", "/ledger/anchors"):
        assert (await creator.answered("GET", path))[0] == 200
    assert holds((await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof"))[1])
    with pytest.raises(Halted):  # also for other writers: nodes' results, the Paymaster
        async with gateway.store.transaction():
            pass


async def test_who_wants_to_read_may_log_in(
    gateway: Whole, http: aiohttp.ClientSession, creator: Person, chain: ChainTwin
) -> None:
    await creator.call("POST", "/auth/register", {**LOGIN, "name": "Jane"})
    await wait_until_verified(creator, await creator.deduct())
    await anchor_unknown_leaves(chain, 1)
    await halted(creator)
    status, tokens = await creator.call("POST", "/auth/login", LOGIN)
    assert status == 200
    status, _ = await creator.call(
        "POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]}
    )
    assert status == 200
    assert (await creator.call("POST", "/auth/logout"))[0] == 200


async def test_nothing_is_signed_while_the_chain_has_another_log(
    gateway: Whole, creator: Person, chain: ChainTwin, database: PostgresEndpoint
) -> None:
    await wait_until_verified(creator, await creator.deduct())
    await anchor_unknown_leaves(chain, 3)
    await halted(creator)
    _, before = await creator.answered("GET", "/ledger/checkpoint")
    async with connected(database.owner_dsn) as owner:
        # Entries that a restored database had booked but not yet signed.
        await owner.execute(transfer_between("payouts", "disputes"))

        async def taken() -> bool:
            row = await owner.fetchrow("SELECT max(leaf_index) + 1 AS size FROM leaves")
            return row is not None and row["size"] > before["size"]

        await until(taken)
    assert (await creator.answered("GET", "/ledger/checkpoint"))[1] == before


async def test_an_epoch_lets_writes_go_on_and_old_proofs_hold(
    gateway: Whole, creator: Person, chain: ChainTwin
) -> None:
    entry = await creator.deduct()
    await wait_until_verified(creator, entry)
    left = await anchor_unknown_leaves(chain, 50)
    await halted(creator)
    row = await begin_epoch(gateway, chain)
    assert (row.number, row.contract) == (2, left)

    async def goes_on() -> Json | None:
        status, found = await deduct(creator, "after")
        return found if status == 200 else None

    fresh = await until(goes_on)
    assert fresh is not None
    number = fresh["entry_id"]

    async def proved() -> bool:
        return (await creator.call("GET", f"/ledger/{number}/proof"))[0] == 200

    await until(proved)
    found = await wait_until_verified(creator, fresh)
    assert (found["verified"], found["contract"] != left) == (True, True)
    assert (await wait_until_verified(creator, entry))["verified"]
    _, now = await creator.answered("GET", "/ledger/checkpoint")
    assert now["origin"] == row.origin
    _, epochs = await creator.answered("GET", "/ledger/epochs")
    (link,) = epochs["epochs"]
    assert (link["leaf"], link["leaf_index"]) == (row.leaf, row.leaf_index)
    assert (await creator.answered("GET", "/ledger/epochs?size=1"))[1]["epochs"] == []
    assert (await creator.answered("GET", "/ledger/epochs?size=999999"))[0] == 422
    assert await gateway.store.audit() == []
    anchors = Anchors(gateway.gateway.database)
    await until(lambda: _sound(chain, anchors))
    found = await ready(creator)
    assert (found["status"], found["log"]["halted"]) == ("ready", None)


async def test_who_looked_before_an_epoch_began_halts_nobody_after_it(
    gateway: Whole, creator: Person, chain: ChainTwin
) -> None:
    await wait_until_verified(creator, await creator.deduct())
    await anchor_unknown_leaves(chain, 50)
    await halted(creator)
    database = gateway.gateway.database
    late = (await see(chain, Anchors(database), CLOCK)).halt
    assert late is not None
    await begin_epoch(gateway, chain)
    await write_halt(database, late)

    async def goes_on() -> bool:
        return (await deduct(creator, "one"))[0] == 200

    await until(goes_on)


async def _sound(chain: ChainTwin, anchors: Anchors) -> bool:
    return not await audit_chain(chain, anchors, CLOCK)


async def test_before_the_chain_was_asked_nothing_is_signed_and_everything_else_goes_on(
    database: PostgresEndpoint, http: aiohttp.ClientSession, chain: ChainTwin
) -> None:
    chain.away = True
    settings = settings_for_tests(credits={"starter": "100"}, proof={"checkpoint_seconds": 0.1})
    async with whole(database, settings, anchoring=(chain, SETTINGS)) as gateway:
        creator = Person(http, gateway.url)
        await creator.register()
        entry = await creator.deduct()
        status, problem = await creator.call("GET", f"/ledger/{entry['entry_id']}/proof")
        assert status == 503
        assert "the chain has not answered yet" in problem["detail"]
        assert (await creator.call("GET", "/ledger/checkpoint"))[0] == 503
        found = await ready(creator)
        assert (found["status"], found["log"]["unanchored"]) == ("ready", found["log"]["leaves"])
        # nothing is signed, and the age of the unanchored leaves is shown
        assert found["log"]["unanchored_since"] is not None
        chain.away = False

        async def proved() -> bool:
            status, proof = await creator.call("GET", f"/ledger/{entry['entry_id']}/proof")
            return status == 200 and holds(proof)

        await until(proved)


async def test_a_restored_backup_waits_for_the_chains_word_and_no_longer(
    gateway: Whole, creator: Person, chain: ChainTwin
) -> None:
    await wait_until_verified(creator, await creator.deduct())
    chain.away = True
    await until(lambda: chain.refusals)  # no earlier answer of the chain may lift the halt
    await write_halt(gateway.gateway.database, Halt(RESTORED, CLOCK.now()))
    assert "has not confirmed yet" in await halted(creator)
    status, problem = await deduct(creator, "one")
    assert (status, "nothing is written until then" in problem["detail"]) == (503, True)
    chain.away = False

    async def goes_on() -> bool:
        return (await deduct(creator, "one"))[0] == 200

    await until(goes_on)


async def test_a_gateway_without_a_chain_has_nobody_to_wait_for(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    pool = Database(lambda: database.app_dsn)
    await write_halt(pool, Halt(RESTORED, CLOCK.now()))
    await pool.close()
    async with whole(database, settings_for_tests(credits={"starter": "100"})) as plain:
        creator = Person(http, plain.url)
        await creator.register()
        await creator.deduct()
        found = await ready(creator)
        assert (found["status"], found["log"]["unanchored"]) == ("ready", None)


async def test_the_backlog_is_told_and_is_no_failure(
    gateway: Whole, creator: Person, chain: ChainTwin, http: aiohttp.ClientSession
) -> None:
    await wait_until_verified(creator, await creator.deduct())

    async def nothing_waits() -> bool:
        return bool((await ready(creator))["log"]["unanchored"] == 0)

    await until(nothing_waits)
    chain.away = True
    entry = await creator.deduct()
    await creator.call("GET", f"/ledger/{entry['entry_id']}/proof")
    found = await ready(creator)
    assert (found["status"], found["log"]["halted"]) == ("ready", None)
    assert found["log"]["unanchored"] >= 1
    assert found["log"]["unanchored_since"] is not None
    async with http.get(f"{gateway.url}/metrics") as answer:
        text = await answer.text()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["rendertrust_log_unanchored"]) >= 1
    assert float(values["rendertrust_anchor_lag_seconds"]) > 0
    assert float(values["rendertrust_log_halted"]) == 0
