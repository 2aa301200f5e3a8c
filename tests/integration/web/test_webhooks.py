"""Stripe's webhook over the real Ledger: what it takes, what it refuses, what it counts."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from actors.ledger.messages import Commit, PurchaseOpen
from sql.database import Database
from sql.fsck import run_fsck
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.stripe_client import sign
from tests.integration.web.accounts import Person, register
from tests.support.http_gateway import NO_STRIPE, Face, serving, settings_for_tests, with_ledger
from tests.support.stripe_events import about, deliver, event, send, session
from web.money.ledger_client import commit

RECEIVED = (200, {"received": True})
PURCHASE = "3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52"


@pytest.fixture
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """With the real Ledger."""
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests(), with_ledger(pool)) as running:
        yield running
        async with pool.connection() as connection:
            assert await run_fsck(connection) == []
    await pool.close()


@pytest.fixture
async def jane(face: Face) -> Person:
    """She has the 100 credits that everybody begins with, and a purchase of 100 more is open."""
    person = await register(face)
    await open_purchase(face, person)
    return person


async def open_purchase(face: Face, person: Person, purchase: str = PURCHASE) -> None:
    terms = (person.id, "cred10", 1_000_000, 1000, "usd")
    await commit(face.gateway, Commit(effects=(PurchaseOpen(purchase, *terms),)))  # type: ignore[arg-type]


async def credits_of(person: Person) -> str:
    status, found = await person.ask("GET", "/api/v1/credits/balance")
    assert status == 200, found
    return str(found["balance"]).removesuffix(".0000")


async def outcomes(face: Face) -> dict[str, str]:
    """What became of each event."""
    async with face.gateway.database.connection() as connection:
        rows = await connection.fetch("SELECT id, outcome FROM stripe_events")
    return {row["id"]: row["outcome"] for row in rows}


async def test_a_payment_is_credited_and_stands_in_the_history(face: Face, jane: Person) -> None:
    paid = event("checkout.session.completed", session(PURCHASE))
    assert await send(face, paid) == RECEIVED
    assert await credits_of(jane) == "200"
    _, history = await jane.ask("GET", "/api/v1/credits/history")
    entry = history["entries"][0]
    assert (entry["source"], entry["direction"], entry["amount"]) == (
        "STRIPE",
        "CREDIT",
        "100.0000",
    )
    assert entry["reference_id"] == session(PURCHASE)["id"]


async def test_fifty_copies_of_one_webhook_at_once_are_one_credit(face: Face, jane: Person) -> None:
    paid = event("checkout.session.completed", session(PURCHASE))
    answers = await asyncio.gather(*(send(face, paid) for _ in range(50)))
    assert answers == [RECEIVED] * 50
    assert await credits_of(jane) == "200"
    _, history = await jane.ask("GET", "/api/v1/credits/history")
    assert [entry["source"] for entry in history["entries"]] == ["STRIPE", "ADJUSTMENT"]


async def test_one_session_in_fifty_events_is_one_credit(face: Face, jane: Person) -> None:
    events = [event("checkout.session.completed", session(PURCHASE)) for _ in range(50)]
    assert await asyncio.gather(*(send(face, each) for each in events)) == [RECEIVED] * 50
    assert await credits_of(jane) == "200"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "The header Stripe-Signature is missing"),
        ({"Stripe-Signature": ""}, "The header Stripe-Signature is missing"),
        ({"Stripe-Signature": "nonsense"}, "The signature is invalid or too old"),
        ({"Stripe-Signature": "t=1,v1=é"}, "The body or its signature cannot be read"),
        ({"Stripe-Signature": "t=x,v1=00"}, "The signature is invalid or too old"),
    ],
)
async def test_without_a_signature_nothing_happens(
    face: Face, jane: Person, headers: dict[str, str], said: str
) -> None:
    body = json.dumps(event("checkout.session.completed", session(PURCHASE))).encode()
    status, problem = await deliver(face, body, headers)
    assert (status, problem["detail"]) == (400, said)
    assert await credits_of(jane) == "100"
    assert await outcomes(face) == {}


async def test_another_signature_another_body_or_an_old_one_is_refused(
    face: Face, jane: Person
) -> None:
    paid = event("checkout.session.completed", session(PURCHASE))
    assert (await send(face, paid, secret="whsec_of_somebody_else"))[0] == 400
    assert (await send(face, paid, age=301))[0] == 400
    body = json.dumps(paid).encode()
    signature = sign(body.decode(), NO_STRIPE.webhook_secret, int(time.time()))
    changed = body.replace(b"1000", b"1001")
    assert (await deliver(face, changed, {"Stripe-Signature": signature}))[0] == 400
    assert await outcomes(face) == {}
    assert await send(face, paid, age=298) == RECEIVED
    assert await credits_of(jane) == "200"


async def test_what_is_signed_and_no_event_is_refused(face: Face, jane: Person) -> None:
    for body in (b"", b"{", b"[]", b"{}", b'{"id": "evt_1"}', b'{"id": 7, "type": "x"}'):
        status, problem = await send(face, body)
        assert status == 400, problem


async def test_a_body_that_is_too_large_is_not_read(face: Face, jane: Person) -> None:
    status, _ = await send(face, {"id": "evt_1", "type": "x", "more": "y" * 1_100_000})
    assert status == 413
    assert await outcomes(face) == {}


async def test_what_we_do_not_know_is_recorded_and_no_error(face: Face, jane: Person) -> None:
    unknown: list[dict[str, Any]] = [
        {"id": "evt_a", "type": "customer.created", "data": {"object": {"id": "cus_1"}}},
        {"id": "evt_b", "type": "something.new"},
        {"id": "evt_c", "type": "checkout.session.completed", "data": {"object": {"id": "cs_x"}}},
        {"id": "evt_d", "type": "charge.refunded", "data": {"object": {"id": "ch_x"}}},
        {"id": "evt_e", "type": "refund.created", "data": {"object": "re_x"}},
    ]
    for each in unknown:
        assert await send(face, each) == RECEIVED
    assert await outcomes(face) == {f"evt_{letter}": "IGNORED" for letter in "abcde"}


@pytest.mark.parametrize(
    ("wrong", "outcome"),
    [
        ({"payment_status": "unpaid"}, "IGNORED"),
        ({"payment_status": "no_payment_required"}, "IGNORED"),
        ({"amount_total": 999}, "REFUSED"),
        ({"amount_total": "1000"}, "REFUSED"),
        ({"amount_total": 1000.0}, "REFUSED"),
        ({"currency": "eur"}, "REFUSED"),
        ({"client_reference_id": "d00dfeed-4321-4cba-8fed-ba9876543210"}, "IGNORED"),
        ({"client_reference_id": None}, "IGNORED"),
    ],
)
async def test_only_what_was_paid_as_it_was_asked_is_credited(
    face: Face, jane: Person, wrong: dict[str, Any], outcome: str
) -> None:
    paid = event("checkout.session.completed", session(PURCHASE, **wrong), "evt_wrong")
    assert await send(face, paid) == RECEIVED
    assert await credits_of(jane) == "100"
    assert await outcomes(face) == {"evt_wrong": outcome}


async def test_a_transfer_is_credited_when_it_arrives(face: Face, jane: Person) -> None:
    unpaid = session(PURCHASE, payment_status="unpaid")
    assert await send(face, event("checkout.session.completed", unpaid)) == RECEIVED
    assert await credits_of(jane) == "100"
    arrived = event("checkout.session.async_payment_succeeded", session(PURCHASE))
    assert await send(face, arrived) == RECEIVED
    assert await credits_of(jane) == "200"


async def test_a_refund_before_its_payment_counts_once_that_comes(face: Face, jane: Person) -> None:
    refund = about(PURCHASE, "re_1", 250, "succeeded")
    assert await send(face, event("refund.created", refund, "evt_early")) == RECEIVED
    assert await outcomes(face) == {"evt_early": "EARLY"}
    assert await send(face, event("checkout.session.completed", session(PURCHASE))) == RECEIVED
    assert await credits_of(jane) == "175"
    charge = {**about(PURCHASE, "ch_1", 1000, "succeeded"), "amount_refunded": 250}
    assert await send(face, event("charge.refunded", charge)) == RECEIVED
    assert await credits_of(jane) == "175"


async def test_a_dispute_takes_what_is_there_and_the_rest_is_owed(face: Face, jane: Person) -> None:
    second = "3f2b9a61-5c1d-4e0a-9a34-0d7d0a3c1b52"
    await open_purchase(face, jane, second)
    await send(face, event("checkout.session.completed", session(PURCHASE)))
    spent = {"amount": "170", "reference_id": "spent"}
    assert (await jane.ask("POST", "/api/v1/credits/deduct", spent))[0] == 200
    inquiry = about(PURCHASE, "du_1", 1000, "warning_needs_response")
    await send(face, event("charge.dispute.created", inquiry))
    assert await credits_of(jane) == "30"
    for kind in ("created", "funds_withdrawn"):
        dispute = about(PURCHASE, "du_1", 1000, "needs_response")
        await send(face, event(f"charge.dispute.{kind}", dispute))
        assert await credits_of(jane) == "0"
    await send(face, event("checkout.session.completed", session(second)))
    assert await credits_of(jane) == "30", "70 of 100 paid what was owed"
    won = about(PURCHASE, "du_1", 1000, "won")
    await send(face, event("charge.dispute.closed", won))
    await send(face, event("charge.dispute.funds_reinstated", won))
    assert await credits_of(jane) == "130"


async def test_while_the_books_are_away_stripe_is_told_to_come_again(
    face: Face, jane: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of an event is there before all of it is."""
    from sql.database import Unavailable

    paid = event("checkout.session.completed", session(PURCHASE))

    def away(self: SqlStore) -> Any:
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(SqlStore, "transaction", away)
        status, _ = await send(face, paid)
        assert status == 503
    assert await outcomes(face) == {}
    assert await send(face, paid) == RECEIVED
    assert await credits_of(jane) == "200"
