"""Purchases at the Stripe stand-in, by the production code with another base URL."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.stripe_stand_in.engine import EmbeddedStripe
from tests.integration.web.accounts import Person, ask, with_role
from tests.support.databases import execute
from tests.support.http_gateway import (
    Face,
    face_over,
    face_with,
    with_ledger,
)
from tests.support.stripe_events import standing_in
from tests.support.until import until

CHECKOUT, SKUS = "/api/v1/credits/checkout", "/api/v1/admin/skus"
Json = dict[str, Any]


@attrs.frozen
class Shop:
    """The stand-in's own pages, used as a browser would."""

    http: aiohttp.ClientSession
    url: str

    async def press(self, path: str, **fields: str) -> tuple[int, str]:
        """Submit a form; return the status, and the location or the page."""
        where = path if path.startswith("http") else self.url + path
        async with self.http.post(where, data=fields, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", await answer.text())

    async def look(self, path: str = "/") -> str:
        where = path if path.startswith("http") else self.url + path
        async with self.http.get(where) as answer:
            assert answer.status == 200
            return await answer.text()

    async def button(self, words: str, **fields: str) -> None:
        """Press the first button with this label on the page of all payments."""
        page = await self.look()
        found = re.search(rf'action="([^"]+)">(?:<input[^>]*>)?<button>{words}<', page)
        assert found is not None, page
        status, where = await self.press(found[1], **fields)
        assert (status, where) == (303, "/")


face = face_with(with_ledger, audited=True)


@pytest.fixture
async def engine(face: Face, tmp_path: Path) -> AsyncGenerator[EmbeddedStripe]:
    async with standing_in(face, tmp_path) as engine:
        yield engine


@pytest.fixture
async def shop(face: Face, engine: EmbeddedStripe) -> AsyncGenerator[Shop]:
    async with aiohttp.ClientSession() as http:
        yield Shop(http, face.stripe.get().url)


async def checkout(person: Person, sku: str = "cred10", key: str | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {person.access}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return await ask(person.face, "POST", CHECKOUT, {"sku": sku}, headers)


async def balance(person: Person) -> str:
    _, found = await person.ask("GET", "/api/v1/credits/balance")
    return str(found["balance"]).removesuffix(".0000")


async def has(person: Person, credits_: str) -> None:
    async def there() -> bool:
        return await balance(person) == credits_

    await until(there)


async def purchases(face: Face) -> list[Json]:
    async with face.gateway.database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM purchases ORDER BY created_at")
    return [dict(row) for row in rows]


async def test_who_pays_has_the_credits(face: Face, jane: Person, shop: Shop) -> None:
    status, answer = await checkout(jane)
    assert (status, set(answer)) == (200, {"url"})
    assert answer["url"].startswith(f"{shop.url}/pay/cs_test_")
    page = await shop.look(answer["url"])
    assert "100 credits" in page
    assert "10.00 USD" in page
    assert await balance(jane) == "100"
    status, where = await shop.press(f"{answer['url']}/card")
    assert (status, where[-14:]) == (303, "/checkout/done")
    await has(jane, "200")
    assert "paid" in await shop.look(answer["url"])
    (row,) = await purchases(face)
    assert (row["state"], row["payment_intent"][:3]) == ("PAID", "pi_")


async def test_refund_and_dispute_buttons_move_credits(jane: Person, shop: Shop) -> None:
    """The credits are spent meanwhile, so the dispute leaves a debt, which ends with the
    dispute.
    """
    _, answer = await checkout(jane)
    await shop.press(f"{answer['url']}/card")
    await has(jane, "200")
    await shop.button("Refund", amount="250")
    await has(jane, "175")
    await shop.button("The refund fails")
    await has(jane, "200")
    await jane.ask("POST", "/api/v1/credits/deduct", {"amount": "150", "reference_id": "spent"})
    await shop.button("Dispute")
    await has(jane, "0")
    await shop.button("Dispute won")
    await has(jane, "50")


async def test_a_transfer_arrives_later(jane: Person, shop: Shop, face: Face) -> None:
    _, answer = await checkout(jane)
    await shop.press(f"{answer['url']}/transfer")

    async def told() -> bool:
        return "0 events are not delivered yet" in await shop.look()

    await until(told)
    assert await balance(jane) == "100"
    await shop.button("Bank transfer arrives")
    await has(jane, "200")


async def test_who_does_not_pay_gets_nothing(face: Face, jane: Person, shop: Shop) -> None:
    _, answer = await checkout(jane)
    status, where = await shop.press(f"{answer['url']}/cancel")
    assert status == 303
    assert "Nothing was bought" in await shop.look(where)

    async def expired() -> bool:
        return [row["state"] for row in await purchases(face)] == ["EXPIRED"]

    await until(expired)
    assert "Nothing was bought" in await shop.look(where), "again"
    assert (await shop.press(f"{answer['url']}/card"))[0] == 400
    assert await balance(jane) == "100"


async def test_a_purchase_whose_page_was_left_expires_later(
    face: Face, jane: Person, shop: Shop
) -> None:
    await checkout(jane)
    await shop.button("Let it expire")

    async def expired() -> bool:
        return [row["state"] for row in await purchases(face)] == ["EXPIRED"]

    await until(expired)


async def test_a_paid_purchase_cannot_be_cancelled(face: Face, jane: Person, shop: Shop) -> None:
    _, answer = await checkout(jane)
    await shop.press(f"{answer['url']}/transfer")
    _, where = await shop.press(f"{answer['url']}/cancel")
    assert "Nothing was bought" in await shop.look(where)
    await shop.button("Bank transfer arrives")
    await has(jane, "200")
    assert "Nothing was bought" in await shop.look(where)
    assert [row["state"] for row in await purchases(face)] == ["PAID"]


async def test_a_buyer_comes_back_while_stripe_is_away(
    face: Face, jane: Person, shop: Shop
) -> None:
    _, answer = await checkout(jane)
    _, where = await shop.press(f"{answer['url']}/cancel")
    face.stripe.set(attrs.evolve(face.stripe.get(), url="http://127.0.0.1:1"))
    assert "Nothing was bought" in await shop.look(where)
    assert [row["state"] for row in await purchases(face)] == ["OPEN"]


async def test_a_key_is_one_purchase_and_one_session(face: Face, jane: Person, shop: Shop) -> None:
    first, again = await checkout(jane, key="k"), await checkout(jane, key="k")
    assert first == again
    assert first[0] == 200
    status, problem = await checkout(jane, "cred50", key="k")
    assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    other = await checkout(jane, key="l")
    assert other[1]["url"] != first[1]["url"]
    assert len(await purchases(face)) == 2


async def test_a_key_is_one_purchase_for_many_requests_at_once(
    face: Face, jane: Person, shop: Shop
) -> None:
    answers = await asyncio.gather(*(checkout(jane, key="k") for _ in range(8)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["url"] for _, answer in answers}) == 1
    assert len(await purchases(face)) == 1


async def test_a_purchase_without_a_session_gets_it_under_the_same_key(
    face: Face, jane: Person, tmp_path: Path
) -> None:
    """Stripe was unreachable at first; the second request continues the same purchase."""
    status, problem = await checkout(jane, key="k")
    assert (status, problem["detail"]) == (503, "Payments are not available now; try again")
    (before,) = await purchases(face)
    assert before["session"] is None
    async with standing_in(face, tmp_path):
        status, answer = await checkout(jane, key="k")
        assert status == 200, answer
    (after,) = await purchases(face)
    assert (after["id"], after["url"]) == (before["id"], answer["url"])


async def test_a_session_that_nobody_wrote_down_is_found_by_its_purchase(
    face: Face, jane: Person, shop: Shop
) -> None:
    """The gateway crashed after Stripe's answer: it gets the same session again, and the payment
    counts.
    """
    _, answer = await checkout(jane, key="k")
    async with face.gateway.database.connection() as connection:
        await connection.execute("UPDATE purchases SET session = NULL, url = NULL")
    assert (await checkout(jane, key="k"))[1] == answer
    async with face.gateway.database.connection() as connection:
        await connection.execute("UPDATE purchases SET session = NULL, url = NULL")
    await shop.press(f"{answer['url']}/card")
    await has(jane, "200")


async def test_webhooks_come_again_until_they_are_taken(
    face: Face, jane: Person, shop: Shop, engine: EmbeddedStripe
) -> None:
    """The stand-in sends undelivered webhooks even after it was restarted."""
    _, answer = await checkout(jane)
    secret = face.gateway.ports.payments
    face.stripe.set(attrs.evolve(face.stripe.get(), webhook_secret="whsec_of_somebody_else"))
    await shop.press(f"{answer['url']}/card")
    await engine.stop()
    assert await balance(jane) == "100"
    face.stripe.set(await engine.start())
    assert face.gateway.ports.payments is secret
    await has(jane, "200")


async def test_several_packages_are_one_purchase(jane: Person, shop: Shop) -> None:
    body = {"sku": "cred50", "quantity": 5}
    status, answer = await jane.ask("POST", CHECKOUT, body)
    assert status == 200, answer
    page = await shop.look(answer["url"])
    assert ("2,500 credits" in page, "200.00 USD" in page) == (True, True)
    await shop.press(f"{answer['url']}/card")
    await has(jane, "2600")


async def test_packages_of_several_kinds_are_one_purchase(
    face: Face, jane: Person, shop: Shop
) -> None:
    body = {"sku": "cred100", "more": [{"sku": "cred10", "quantity": 3}]}
    status, answer = await jane.ask("POST", CHECKOUT, body)
    assert status == 200, answer
    page = await shop.look(answer["url"])
    assert ("1,300 credits" in page, "100.00 USD" in page) == (True, True)
    await shop.press(f"{answer['url']}/card")
    await has(jane, "1400")
    (row,) = await purchases(face)
    assert (row["sku"], row["units"], row["amount"]) == ("cred100", 13_000_000, 10_000)


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ([{"sku": "cred1000"}], "more[0].sku", "is not for sale"),
        ([{"sku": "cred10"}, {"sku": "yen"}], "more[1].sku", "has another currency"),
        ([{"sku": "cred10", "quantity": 100}], "more[0].quantity", "at most 100 packages"),
        ([{"sku": "cred10"}] * 10, "more", "at most 9 items"),
    ],
    ids=("unknown", "currency", "too many", "too many kinds"),
)
async def test_packages_that_are_not_sold_together_are_told(
    jane: Person, database: PostgresEndpoint, more: Any, field: str, words: str
) -> None:
    add = "INSERT INTO skus (name, title, units, amount, currency) VALUES "
    await execute(database.owner_dsn, f"{add}('yen', 'yen', 1, 60, 'jpy')")
    status, problem = await jane.ask("POST", CHECKOUT, {"sku": "cred100", "more": more})
    assert (status, problem["errors"][0]["field"]) == (422, field)
    assert words in problem["errors"][0]["message"]


@pytest.mark.parametrize(
    ("sku", "quantity"),
    [("cred10", 0), ("cred10", 101), ("cred10", "2"), ("dear", 2)],
    ids=("none", "too many", "text", "too dear"),
)
async def test_a_number_of_packages_that_cannot_be_bought_is_told(
    jane: Person, database: PostgresEndpoint, sku: str, quantity: Any
) -> None:
    add = "INSERT INTO skus (name, title, units, amount, currency) VALUES "
    await execute(database.owner_dsn, f"{add}('dear', 'dear', 1, 60000000, 'usd')")
    body = {"sku": sku, "quantity": quantity}
    status, problem = await jane.ask("POST", CHECKOUT, body)
    assert (status, problem["errors"][0]["field"]) == (422, "quantity")


@pytest.mark.parametrize("sku", ["cred1000", "", "CRED10", 10, None])
async def test_what_is_not_for_sale_is_told(face: Face, jane: Person, sku: Any) -> None:
    status, problem = await jane.ask("POST", CHECKOUT, {"sku": sku})
    assert (status, problem["errors"][0]["field"]) == (422, "sku")


async def test_an_admin_sets_what_is_sold_from_then_on(
    face: Face, jane: Person, shop: Shop, database: PostgresEndpoint
) -> None:
    admin = await with_role(face, database.owner_dsn, "admin")
    _, before = await checkout(jane)
    terms = {
        "title": "A little more",
        "credits": "120.5",
        "amount": 1100,
        "currency": "eur",
        "reason": "a new price",
    }
    status, row = await admin.ask("PUT", f"{SKUS}/cred10", terms)
    assert status == 200, row
    assert (row["credits"], row["amount"], row["currency"]) == ("120.5000", 1100, "eur")
    await shop.press(f"{before['url']}/card")
    await has(jane, "200")  # at the terms of the checkout's time
    _, after = await checkout(jane)
    assert "11.00 EUR" in await shop.look(after["url"])
    await shop.press(f"{after['url']}/card")

    async def there() -> bool:
        return await balance(jane) == "320.5000"

    await until(there)
    assert (await admin.ask("PUT", f"{SKUS}/cred10", {**terms, "on_sale": False}))[0] == 200
    assert (await checkout(jane))[0] == 422
    _, offers = await jane.ask("GET", "/api/v1/credits/skus")
    assert {offer["sku"] for offer in offers["skus"]} == {
        "cred50",
        "cred100",
        "cred500",
        "cred2000",
    }
    _, all_ = await admin.ask("GET", SKUS)
    assert {sku["sku"]: sku["on_sale"] for sku in all_["skus"]}["cred10"] is False
    _, audit = await admin.ask("GET", "/api/v1/admin/audit?target=sku:cred10")
    assert [record["act"] for record in audit["records"]] == ["sku.put", "sku.put"]
    assert audit["records"][1]["details"]["units"] == "120.5000"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("credits", "10000000000"),
        ("credits", "99999999999999.9999"),
        ("credits", "0"),
        ("amount", 100_000_000),
        ("currency", "USD"),
        ("title", ""),
    ],
)
async def test_terms_beyond_bounds_are_told(
    face: Face, database: PostgresEndpoint, field: str, value: Any
) -> None:
    admin = await with_role(face, database.owner_dsn, "admin")
    most = {"title": "x" * 100, "credits": "999999999.9999", "amount": 99_999_999, "reason": "x"}
    assert (await admin.ask("PUT", f"{SKUS}/x", most))[0] == 200
    status, problem = await admin.ask("PUT", f"{SKUS}/x", {**most, field: value})
    assert (status, problem["errors"][0]["field"]) == (422, field)


async def test_others_set_no_prices(face: Face, jane: Person) -> None:
    terms = {"title": "x", "credits": "1", "amount": 1, "reason": "x"}
    assert (await jane.ask("PUT", f"{SKUS}/x", terms))[0] == 403
    assert (await jane.ask("GET", SKUS))[0] == 403


async def test_the_pages_to_come_back_to(face: Face) -> None:
    for path, said in (("done", "Thank you"), ("cancelled", "Nothing was bought")):
        async with face.client.get(f"/checkout/{path}") as answer:
            assert answer.status == 200
            assert said in await answer.text()
            assert "script" not in answer.headers["Content-Security-Policy"]


def test_a_gateway_without_purchases_does_not_load_stripes_library() -> None:
    program = (
        "import sys; sys.path.insert(0, '.'); import web.app; sys.exit('stripe' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


async def test_two_gateways_with_a_stand_in_each_begin_one_purchase_under_one_key(
    face: Face, jane: Person, shop: Shop, database: PostgresEndpoint, tmp_path: Path
) -> None:
    """Each stand-in opens a session, because neither knows the other's; the first session
    counts.
    """
    async with (
        face_over(database, with_ledger) as neighbour,
        standing_in(neighbour, tmp_path / "neighbour"),
    ):
        there, url = attrs.evolve(jane, face=neighbour), ""
        for number in range(5):
            key = f"key-{number}"
            answers = await asyncio.gather(*(checkout(p, key=key) for p in (jane, there)))
            assert [status for status, _ in answers] == [200, 200]
            [url] = {answer["url"] for _, answer in answers}
        await shop.press(f"{url}/card")
        await has(jane, "200")


async def test_who_buys_for_a_job_comes_back_to_its_draft(jane: Person, shop: Shop) -> None:
    draft = "/console/jobs/new?frames=1-4&scene_name=a+b.blend"
    headers = {"Authorization": f"Bearer {jane.access}"}
    for pressed, end in (("card", f"{draft}&bought=1"), ("cancel", draft)):
        body = {"sku": "cred10", "back": draft}
        status, answer = await ask(jane.face, "POST", CHECKOUT, body, headers)
        assert status == 200, answer
        status, where = await shop.press(f"{answer['url']}/{pressed}")
        if pressed == "cancel":
            async with shop.http.get(where, allow_redirects=False) as sent:
                status, where = sent.status, sent.headers["Location"]
        assert status == 303
        assert where.endswith(end)
    for back in ("https://elsewhere.example/", "//elsewhere.example", "/checkout", "/console/\\x"):
        body = {"sku": "cred10", "back": back}
        status, answer = await ask(jane.face, "POST", CHECKOUT, body, headers)
        assert (status, answer["errors"][0]["field"]) == (422, "back")
