"""A gateway with ``payments = none``: nothing is for sale, and nothing is paid out as money."""

import orjson
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer
from tests.integration.web.accounts import Person, ask
from tests.support.http_gateway import Face, face_with, with_ledger
from web.openapi.served_document import Description
from web.routes import OPERATIONS

face = face_with(with_ledger, payments="none")
CHECKOUT, PAYOUTS = "/api/v1/credits/checkout", "/api/v1/operators/me/payouts"
STRIPE = "/api/v1/webhooks/stripe"


async def test_nothing_is_for_sale(face: Face, jane: Person) -> None:
    for sku in ("cred10", "no-such-package"):
        status, said = await jane.ask("POST", CHECKOUT, {"sku": sku})
        assert (status, said["code"]) == (404, "payments_off")
    assert await jane.ask("GET", "/api/v1/credits/skus") == (200, {"skus": [], "cheapest": None})
    async with face.gateway.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM purchases") == 0


async def test_earnings_are_paid_out_as_credits_only(jane: Person) -> None:
    status, said = await jane.ask("POST", PAYOUTS, {"to": "money"})
    assert (status, said["code"]) == (404, "payments_off")
    status, said = await jane.ask("POST", PAYOUTS, {"to": "credits"})
    assert (status, said["code"]) == (409, "nothing_payable")


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "signature_missing"), ({"Stripe-Signature": "t=1,v1=00"}, "signature_invalid")],
)
async def test_events_of_stripe_are_refused(face: Face, headers: dict[str, str], code: str) -> None:
    status, said = await ask(face, "POST", STRIPE, {"id": "evt_1", "type": "x"}, headers)
    assert (status, said["code"]) == (400, code)


async def test_the_gateway_is_ready_and_its_document_names_the_refusals(face: Face) -> None:
    status, said = await ask(face, "GET", "/api/v1/health/ready")
    assert (status, said["status"]) == (200, "ready")
    paths = orjson.loads(Description(OPERATIONS).document().body)["paths"]
    for path in (CHECKOUT, PAYOUTS):
        assert "404" in paths[path]["post"]["responses"]
    assert "400" in paths[STRIPE]["post"]["responses"]


async def test_the_console_offers_neither(face: Face, database: PostgresEndpoint) -> None:
    jane = await newcomer(face)
    status, page = await jane.get("/console/credits")
    assert status == 200
    assert "Buy credits" not in page
    assert "Ask an admin for credits" in page
    assert '<section class="card w6" hidden aria-labelledby="bought-title">' in page
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    status, page = await ann.get("/console/packages")
    assert status == 200
    assert "this farm takes no payments" in page
    assert "/console/payouts" not in page, "the menu has no entry for payouts of money"
    status, page = await ann.get("/console/payouts")
    assert "operators cannot ask for money" in page
    status, page = await ann.get("/console/settings?tab=webhooks")
    assert "none: this farm takes no payments" in page
