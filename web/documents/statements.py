"""Statements as PDF: of a user's credits in a period, and of an operator's earnings in a month."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date
from typing import Final
from uuid import UUID

import attrs

from rendertrust import money
from rendertrust.money import CreditPrice
from sql.invoices import DocumentLine
from sql.operator_accounts import EarningsLine
from sql.spending import AccountLine
from web.documents.paper import Paper, TextColumn
from web.money.periods import Period

LINES_MOST: Final = 2_000  # of a statement; some forty pages
DOCUMENTS_MOST: Final = 500  # invoices and credit notes that a statement names
# The words for kinds of transfers.
WORDS: Final = {
    "STRIPE": "Bought",
    "USAGE": "Charged",
    "REFUND": "Refunded",
    "ADJUSTMENT": "Adjusted",
    "DEDUCTION": "Deducted",
    "PAYOUT": "Earnings paid out",
}
EARNED: Final = {
    "EARNING": "Earned",
    "CLAIM": "Claimed with a node",
    "REVERSAL": "Reversed",
    "FINE": "Forfeited",
    "PAYOUT": "Paid out",
}
UNIT: Final = "Amounts without a currency are credits; days are in UTC."
MONEY: Final = "Amounts of money are what as many credits cost when this statement was made."
COLUMNS: Final = (
    TextColumn("Day", 0.12),
    TextColumn("What", 0.18),
    TextColumn("For", 0.38),
    TextColumn("Amount", 0.15, "right"),
    TextColumn("Balance", 0.17, "right"),
)
DOCUMENTS: Final = (
    TextColumn("Day", 0.12),
    TextColumn("What", 0.43),
    TextColumn("Credits", 0.2, "right"),
    TextColumn("Price", 0.25, "right"),
)


@attrs.frozen
class Holder:
    """The farm, and the holder of an account."""

    farm: str
    name: str
    email: str


@attrs.frozen
class AccountStatement:
    """A user's account in a period; amounts in units of money. ``sold``: the price of credits."""

    holder: Holder
    period: Period
    opening: int
    closing: int
    lines: Sequence[AccountLine]
    sold: CreditPrice | None
    documents: Sequence[DocumentLine] = ()  # that were issued in the period


@attrs.frozen
class EarningsStatement:
    """An operator's account in a month, in units of money. ``sold``: the price of credits."""

    holder: Holder
    month: str
    opening: int
    closing: int
    lines: Sequence[EarningsLine]
    sold: CreditPrice | None


def account_document(found: AccountStatement) -> bytes:
    """Return the statement of a user's credits."""
    period = found.period
    paper = _begun("Statement of credits", found.holder)
    paper.line(f"{said(period.first)} to {said(period.last)}")
    _sums(paper, WORDS, found)
    if found.lines:
        paper.table(COLUMNS, list(_account_rows(found)))
    else:
        paper.line("No credits were moved in this period.")
    if found.documents:
        paper.gap()
        paper.line("Invoices and credit notes of this period", bold=True)
        paper.table(DOCUMENTS, [_document_row(each) for each in found.documents])
    return paper.done()


def earnings_document(found: EarningsStatement) -> bytes:
    """Return the statement of an operator's earnings."""
    paper = _begun("Statement of earnings", found.holder)
    paper.line(f"{date.fromisoformat(found.month + '-01'):%B %Y}")
    _sums(paper, EARNED, found)
    if found.lines:
        paper.table(COLUMNS, list(_earnings_rows(found)))
    else:
        paper.line("Nothing was earned or paid out in this month.")
    return paper.done()


def _document_row(each: DocumentLine) -> tuple[str, ...]:
    name = invoice_name(each.prefix, each.number if each.invoice is None else each.invoice)
    what = f"Invoice {name}"
    if each.invoice is not None:
        what = f"Credit note {credit_note_name(each.prefix, each.number)} for invoice {name}"
    price = money.format_price(each.amount, each.currency)
    day, units = str(each.issued_at.astimezone(UTC).date()), money.format_amount(each.units)
    return (day, what, units, price)


def invoice_name(prefix: str, number: int) -> str:
    """Return the number of an invoice as documents show it."""
    return f"{prefix}{number}"


def credit_note_name(prefix: str, number: int) -> str:
    """Return the number of a credit note as documents show it: these have numbers of their own."""
    return f"{prefix}C{number}"


def said(day: date) -> str:
    """Return a day as people write it: ``31 March 2026``."""
    return f"{day.day} {day:%B %Y}"


def _begun(title: str, holder: Holder) -> Paper:
    paper = Paper(f"{holder.farm}: {title.lower()}", holder.farm)
    paper.line(holder.farm, bold=True)
    paper.heading(title)
    paper.line(f"{holder.name}, {holder.email}")
    return paper


def _sums(
    paper: Paper, words: Mapping[str, str], found: AccountStatement | EarningsStatement
) -> None:
    """Write the balances, and the sum of each kind of transfer."""
    paper.gap()
    paper.fact("Balance before", _worth(found.opening, found.sold))
    for kind, word in words.items():
        amounts = [line.amount for line in found.lines if line.kind == kind]
        if amounts:
            paper.fact(word, _worth(sum(amounts), found.sold))
    paper.rule()
    paper.fact("Balance after", _worth(found.closing, found.sold), bold=True)
    paper.gap()
    paper.line(UNIT if found.sold is None else f"{UNIT} {MONEY}")
    paper.gap()


def _worth(units: int, sold: CreditPrice | None) -> str:
    """Return an amount of credits, and what as many cost if credits are sold."""
    amount = money.format_amount(units)
    return f"{amount} ({sold.text(units)})" if sold and units else amount


def _account_rows(found: AccountStatement) -> Iterator[tuple[str, ...]]:
    balance = found.opening
    for line in found.lines:
        balance += line.amount
        amounts = (money.format_amount(line.amount), money.format_amount(balance))
        yield (str(line.day), WORDS.get(line.kind, line.kind.capitalize()), _about(line), *amounts)


def _about(line: AccountLine) -> str:
    """Return what a line is about: the job and its number of charges or refunds, or the entry's
    description.
    """
    if line.job_id is None:
        return line.description
    word = "refunds" if line.kind == "REFUND" else "charges"
    number = "" if line.entries == 1 else f", {line.entries} {word}"
    return f"{line.name} (job {short(line.job_id)}){number}"


def _earnings_rows(found: EarningsStatement) -> Iterator[tuple[str, ...]]:
    balance = found.opening
    for line in found.lines:
        balance += line.amount
        amounts = (money.format_amount(line.amount), money.format_amount(balance))
        yield (str(line.day), EARNED[line.kind], _source(line), *amounts)


def _source(line: EarningsLine) -> str:
    if line.payout_id is not None:
        return f"payout {short(line.payout_id)}"
    units = "1 unit" if line.entries == 1 else f"{line.entries} units"
    return units if line.node is None else f"{line.node}, {units}"


def short(identifier: UUID) -> str:
    """Return the beginning of an id, by which people tell ids apart."""
    return str(identifier)[:8]
