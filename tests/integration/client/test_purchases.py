"""Purchases of credits by the client and by its command, against the double."""

from collections.abc import AsyncIterator
from pathlib import Path

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

PAID = {
    "id": "7d1e6f5a-0000-4000-8000-000000000001",
    "sku": "cred10",
    "credits": "100.0000",
    "amount": 1000,
    "currency": "usd",
    "state": "paid",
    "refunded": "0.0000",
    "created_at": "2026-03-13T12:00:00Z",
    "paid_at": "2026-03-13T12:02:00Z",
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
    gateway.script(OFFERS, answer({"skus": offers, "cheapest": None}))
    told = await jane.run("credits", "offers")
    assert told.out.splitlines()[1].startswith("cred10\t100\t10.00 USD\t100 ")
    assert told.out.splitlines()[2].startswith("cred10\t100\t1000 JPY\t100 ")
    assert "\x1b" not in told.out
    url = "https://pay.example/cs_1"
    asked: list[object] = []

    async def several(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"url": url})

    gateway.script(CHECKOUT, answer({"url": url}), answer({"url": url}), several)
    assert (await jane.run("credits", "buy", "cred10")).out == f"pay  {url}\n"
    told = await jane.run("credits", "buy", "cred10", "--json")
    assert told.document == {"url": url}
    assert (await jane.run("credits", "buy", "cred10", "--quantity", "3")).code == 0
    assert asked == [{"sku": "cred10", "quantity": 3}]
    assert (await jane.run("credits", "buy", "cred10", "--quantity", "101")).code == 2


async def test_a_package_that_is_not_sold_is_answered_with_those_that_are(
    gateway: GatewayDouble, jane: Program
) -> None:
    faults = [{"field": "sku", "code": "value", "message": "is not for sale"}]
    refusal = {"detail": "sku: is not for sale", "errors": faults}
    gateway.script(CHECKOUT, lambda _: web.json_response(refusal, status=422))
    gateway.script(OFFERS, answer({"skus": [OFFER], "cheapest": None}))
    told = await jane.run("credits", "buy", "nosuch")
    assert (told.code, "nosuch is not for sale" in told.err) == (2, True)
    assert "rendertrust credits buy cred10    100 credits for 10.00 USD" in told.err
    told = await jane.run("credits", "buy")
    assert (told.code, "--need CREDITS" in told.err) == (2, True)


async def test_the_cheapest_packages_for_a_need_are_bought(
    gateway: GatewayDouble, jane: Program
) -> None:
    large = {**OFFER, "sku": "cred100", "credits": "1000.0000", "amount": 7000}
    yen = {**OFFER, "sku": "yen", "currency": "jpy"}
    asked: list[object] = []

    async def begun(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"url": "https://pay.example/cs_1"})

    gateway.script(CHECKOUT, begun, begun)
    gateway.script(
        OFFERS,
        *[answer({"skus": [OFFER, large], "cheapest": None})] * 2,
        answer({"skus": [OFFER, yen], "cheapest": None}),
    )
    told = await jane.run("credits", "buy", "--need", "1234")
    assert (told.code, told.out) == (0, "pay  https://pay.example/cs_1\n")
    assert "1,300 credits for 100.00 USD: 1 x cred100 + 3 x cred10" in told.err
    told = await jane.run("credits", "buy", "--need", "1000000")
    assert (told.code, "cannot buy 1,000,000 credits" in told.err) == (2, True)
    told = await jane.run("credits", "buy", "--need", "50")
    assert (told.code, "--currency usd or jpy" in told.err) == (2, True)
    more = [{"sku": "cred10", "quantity": 3}]
    assert asked == [{"sku": "cred100", "more": more}]


async def test_statements_and_invoices_are_saved(
    gateway: GatewayDouble, jane: Program, tmp_path: Path
) -> None:
    asked: list[str] = []

    def document(request: web.Request) -> web.Response:
        asked.append(request.path_qs.removeprefix("/api/v1/credits/"))
        return web.Response(body=b"a document", content_type="application/pdf")

    purchase = str(PAID["id"])
    gateway.script("GET /api/v1/credits/statement", document, document)
    gateway.script(f"GET /api/v1/credits/purchases/{purchase}/invoice", document)
    pdf, csv, bill = (tmp_path / name for name in ("march.PDF", "all.csv", "invoice.pdf"))
    days = ("--from", "2026-03-01", "--to", "2026-03-31")
    told = await jane.run("credits", "statement", *days, "--out", str(pdf))
    assert (told.code, told.out) == (0, f"Saved {pdf}, 10 B.\n")
    assert (await jane.run("credits", "statement", "--out", str(csv))).code == 0
    assert (await jane.run("credits", "invoice", purchase, "--out", str(bill))).code == 0
    assert asked == [
        "statement?format=pdf&from=2026-03-01&to=2026-03-31",
        "statement?format=csv",
        f"purchases/{purchase}/invoice",
    ]
    assert {path.read_bytes() for path in (pdf, csv, bill)} == {b"a document"}
    told = await jane.run("credits", "statement", "--from", "yesterday")
    assert (told.code, "yesterday" in told.err) == (2, True)


async def test_purchases_are_listed(gateway: GatewayDouble, jane: Program) -> None:
    gateway.script("GET /api/v1/credits/purchases", answer({"purchases": [PAID], "count": 1}))
    told = await jane.run("credits", "purchases")
    row = f"{PAID['id']}\t2026-03-13T12:02:00Z\t100\t10.00 USD\tpaid"
    assert told.out.splitlines()[1] == f"{row}\t-"


async def test_the_newest_credit_note_of_a_purchase_is_saved(
    gateway: GatewayDouble, jane: Program, tmp_path: Path
) -> None:
    def note(number: int) -> dict[str, object]:
        at = "2026-03-14T12:00:00Z"
        money = {"credits": "10.0000", "amount": 100}
        return {"number": number, "name": f"RT-C{number}", "issued_at": at, **money}

    made = {**PAID, "refunded": "20.0000", "credit_notes": [note(3), note(5)]}
    listed = answer({"purchases": [made], "count": 1})
    gateway.script("GET /api/v1/credits/purchases", *[listed] * 4)
    assert (await jane.run("credits", "purchases")).out.endswith("\tRT-C3 RT-C5\n")
    document = web.Response(body=b"a note", content_type="application/pdf")
    path = f"GET /api/v1/credits/purchases/{made['id']}/credit-notes"
    gateway.script(f"{path}/5", lambda _: document)
    at = tmp_path / "note.pdf"
    told = await jane.run("credits", "credit-note", "7d1e6f5a", "--out", str(at))
    assert (told.code, at.read_bytes()) == (0, b"a note"), told
    made["credit_notes"] = []
    told = await jane.run("credits", "credit-note", str(made["id"]))
    assert (told.code, "no credit note" in told.err) == (2, True)
