"""Tests of the Stripe stand-in: what it refuses, keeps and delivers."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from supervisors.engines.stripe_payments import StripeEndpoint
from supervisors.engines.stripe_stand_in.engine import WEBHOOK, EmbeddedStripe
from supervisors.engines.stripe_stand_in.stripe_api import nested
from supervisors.engines.stripe_stand_in.stripe_state import (
    KEPT_MAX,
    OPEN_SECONDS,
    StripeRefusal,
    StripeState,
)
from tests.support.until import until

FORM = {
    "mode": "payment",
    "success_url": "https://gateway.example/done",
    "cancel_url": "https://gateway.example/no",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "1000",
    "line_items[0][price_data][product_data][name]": "<b>100 credits",
}


def test_a_session_expires_a_day_after_it_was_opened() -> None:
    price = {"currency": "usd", "unit_amount": "1000", "product_data": {"name": "100 credits"}}
    asked = {
        "mode": "payment",
        "success_url": "https://gateway.example/done",
        "cancel_url": "https://gateway.example/no",
        "line_items": {"0": {"quantity": "1", "price_data": price}},
    }
    state = StripeState()
    old, young, paid = (state.open(asked, str(key), "")[0] for key in range(3))
    state.pay(paid["id"])
    for session in (old, paid):
        session["created"] -= OPEN_SECONDS + 1
    young["created"] -= OPEN_SECONDS - 60
    state.open(asked, "later", "")
    assert [each["status"] for each in (old, young, paid)] == ["expired", "open", "complete"]
    expired = [event for event in state.events.values() if event["type"].endswith("expired")]
    assert [event["data"]["object"]["id"] for event in expired] == [old["id"]]


class Hook:
    """A gateway's webhook that fails at the next ``fail`` tries, and keeps what arrives."""

    def __init__(self) -> None:
        self.fail = 0
        self.tries: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.secret = ""

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        signature = request.headers["Stripe-Signature"]
        stripe.Webhook.construct_event(body, signature, self.secret)
        event = json.loads(body)
        self.tries.append(event)
        if self.fail:
            self.fail -= 1
            return web.Response(status=503)
        self.taken.append(event)
        return web.json_response({"received": True})


@pytest.fixture
async def hook(aiohttp_server: AiohttpServer) -> tuple[Hook, str]:
    hook, site = Hook(), web.Application()
    site.router.add_post(WEBHOOK, hook.receive)
    server = await aiohttp_server(site)
    return hook, str(server.make_url("")).rstrip("/")


@pytest.fixture
async def engine(
    hook: tuple[Hook, str], tmp_path: Path
) -> AsyncIterator[tuple[EmbeddedStripe, StripeEndpoint]]:
    made = EmbeddedStripe(tmp_path, lambda: hook[1])
    endpoint = await made.start()
    hook[0].secret = endpoint.webhook_secret
    yield made, endpoint
    await made.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(
    http: aiohttp.ClientSession, endpoint: StripeEndpoint, form: dict[str, str], **headers: str
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {endpoint.secret_key}", **headers}
    url = f"{endpoint.url}/v1/checkout/sessions"
    async with http.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_an_event_is_sent_again_until_it_is_taken(
    hook: tuple[Hook, str],
    engine: tuple[EmbeddedStripe, StripeEndpoint],
    http: aiohttp.ClientSession,
) -> None:
    listener, endpoint = hook[0], engine[1]
    listener.fail = 4
    _, session = await ask(http, endpoint, FORM)
    async with http.post(session["url"] + "/card", allow_redirects=False) as answer:
        assert answer.headers["Location"] == FORM["success_url"]
    await until(lambda: len(listener.taken) == 2)
    assert len(listener.tries) == 6
    kinds = {event["type"] for event in listener.taken}
    assert kinds == {"charge.succeeded", "checkout.session.completed"}
    told = next(e["data"]["object"] for e in listener.taken if "checkout" in e["type"])
    assert (told["payment_status"], told["amount_total"]) == ("paid", 1000)
    async with http.get(session["url"]) as page:
        text = await page.text()
    assert "&lt;b&gt;100 credits" in text
    assert "<b>" not in text


async def test_what_it_refuses(
    engine: tuple[EmbeddedStripe, StripeEndpoint], http: aiohttp.ClientSession
) -> None:
    endpoint = engine[1]
    status, body = await ask(http, endpoint, FORM, Authorization="Bearer sk_test_other")
    assert (status, body["error"]["code"]) == (401, "api_key_invalid")
    for form in ({}, {**FORM, "mode": "subscription"}, {"a": "1", "a[b]": "2"}):
        assert (await ask(http, endpoint, form))[0] == 400
    key = {"Idempotency-Key": "k"}
    first, again = await ask(http, endpoint, FORM, **key), await ask(http, endpoint, FORM, **key)
    assert first == again
    status, body = await ask(http, endpoint, {**FORM, "mode": "setup"}, **key)
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    async with http.post(f"{endpoint.url}/disputes/du_none/win") as answer:
        assert answer.status == 404


async def test_sessions_and_events_outlive_it(
    hook: tuple[Hook, str],
    engine: tuple[EmbeddedStripe, StripeEndpoint],
    http: aiohttp.ClientSession,
) -> None:
    listener, (made, endpoint) = hook[0], engine
    listener.fail = 1_000_000
    _, session = await ask(http, endpoint, FORM)
    async with http.post(session["url"] + "/card", allow_redirects=False):
        pass
    await until(lambda: listener.tries)
    await made.stop()
    listener.fail = 0
    assert await made.start() == endpoint
    await until(lambda: len(listener.taken) == 2)
    async with http.get(session["url"]) as page:
        assert "paid" in await page.text()


async def test_a_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    made = EmbeddedStripe(tmp_path, lambda: "http://127.0.0.1:1")
    before = await made.start()
    await made.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(before.url.rpartition(":")[2])))
        taken.listen()
        after = await made.start()
    await made.stop()
    assert after.url != before.url
    assert after.secret_key == before.secret_key


async def test_many_at_once_are_all_kept(
    engine: tuple[EmbeddedStripe, StripeEndpoint], http: aiohttp.ClientSession
) -> None:
    made, endpoint = engine
    answers = await asyncio.gather(*(ask(http, endpoint, FORM) for _ in range(20)))
    await made.stop()
    await made.start()
    for _, session in answers:
        async with http.get(session["url"]) as page:
            assert page.status == 200


def test_the_oldest_is_forgotten() -> None:
    stripe = StripeState()
    asked = nested(FORM.items())
    first, _ = stripe.open(asked, "", "http://x")
    for _ in range(KEPT_MAX):
        stripe.open(asked, "", "http://x")
    assert len(stripe.sessions) == KEPT_MAX
    with pytest.raises(StripeRefusal):
        stripe.session(first["id"])


def test_the_key_of_a_forgotten_session_opens_another() -> None:
    stripe, asked = StripeState(), nested(FORM.items())
    first, _ = stripe.open(asked, "key", "http://x")
    for _ in range(KEPT_MAX):
        stripe.open(asked, "", "http://x")
    second, is_known = stripe.open(asked, "key", "http://x")
    assert (second["id"] == first["id"], is_known) == (False, False)
    assert stripe.open(asked, "key", "http://x") == (second, True)


def test_a_charge_is_refunded_and_disputed_once() -> None:
    stripe = StripeState()
    session, _ = stripe.open(nested(FORM.items()), "", "http://x")
    stripe.pay(session["id"])
    (charge,) = stripe.charges.values()
    stripe.refund(charge["id"], 400)
    with pytest.raises(StripeRefusal, match="600 of this charge can be refunded"):
        stripe.refund(charge["id"], 601)
    refund = stripe.refund(charge["id"])
    assert (charge["amount_refunded"], charge["refunded"]) == (1000, True)
    stripe.fail_refund(refund["id"])
    assert (charge["amount_refunded"], charge["refunded"]) == (400, False)
    dispute = stripe.dispute(charge["id"])
    with pytest.raises(StripeRefusal):
        stripe.dispute(charge["id"])
    stripe.close_dispute(dispute["id"], won=True)
    with pytest.raises(StripeRefusal):
        stripe.close_dispute(dispute["id"], won=False)


def test_forms_become_objects() -> None:
    assert nested([("a[0][b]", "1"), ("a[0][c]", "2"), ("d", "3")]) == {
        "a": {"0": {"b": "1", "c": "2"}},
        "d": "3",
    }
    for wrong in ([("a", "1"), ("a[b]", "2")], [("a" + "[b]" * 9, "1")]):
        with pytest.raises(ValueError, match=r"object|deep"):
            nested(wrong)
