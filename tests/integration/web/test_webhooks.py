"""Stripe's webhooks over the real Ledger: which are accepted, refused or ignored."""

import json
import time
from typing import Any

import pytest

from actors.ledger.effects import PurchaseOpen
from actors.ledger.messages import Commit
from sql.store import SqlStore
from supervisors.engines.stripe_client import sign
from tests.integration.web.accounts import Person, register
from tests.support.http_gateway import NO_STRIPE, Face, face_with, with_ledger
from tests.support.stripe_events import deliver, event, send, session
from web.money.ledger_client import commit

RECEIVED = (200, {"received": True})
PURCHASE = "3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52"


face = face_with(with_ledger, audited=True)


@pytest.fixture
async def jane(face: Face) -> Person:
    """Register Jane, who has 100 starter credits and an open purchase of 100 more."""
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
    """Return the outcome of each Stripe event by its id."""
    async with face.gateway.database.connection() as connection:
        rows = await connection.fetch("SELECT id, outcome FROM stripe_events")
    return {row["id"]: row["outcome"] for row in rows}


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
    assert await send(face, paid, age=270) == RECEIVED
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


async def test_while_the_books_are_away_stripe_is_told_to_come_again(
    face: Face, jane: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway stores an event completely or not at all."""
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
