"""Tests of the Payments port: the twin, and Stripe's library at the stand-in, must behave alike."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import pytest

from actors.ports import NotFromStripe, PaymentOrder, Payments, PaymentsUnavailable
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.stripe_client import sign
from supervisors.engines.stripe_payments import StripeEndpoint, StripePayments
from supervisors.engines.stripe_stand_in.engine import EmbeddedStripe
from tests.twins.payments import TwinPayments

Sign = Callable[[bytes, float], str]


@attrs.frozen
class Case:
    """An implementation under test; ``sign`` signs a body with an age in seconds, ``leave`` makes
    Stripe unreachable.
    """

    payments: Payments
    sign: Sign
    leave: Callable[[], None]
    remember: Callable[[dict[str, Any]], None]


def twin_case() -> Case:
    twin = TwinPayments(time.time())
    return Case(
        twin,
        lambda body, age: twin.sign(body, twin.now - age),
        lambda: setattr(twin, "away", True),
        lambda event: twin.told.update({event["id"]: event}),
    )


@pytest.fixture(params=["twin", "stand-in"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    if request.param == "twin":
        yield twin_case()
        return
    engine = EmbeddedStripe(tmp_path, lambda: "http://127.0.0.1:1")
    endpoint = await engine.start()
    current = CurrentEndpoint(endpoint)
    payments = StripePayments(current)

    def sign_(body: bytes, age: float) -> str:
        return sign(body.decode(), endpoint.webhook_secret, int(time.time() - age))

    def leave() -> None:
        current.set(attrs.evolve(endpoint, url="http://127.0.0.1:1"))

    yield Case(payments, sign_, leave, engine.remember)
    await payments.aclose()
    await engine.stop()


def order(**more: object) -> PaymentOrder:
    plain = PaymentOrder(
        purchase=uuid4(),
        title="100 credits — für Jane",
        amount=1000,
        currency="usd",
        done_url="https://gateway.example/done",
        cancelled_url="https://gateway.example/cancelled",
    )
    return attrs.evolve(plain, **more)  # type: ignore[arg-type]


async def test_an_order_has_one_session_however_often_it_is_asked_for(case: Case) -> None:
    first, other = order(), order()
    session = await case.payments.open(first)
    assert session.id.startswith("cs_")
    assert session.url.startswith("http")
    assert await case.payments.open(first) == session
    assert (await case.payments.open(other)).id != session.id


async def test_one_purchase_is_not_two_orders(case: Case) -> None:
    first = order()
    await case.payments.open(first)
    with pytest.raises(PaymentsUnavailable):
        await case.payments.open(attrs.evolve(first, amount=1))


async def test_a_stripe_that_is_away_is_told(case: Case) -> None:
    case.leave()
    with pytest.raises(PaymentsUnavailable):
        await case.payments.open(order())


async def test_a_session_can_be_ended_more_than_once(case: Case) -> None:
    session = await case.payments.open(order())
    for _ in range(2):
        await case.payments.expire(session.id)
    await case.payments.expire("cs_unknown")
    case.leave()
    with pytest.raises(PaymentsUnavailable):
        await case.payments.expire(session.id)


async def test_an_event_is_had_again_while_it_is_known(case: Case) -> None:
    about = {"id": "cs_1", "object": "checkout.session", "amount_total": 1000}
    event = {"id": "evt_1", "object": "event", "type": "x.y", "data": {"object": about}}
    case.remember(event)
    found = await case.payments.event("evt_1")
    assert found is not None
    assert (found["id"], found["type"], found["data"]["object"]) == ("evt_1", "x.y", about)
    assert await case.payments.event("evt_2") is None
    case.leave()
    with pytest.raises(PaymentsUnavailable):
        await case.payments.event("evt_1")


async def test_what_stripe_signed_is_read(case: Case) -> None:
    body = b'{"id": "evt_1", "type": "x", "more": "\xc3\xbc"}'
    for age in (0, 270):
        event = await case.payments.read_event(body, case.sign(body, age))
        assert event == {"id": "evt_1", "type": "x", "more": "ü"}


async def test_what_stripe_did_not_sign_is_not(case: Case) -> None:
    body = b'{"id": "evt_1"}'
    good = case.sign(body, 0)
    for wrong, signature in (
        (body, ""),
        (body, "t=1,v1=ü"),
        (body, good + "0"),
        (body, case.sign(body, 305)),
        (body + b" ", good),
        (b"", good),
    ):
        with pytest.raises(NotFromStripe):
            await case.payments.read_event(wrong, signature)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"'])
async def test_what_is_no_event_is_not_read(case: Case, body: bytes) -> None:
    with pytest.raises(NotFromStripe):
        await case.payments.read_event(body, case.sign(body, 0))


async def test_before_the_stand_in_is_up_nothing_can_be_asked() -> None:
    payments = StripePayments(CurrentEndpoint[StripeEndpoint]())
    with pytest.raises(PaymentsUnavailable):
        await payments.open(order())
    with pytest.raises(PaymentsUnavailable):
        await payments.read_event(b"{}", "t=1,v1=0")
