"""Invoices of purchases: continuous numbers, texts that never change, and clear refusals."""

import asyncio
import io
from typing import Any
from uuid import UUID, uuid4

import attrs
import pytest
from pypdf import PdfReader

from actors.ledger.messages import Posted
from config.loader import SettingsError, load
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.purchases import Bought, event
from tests.integration.web.accounts import Person, register
from tests.support.databases import connected, execute, fetchval
from tests.support.http_gateway import Face, face_over, face_with, with_ledger

ACCOUNT, PURCHASES = "/api/v1/auth/account", "/api/v1/credits/purchases"
SELLER = {
    "seller": "Farm GmbH; Hauptstraße 1 ;Berlin; VAT DE 123",
    "prefix": "RT-",
    "tax_percent": 19.0,
    "note": "Thank you.",
}
face = face_with(with_ledger, audited=True, invoices=SELLER)


async def bought(person: Person, credits_: int = 100, *, paid: bool = True) -> Bought:
    """Book a purchase of credits at one cent each."""
    made = Bought(uuid4(), UUID(person.id), credits_)
    assert isinstance(await person.face.book(made.opened()), Posted)
    if paid:
        assert isinstance(await person.face.book(event(made.said())), Posted)
    return made


async def invoice(person: Person, purchase: Bought) -> tuple[bytes, str]:
    """Return an invoice and its text."""
    headers = {"Authorization": f"Bearer {person.access}"}
    path = f"{PURCHASES}/{purchase.purchase}/invoice"
    async with person.face.client.get(path, headers=headers) as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type) == (200, "application/pdf"), body
    return body, "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)


async def refusal(person: Person, purchase: UUID) -> tuple[int, str]:
    status, answer = await person.ask("GET", f"{PURCHASES}/{purchase}/invoice")
    return status, answer["code"]


async def test_an_invoice_has_seller_buyer_amount_and_tax(jane: Person) -> None:
    made = await bought(jane, 1000)
    _, text = await invoice(jane, made)
    for each in ("Farm GmbH", "Hauptstraße 1", "Berlin", "VAT DE 123", "Invoice RT-1", "Jane"):
        assert each in text
    for each in (jane.email, str(made.purchase), "10.00 USD", "8.40 USD", "1.60 USD", "VAT 19 %"):
        assert each in text
    assert "1,000" in text.split(), "the credits"


async def test_numbers_are_continuous_in_the_order_of_asking(face: Face, jane: Person) -> None:
    ann = await register(face, "ann@example.org")
    first, second = await bought(jane), await bought(ann)
    third = await bought(jane)
    for purchase, person, number in ((third, jane, 1), (second, ann, 2), (first, jane, 3)):
        assert f"Invoice RT-{number}" in (await invoice(person, purchase))[1]
    assert "Invoice RT-1" in (await invoice(jane, third))[1], "asking again takes no number"


async def test_numbers_have_no_gap_if_many_ask_at_once(
    face: Face, jane: Person, database: PostgresEndpoint
) -> None:
    made = [await bought(jane) for _ in range(4)]
    # not asyncio.gather: the documents' writer refuses more than eight at once
    async with asyncio.TaskGroup() as group:
        for each in [*made, *made[:2]]:
            group.create_task(invoice(jane, each))
    numbers = await fetchval(
        database.owner_dsn, "SELECT array_agg(number ORDER BY number) FROM invoices"
    )
    assert numbers == [1, 2, 3, 4]


async def test_an_issued_invoice_never_changes(
    face: Face, jane: Person, database: PostgresEndpoint
) -> None:
    before, after = await bought(jane), await bought(jane)
    body, text = await invoice(jane, before)
    lines = "Студия Ελένη\n1 High Street\nLondon"
    status, account = await jane.ask("PATCH", ACCOUNT, {"invoice_to": lines})
    assert (status, account["invoice_to"]) == (200, lines)
    await execute(database.owner_dsn, "UPDATE skus SET title = 'another title'")
    other = {**SELLER, "seller": "Another Seller", "tax_percent": 7.0}
    async with face_over(database, with_ledger, invoices=other) as later:
        again = attrs.evolve(jane, face=later)
        assert (await invoice(again, before)) == (body, text)
        _, new = await invoice(again, after)
    for each in ("Another Seller", *lines.splitlines(), "VAT 7 %", "another title", "RT-2"):
        assert each in new
    assert "Another Seller" not in text


async def test_an_invoice_cannot_be_changed_in_the_database(
    face: Face, jane: Person, database: PostgresEndpoint
) -> None:
    await invoice(jane, await bought(jane))
    async with connected(database.owner_dsn) as owner:
        for change in ("UPDATE invoices SET note = ''", "DELETE FROM invoices"):
            with pytest.raises(Exception, match="invoices is append-only"):
                await owner.execute(change)


async def notes_of(person: Person, purchase: Bought) -> list[dict[str, Any]]:
    """Return the credit notes of a purchase, without their times."""
    _, found = await person.ask("GET", PURCHASES)
    [row] = [row for row in found["purchases"] if row["id"] == str(purchase.purchase)]
    notes: list[dict[str, Any]] = row["credit_notes"]
    assert all(note.pop("issued_at") for note in notes)
    return notes


async def reversed_by(person: Person, purchase: Bought, *facts: Any) -> None:
    for fact in facts:
        assert isinstance(await person.face.book(event(purchase.reversal(*fact))), Posted)


async def test_a_refund_gives_a_credit_note_with_a_number_of_its_own(jane: Person) -> None:
    made, other = await bought(jane, 1000), await bought(jane, 50)
    assert (await notes_of(jane, made), await notes_of(jane, other)) == ([], [])
    await invoice(jane, other)
    await invoice(jane, made)
    await reversed_by(jane, made, ("re_1", "REFUND", 250), ("re_1", "REFUND", 250))
    await reversed_by(jane, other, ("re_2", "REFUND", 50))
    await reversed_by(jane, made, ("re_3", "REFUND", 50))
    assert await notes_of(jane, made) == [
        {"number": 1, "name": "RT-C1", "credits": "250.0000", "amount": 250},
        {"number": 3, "name": "RT-C3", "credits": "50.0000", "amount": 50},
    ]
    assert [note["number"] for note in await notes_of(jane, other)] == [2]
    text = await note_text(jane, made, 1)
    for each in ("Farm GmbH", "Credit note RT-C1", "RT-2 of", "2.50 USD", "2.10 USD", "0.40 USD"):
        assert each in text, text


async def note_text(person: Person, purchase: Bought, number: int) -> str:
    headers = {"Authorization": f"Bearer {person.access}"}
    path = f"{PURCHASES}/{purchase.purchase}/credit-notes/{number}"
    async with person.face.client.get(path, headers=headers) as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type) == (200, "application/pdf"), body
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)


async def test_a_refund_before_the_invoice_has_its_note_with_the_invoice(jane: Person) -> None:
    made = await bought(jane, 100)
    await reversed_by(jane, made, ("re_1", "REFUND", 30), ("re_2", "REFUND", 20))
    assert await notes_of(jane, made) == []
    await invoice(jane, made)
    await invoice(jane, made)
    [note] = await notes_of(jane, made)
    assert (note["number"], note["amount"]) == (1, 50)


async def test_a_dispute_that_the_farm_wins_takes_its_note_back(jane: Person) -> None:
    made = await bought(jane, 100)
    await invoice(jane, made)
    await reversed_by(jane, made, ("dp_1", "DISPUTE", 100), ("dp_1", "DISPUTE", 100, "VOID"))
    assert [note["amount"] for note in await notes_of(jane, made)] == [100, -100]
    assert "takes an earlier one back" in await note_text(jane, made, 2)
    assert "-1.00 USD" in await note_text(jane, made, 2)


async def test_refunds_and_invoices_at_once_leave_no_gap_and_no_doubles(
    jane: Person, database: PostgresEndpoint
) -> None:
    made = [await bought(jane) for _ in range(6)]
    async with asyncio.TaskGroup() as group:
        for number, each in enumerate(made):
            group.create_task(invoice(jane, each))
            group.create_task(reversed_by(jane, each, (f"re_{number}", "REFUND", 40)))
    numbers = await fetchval(
        database.owner_dsn, "SELECT array_agg(number ORDER BY number) FROM credit_notes"
    )
    assert numbers == [1, 2, 3, 4, 5, 6]
    for each in made:
        assert [note["amount"] for note in await notes_of(jane, each)] == [40]


async def test_a_credit_note_is_seen_by_its_buyer_alone_and_never_changes(
    face: Face, jane: Person, database: PostgresEndpoint
) -> None:
    made, olga = await bought(jane), await register(face, "olga@example.org")
    await invoice(jane, made)
    await reversed_by(jane, made, ("re_1", "REFUND", 40))
    path = f"{PURCHASES}/{made.purchase}/credit-notes"
    for person, number in ((olga, "1"), (jane, "2"), (jane, "x"), (jane, "9" * 16)):
        status, refused = await person.ask("GET", f"{path}/{number}")
        assert (status, refused["code"]) == (404, "credit_note_not_found")
    async with connected(database.owner_dsn) as connection:
        for change in ("UPDATE credit_notes SET amount = 1", "DELETE FROM credit_notes"):
            with pytest.raises(Exception, match="credit_notes is append-only"):
                await connection.execute(change)


async def test_statement_and_export_name_the_invoices_and_credit_notes(jane: Person) -> None:
    made = await bought(jane)
    await invoice(jane, made)
    await reversed_by(jane, made, ("re_1", "REFUND", 40))
    headers = {"Authorization": f"Bearer {jane.access}"}
    path = "/api/v1/credits/statement?format=pdf"
    async with jane.face.client.get(path, headers=headers) as answer:
        body = await answer.read()
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)
    for each in ("Invoice RT-1", "Credit note RT-C1 for invoice RT-1", "1.00 USD", "-0.40 USD"):
        assert each in text, text
    _, found = await jane.ask("GET", "/api/v1/auth/account/export")
    [purchase] = found["purchases"]
    [note] = purchase["credit_notes"]
    assert (note["number"], note["amount"], note["credits"]) == ("RT-C1", 40, "40.0000")


async def test_there_is_no_invoice_of_what_is_not_paid_or_not_yours(
    face: Face, jane: Person
) -> None:
    ann = await register(face, "ann@example.org")
    unpaid, paid = await bought(jane, paid=False), await bought(jane)
    assert await refusal(jane, unpaid.purchase) == (409, "purchase_unpaid")
    assert await refusal(ann, paid.purchase) == (404, "purchase_not_found")
    assert await refusal(jane, uuid4()) == (404, "purchase_not_found")
    assert await fetch_count(face) == 0


async def fetch_count(face: Face) -> int:
    async with face.gateway.database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM invoices"))


async def test_without_a_seller_there_are_no_invoices_and_it_says_what_to_set(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, with_ledger) as face:
        jane = await register(face)
        made = await bought(jane)
        status, answer = await jane.ask("GET", f"{PURCHASES}/{made.purchase}/invoice")
    assert (status, answer["code"]) == (404, "invoices_off")
    assert "`invoices.seller`" in answer["detail"]


async def test_purchases_are_listed_newest_first(jane: Person) -> None:
    made = [await bought(jane, 100), await bought(jane, 200, paid=False)]
    _, found = await jane.ask("GET", PURCHASES)
    assert found["count"] == 2
    shown = [
        (each["id"], each["credits"], each["amount"], each["state"]) for each in found["purchases"]
    ]
    assert shown == [
        (str(made[1].purchase), "200.0000", 200, "open"),
        (str(made[0].purchase), "100.0000", 100, "paid"),
    ]
    _, second = await jane.ask("GET", f"{PURCHASES}?limit=1&offset=1")
    assert [each["id"] for each in second["purchases"]] == [str(made[0].purchase)]


@pytest.mark.parametrize("lines", ["a\n" * 7, "x" * 101, "a\tb", "a\r\nb", "\u2028"])
async def test_a_bad_address_is_refused(jane: Person, lines: str) -> None:
    status, answer = await jane.ask("PATCH", ACCOUNT, {"invoice_to": lines})
    assert status == 422
    assert answer["errors"][0]["field"] == "invoice_to"


async def test_the_export_has_invoices_and_the_deletion_erases_the_address(
    face: Face, jane: Person, database: PostgresEndpoint
) -> None:
    await jane.ask("PATCH", ACCOUNT, {"invoice_to": "Studio\nLondon"})
    await invoice(jane, await bought(jane))
    _, found = await jane.ask("GET", f"{ACCOUNT}/export")
    assert found["account"]["invoice_to"] == "Studio\nLondon"
    (kept,) = [each["invoice"] for each in found["purchases"]]
    assert (kept["number"], kept["buyer"], kept["tax_percent"]) == ("RT-1", "Studio\nLondon", 19)
    await execute(
        database.owner_dsn,
        f"UPDATE users SET invoice_to = 'Studio' WHERE id = '{jane.id}'",
    )
    async with connected(database.owner_dsn) as owner:
        from sql.query_loader import QUERIES

        erase: Any = (QUERIES["user_erase"], UUID(jane.id), "x@deleted.invalid", "Deleted", "-")
        await owner.execute(*erase, found_now())
        assert await owner.fetchval("SELECT string_agg(invoice_to, '') FROM users") == ""
        assert await owner.fetchval("SELECT buyer FROM invoices") == "Studio\nLondon"


def found_now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def test_settings_that_do_not_fit_on_an_invoice_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RENDERTRUST_INVOICES_PREFIX", "x" * 21)
    with pytest.raises(SettingsError, match=r"invoices\.prefix must have at most 20 characters"):
        load()
