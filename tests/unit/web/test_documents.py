"""PDF documents: their text can be read back, their sums agree, and they never change."""

import hashlib
import json
from datetime import UTC, date, datetime
from io import BytesIO
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from rendertrust import money
from rendertrust.money import CreditPrice
from sql.invoices import CreditNoteRow, InvoiceRow
from sql.operator_accounts import EarningsLine
from sql.spending import AccountLine
from web.documents import fonts
from web.documents.invoices import credit_note_document, included_tax, invoice_document
from web.documents.paper import LOSSY, Paper, TextColumn
from web.documents.statements import (
    AccountStatement,
    EarningsStatement,
    Holder,
    account_document,
    earnings_document,
)
from web.money.periods import Period

JOB = UUID("3a0c2de7-8416-46ad-a466-c956a8bb319a")
HOLDER = Holder("Ferme à Rendu", "Jürgen Ελένη Дмитрий", "j@example.org")
INVOICE = InvoiceRow(
    number=7,
    issued_at=datetime(2026, 3, 14, tzinfo=UTC),
    seller="Farm GmbH\nHauptstraße 1\nBerlin\nDE 123456789",
    buyer="Ελένη Παπαδοπούλου\nŽižka Дмитрий",
    prefix="RT-",
    title="100 credits",
    tax_name="VAT",
    tax=1900,
    note="Thank you",
    purchase_id=JOB,
    units=1_000_000,
    amount=1000,
    currency="eur",
    paid_at=datetime(2026, 3, 13, tzinfo=UTC),
)
NOTE = CreditNoteRow(
    number=2,
    issued_at=datetime(2026, 3, 15, tzinfo=UTC),
    units=250_000,
    amount=250,
    invoice=INVOICE.number,
    invoiced_at=INVOICE.issued_at,
    seller=INVOICE.seller,
    buyer=INVOICE.buyer,
    prefix=INVOICE.prefix,
    title=INVOICE.title,
    tax_name=INVOICE.tax_name,
    tax=INVOICE.tax,
    note=INVOICE.note,
    purchase_id=JOB,
    currency="eur",
)


def text_of(document: bytes) -> str:
    """Return the text of all pages, as a reader of PDF extracts it."""
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(document)).pages)


def statement(
    lines: list[AccountLine], opening: int = 0, sold: CreditPrice | None = None
) -> AccountStatement:
    closing = opening + sum(line.amount for line in lines)
    period = Period(date(2026, 3, 1), date(2026, 3, 31))
    return AccountStatement(HOLDER, period, opening, closing, lines, sold)


def line(amount: int, kind: str = "USAGE", entries: int = 1) -> AccountLine:
    job = JOB if kind == "USAGE" else None
    day = date(2026, 3, 2)
    return AccountLine(day, kind, job, entries, amount, "a reason", "a scene")


def test_the_fonts_are_as_their_package_has_them() -> None:
    (package,) = json.loads((fonts.FOLDER / "manifest.json").read_text())["packages"]
    assert (package["licence"], package["version"]) == ("OFL-1.1", "2.1.5")
    listed = {name: file["sha256"] for name, file in package["files"].items()}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in fonts.FOLDER.iterdir()
        if path.name != "manifest.json"
    }
    assert found == listed


def test_an_invoice_says_who_sold_what_to_whom_with_the_tax() -> None:
    text = text_of(invoice_document(INVOICE))
    for each in (*INVOICE.seller.splitlines(), *INVOICE.buyer.splitlines(), "Invoice RT-7"):
        assert each in text
    for each in ("14 March 2026", "13 March 2026", "100 credits", "10.00 EUR", "Thank you"):
        assert each in text
    for each in ("VAT 19 %", "1.60 EUR", "8.40 EUR"):
        assert each in text
    assert LOSSY not in text


def test_an_invoice_without_tax_has_no_line_for_it() -> None:
    text = text_of(invoice_document(attrs.evolve(INVOICE, tax=None)))
    assert ("VAT" in text, "Net" in text) == (False, False)


@given(st.integers(1, 10**9), st.integers(0, 9999))
def test_net_and_tax_are_the_price_and_the_tax_is_right_to_a_cent(amount: int, rate: int) -> None:
    tax = included_tax(amount, rate)
    assert 0 <= tax < amount or amount == tax == 0
    assert abs((amount - tax) * rate / 10_000 - tax) <= 1


def test_a_credit_note_names_its_invoice_and_what_was_given_back() -> None:
    text = text_of(credit_note_document(NOTE))
    for each in (*NOTE.seller.splitlines(), *NOTE.buyer.splitlines(), "Credit note RT-C2"):
        assert each in text
    for each in ("RT-7 of 14 March 2026", "15 March 2026", "2.50 EUR", "0.40 EUR", "2.10 EUR"):
        assert each in text
    assert "The amount was given back to you." in text
    taken = text_of(credit_note_document(attrs.evolve(NOTE, units=-250_000, amount=-250)))
    assert ("takes an earlier one back" in taken, "-2.50 EUR" in taken) == (True, True)


def test_a_document_always_has_the_same_bytes() -> None:
    assert invoice_document(INVOICE) == invoice_document(INVOICE)
    lines = [line(-10_000), line(20_000, "STRIPE")]
    assert account_document(statement(lines)) == account_document(statement(lines))


def test_a_statement_names_jobs_and_their_units_and_runs_a_balance() -> None:
    lines = [line(1_000_000, "STRIPE"), line(-480_000, entries=48), line(-5, "DEDUCTION")]
    lines.append(attrs.evolve(line(20_000, "REFUND", entries=2), job_id=JOB))
    text = text_of(account_document(statement(lines, opening=5_000)))
    for each in (HOLDER.name, HOLDER.email, "1 March 2026 to 31 March 2026"):
        assert each in text
    assert "a scene (job 3a0c2de7), 48 charges" in text
    assert "a scene (job 3a0c2de7), 2 refunds" in text
    for each in ("100.5", "52.5", "52.4995", "-48", "-0.0005"):
        assert each in text.split()
    assert ".0000" not in text


def test_the_sums_of_a_statement_are_credits_and_money() -> None:
    sold = CreditPrice(1_000, 1_000_000, "eur")
    lines = [line(1_000_000, "STRIPE"), line(-480_000)]
    text = text_of(account_document(statement(lines, sold=sold)))
    for each in ("≈ 10.00 EUR", "≈ -4.80 EUR", "≈ 5.20 EUR", "Amounts of money are"):
        assert each in text
    assert LOSSY not in text
    assert "Amounts of money" not in text_of(account_document(statement(lines)))
    day = date(2026, 3, 2)
    earned = EarningsLine(day, "EARNING", 3, 250_000, None, "box")
    found = EarningsStatement(HOLDER, "2026-03", 0, 250_000, [earned], sold)
    text = text_of(earnings_document(found))
    assert ("≈ 2.50 EUR" in text, "box, 3 units" in text) == (True, True)


@given(st.lists(st.integers(-(10**9), 10**9).filter(bool), max_size=120))
def test_the_amounts_of_a_statement_are_those_of_its_lines(amounts: list[int]) -> None:
    lines = [line(amount, "ADJUSTMENT") for amount in amounts]
    opening = 10**11
    rows = [
        text.split()
        for text in text_of(account_document(statement(lines, opening))).splitlines()
        if text.startswith("2026-03-02")
    ]
    assert [row[-2] for row in rows] == [money.format_amount(amount) for amount in amounts]
    closing = money.format_amount(opening + sum(amounts))
    assert not rows or rows[-1][-1] == closing


def test_a_long_table_repeats_its_head_on_every_page() -> None:
    paper = Paper("A table", "a farm")
    rows = [(f"row {number}", str(number)) for number in range(200)]
    paper.table((TextColumn("What", 0.5), TextColumn("Number", 0.5, "right")), rows)
    pages = [page.extract_text() for page in PdfReader(BytesIO(paper.done())).pages]
    assert len(pages) > 3
    for number, text in enumerate(pages, 1):
        assert "What" in text
        assert f"page {number} of {len(pages)}" in text
    whole = "\n".join(pages).splitlines()
    assert [each for each in whole if each.startswith("row ")] == [
        f"row {n} {n}" for n in range(200)
    ]


@pytest.mark.parametrize("text", ["日本語", "שלום", "a\u202eb", "\x00", "🙂"])
def test_what_the_font_lacks_is_marked_and_said(text: str) -> None:
    paper = Paper("t", "a")
    paper.line(f"before {text} after")
    found = text_of(paper.done())
    assert "before" in found
    assert "after" in found
    assert LOSSY in found
    assert text not in found


def test_a_text_that_is_too_wide_is_cut() -> None:
    regular = fonts.fonts()[0]
    cut = regular.cut("a" * 500, 9.5, 100.0)
    assert cut.endswith("…")
    assert regular.width(cut, 9.5) <= 100.0 < regular.width("a" + cut, 9.5)
