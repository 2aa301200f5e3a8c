"""Invoices of purchases and their credit notes, each numbered without gaps."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Table
from sql.query_loader import QUERIES


@attrs.frozen
class InvoiceTerms:
    """The texts of an invoice when it is issued. ``seller`` and ``buyer``: lines of text.

    ``tax``: in 1/100 of a percent, included in the price; None: the invoice has no line for it.
    """

    seller: str
    buyer: str
    prefix: str
    title: str
    tax_name: str = ""
    tax: int | None = None
    note: str = ""


@attrs.frozen
class InvoiceRow:
    """An invoice and its purchase. ``amount``: money, in the currency's smallest unit."""

    number: int
    issued_at: datetime
    seller: str
    buyer: str
    prefix: str
    title: str
    tax_name: str
    tax: int | None
    note: str
    purchase_id: UUID
    units: int
    amount: int
    currency: str
    paid_at: datetime


@attrs.frozen
class CreditNoteRow:
    """A credit note and its invoice. ``amount``: money; below 0, it takes an earlier note back.

    ``invoice``: the number of the invoice, and ``invoiced_at`` its date; the texts are the
    invoice's.
    """

    number: int
    issued_at: datetime
    units: int
    amount: int
    invoice: int
    invoiced_at: datetime
    seller: str
    buyer: str
    prefix: str
    title: str
    tax_name: str
    tax: int | None
    note: str
    purchase_id: UUID
    currency: str


@attrs.frozen
class CreditNoteLine:
    """A credit note in a list."""

    purchase_id: UUID
    number: int
    prefix: str
    issued_at: datetime
    units: int
    amount: int


@attrs.frozen
class DocumentLine:
    """An invoice or a credit note in a statement. ``invoice``: of a credit note, the number of its
    invoice. ``amount``: money, below 0 if it was given back.
    """

    number: int
    invoice: int | None
    prefix: str
    issued_at: datetime
    units: int
    amount: int
    currency: str


class Invoices(Table):
    async def of_purchase(self, purchase: UUID, user: UUID) -> InvoiceRow | None:
        """Return the invoice of a user's purchase, if it was issued."""
        return await self._database.row(InvoiceRow, "invoice_of_purchase", purchase, user)

    async def issue(
        self, purchase: UUID, user: UUID, terms: InvoiceTerms, now: datetime
    ) -> InvoiceRow | None:
        """Return the invoice of a purchase, issued now with these texts if there is none yet.

        None if the purchase is not paid or not the user's. Only the first call decides the texts.
        """
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["invoices_lock"])
            await connection.execute(
                *(QUERIES["invoice_issue"], purchase, user, now), *attrs.astuple(terms)
            )
            row = await connection.fetchrow(QUERIES["invoice_of_purchase"], purchase, user)
            if row is not None:
                await connection.execute(QUERIES["invoice_credit_note"], purchase)
        return None if row is None else InvoiceRow(**row)

    async def credit_note(self, number: int, purchase: UUID, user: UUID) -> CreditNoteRow | None:
        """Return a credit note of a user's purchase."""
        wanted = number, purchase, user
        return await self._database.row(CreditNoteRow, "credit_note_of_user", *wanted)

    async def credit_notes(self, purchases: Sequence[UUID]) -> Sequence[CreditNoteLine]:
        """Return the credit notes of these purchases, oldest first."""
        if not purchases:
            return ()
        return await self._database.rows(CreditNoteLine, "credit_notes_of", list(purchases))

    async def documents(
        self, user: UUID, begin: datetime, end: datetime, most: int
    ) -> Sequence[DocumentLine]:
        """Return a user's invoices and credit notes of a period, oldest first."""
        wanted = user, begin, end, most
        return await self._database.rows(DocumentLine, "documents_of_period", *wanted)
