"""Purchases of credits by the client and by its command, against the double."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from rendertrust.client import AsyncClient, Checkout, Invalid
from tests.integration.client.conftest import Program
from tests.integration.client.double import Answer, GatewayDouble, problem

OFFERS, CHECKOUT = "GET /api/v1/credits/skus", "POST /api/v1/credits/checkout"
OFFER = {
    "sku": "cred10",
    "title": "100 \x1b[31mcredits",
    "credits": "100.0000",
    "amount": 1000,
    "currency": "usd",
}


def answer(body: object) -> Answer:
    return lambda _: web.json_response(body)


@pytest.fixture
async def client(gateway: GatewayDouble) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gateway.url) as client:
        await client.login("jane@example.com", "correct horse")
        yield client


async def test_a_lost_answer_is_asked_for_again_under_one_key(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    keys: list[str] = []

    def lost(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        return problem(503, "Payments are not available now; try again")

    def told(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        return web.json_response({"url": "https://pay.example/cs_1"})

    gateway.script(CHECKOUT, lost, told)
    assert await client.checkout("cred10") == Checkout("https://pay.example/cs_1")
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_what_is_not_for_sale_is_told(gateway: GatewayDouble, client: AsyncClient) -> None:
    gateway.script(CHECKOUT, lambda _: problem(422, "sku: is not for sale"))
    with pytest.raises(Invalid, match="not for sale"):
        await client.checkout("cred11")


async def test_the_commands(gateway: GatewayDouble, jane: Program) -> None:
    offers = [OFFER, {**OFFER, "currency": "jpy"}]
    gateway.script(OFFERS, answer({"skus": offers}))
    told = await jane.run("credits", "offers")
    assert told.out.splitlines()[1].startswith("cred10\t100.0000\t10.00 usd\t100 ")
    assert told.out.splitlines()[2].startswith("cred10\t100.0000\t1000 jpy\t100 ")
    assert "\x1b" not in told.out
    url = "https://pay.example/cs_1"
    gateway.script(CHECKOUT, answer({"url": url}), answer({"url": url}))
    assert (await jane.run("credits", "buy", "cred10")).out == f"pay  {url}\n"
    told = await jane.run("credits", "buy", "cred10", "--json")
    assert told.document == {"url": url}
