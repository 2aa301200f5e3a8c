"""Invoices and credit notes as PDF."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from rendertrust import money
from sql.invoices import CreditNoteRow, InvoiceRow
from web.documents.paper import Paper, TextColumn
from web.documents.statements import credit_note_name, invoice_name, said

COLUMNS: Final = (TextColumn("What", 0.55), TextColumn("Credits", 0.2, "right"))
GIVEN_BACK: Final = "The amount was given back to you."
CHARGED_AGAIN: Final = (
    "This note takes an earlier one back: the refund failed, or the payment was confirmed after a"
    " dispute."
)
PRICED: Final = (*COLUMNS, TextColumn("Price", 0.25, "right"))


def invoice_document(row: InvoiceRow) -> bytes:
    """Return an invoice, always with the same bytes."""
    seller, buyer, number = row.seller.splitlines(), row.buyer.splitlines(), number_of(row)
    paper = Paper(f"Invoice {number}", seller[0])
    paper.lines(seller)
    paper.gap()
    paper.heading(f"Invoice {number}")
    paper.lines(buyer, "For")
    paper.gap()
    paper.fact("Invoice date", said(row.issued_at.date()))
    paper.fact("Paid and delivered", said(row.paid_at.date()))
    paper.fact("Purchase", str(row.purchase_id))
    paper.gap()
    price = _price(row.amount, row)
    paper.table(PRICED, [(row.title, money.format_amount(row.units), price)])
    _totals(paper, row)
    paper.line("Paid. Nothing is left to pay.")
    if row.note:
        paper.line(row.note)
    return paper.done()


def credit_note_document(row: CreditNoteRow) -> bytes:
    """Return a credit note, always with the same bytes."""
    seller, name = row.seller.splitlines(), credit_note_name(row.prefix, row.number)
    paper = Paper(f"Credit note {name}", seller[0])
    paper.lines(seller)
    paper.gap()
    paper.heading(f"Credit note {name}")
    paper.lines(row.buyer.splitlines(), "For")
    paper.gap()
    paper.fact("Date", said(row.issued_at.date()))
    invoice = f"{invoice_name(row.prefix, row.invoice)} of {said(row.invoiced_at.date())}"
    paper.fact("Invoice", invoice)
    paper.fact("Purchase", str(row.purchase_id))
    paper.gap()
    price = _price(row.amount, row)
    paper.table(PRICED, [(f"Taken back: {row.title}", money.format_amount(row.units), price)])
    _totals(paper, row)
    paper.line(GIVEN_BACK if row.amount > 0 else CHARGED_AGAIN)
    if row.note:
        paper.line(row.note)
    return paper.done()


def _totals(paper: Paper, row: InvoiceRow | CreditNoteRow) -> None:
    """Write the total of a document, with the tax in it."""
    paper.rule()
    if row.tax is not None:
        tax = included_tax(row.amount, row.tax)
        paper.fact("Net", _price(row.amount - tax, row))
        paper.fact(f"{row.tax_name or 'Tax'} {_percent(row.tax)} %", _price(tax, row))
    paper.fact("Total", _price(row.amount, row), bold=True)
    paper.gap()


def number_of(row: InvoiceRow) -> str:
    """Return the invoice's number with its prefix."""
    return invoice_name(row.prefix, row.number)


def included_tax(amount: int, rate: int) -> int:
    """Return the tax in a price that includes it; ``rate`` is in 1/100 of a percent.

    The net price is rounded to the currency's smallest unit, half up, away from 0.
    """
    net = Decimal(amount) * 10_000 / (10_000 + rate)
    return amount - int(net.to_integral_value(ROUND_HALF_UP))


def _price(amount: int, row: InvoiceRow | CreditNoteRow) -> str:
    return money.format_price(amount, row.currency)


def _percent(rate: int) -> str:
    return f"{rate / 100:g}"
