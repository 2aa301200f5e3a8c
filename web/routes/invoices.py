"""Your purchases of credits, their invoices and credit notes."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import attrs
from aiohttp import web
from msgspec import Meta

from rendertrust import money
from rendertrust.api.credits import CreditNote, Purchase, Purchases
from rendertrust.api.refusal_code import RefusalCode
from sql.invoices import CreditNoteLine
from sql.purchases import PurchaseRow
from web.documents.invoices import credit_note_document, invoice_document, number_of
from web.documents.statements import credit_note_name
from web.documents.writer import MEDIA, SECONDS
from web.http.operations import Call, Operations, Scope
from web.http.pagination import Window
from web.http.problem import Problem
from web.http.responses import from_row
from web.money.invoice_terms import NO_PURCHASE, invoice_of
from web.openapi.examples import earnings as examples

operations = Operations(absent=NO_PURCHASE)
NO_NOTE: Final = Problem(
    404, "The purchase has no such credit note", code=RefusalCode.CREDIT_NOTE_NOT_FOUND
)


@attrs.frozen
class NoteNumber:
    """the number of the credit note"""

    number: Annotated[str, Meta(pattern=r"^[0-9]{1,15}$", description="a whole number, like 7")]


@operations.get("/api/v1/credits/purchases", scope=Scope.CREDITS_READ, example=examples.PURCHASES)
async def index(call: Call[None, Window]) -> Purchases:
    """List your purchases of credits in all states, newest first."""
    window, kept = call.query, call.gateway.tables.purchases
    rows = await kept.page(call.caller, window.limit, window.offset)
    notes = await call.gateway.tables.invoices.credit_notes([row.id for row in rows])
    listed = tuple(
        shown(row, [note for note in notes if note.purchase_id == row.id]) for row in rows
    )
    return Purchases(listed, await kept.count(call.caller))


@operations.get(
    "/api/v1/credits/purchases/{purchase_id}/invoice",
    scope=Scope.CREDITS_READ,
    answers={200: str},
    media=MEDIA,
    refusals={
        404: "The purchase is not yours, or this farm issues no invoices",
        409: "The purchase is not paid",
    },
    within=SECONDS,
)
async def invoice(call: Call) -> web.Response | Problem:
    """Get the invoice of a purchase as PDF.

    The first request issues it, with the next number; it never changes afterwards. The buyer is the
    ``invoice_to`` of your account, or else your name and address of mail.
    """
    row = await invoice_of(call.gateway, call.caller, call.ids["purchase_id"])
    if isinstance(row, Problem):
        return row
    name = f"invoice-{_plain(number_of(row))}.pdf"
    return await call.gateway.documents.write(name, partial(invoice_document, row))


@operations.get(
    "/api/v1/credits/purchases/{purchase_id}/credit-notes/{number}",
    scope=Scope.CREDITS_READ,
    words=NoteNumber,
    answers={200: str},
    media=MEDIA,
    refusals={404: NO_NOTE.detail},
    absent=NO_NOTE,
    within=SECONDS,
)
async def credit_note(call: Call) -> web.Response | Problem:
    """Get a credit note of a purchase as PDF, by its number in the list of purchases.

    Credit notes have numbers of their own, without gaps. One is issued when a refund or a disputed
    payment takes something back of a purchase that has an invoice, or else with the invoice.
    """
    wanted = int(call.words["number"]), call.ids["purchase_id"], call.caller
    row = await call.gateway.tables.invoices.credit_note(*wanted)
    if row is None:
        return NO_NOTE
    name = f"credit-note-{_plain(credit_note_name(row.prefix, row.number))}.pdf"
    return await call.gateway.documents.write(name, partial(credit_note_document, row))


def _plain(name: str) -> str:
    """Return a number as part of a file's name."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


def shown(row: PurchaseRow, notes: Sequence[CreditNoteLine] = ()) -> Purchase:
    """Return a purchase as its buyer sees it."""
    return from_row(
        Purchase,
        row,
        state=row.state.lower(),
        credits=money.render(row.units),
        refunded=money.render(row.refunded),
        credit_notes=tuple(map(note_shown, notes)),
    )


def note_shown(row: CreditNoteLine) -> CreditNote:
    """Return a credit note as its buyer sees it."""
    name = credit_note_name(row.prefix, row.number)
    return from_row(CreditNote, row, name=name, credits=money.render(row.units))
