"""Statements of your credits in a period, as CSV and as PDF."""

from collections.abc import AsyncIterator
from datetime import UTC
from functools import partial
from typing import Any, Final, Literal
from uuid import UUID

import attrs
from aiohttp import web

from rendertrust import money
from sql.operator_accounts import AccountVersion
from sql.spending import AccountLogRow, Spending
from web.documents.statements import (
    DOCUMENTS_MOST,
    LINES_MOST,
    AccountStatement,
    Holder,
    account_document,
)
from web.documents.writer import MEDIA, SECONDS
from web.gateway import Gateway
from web.http import spreadsheet
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid
from web.money.credit_price import credit_price
from web.money.periods import Day, Period, period_of
from web.routes.credits import source_of

operations = Operations()
ROWS_AT_ONCE: Final = 2_000
ENTRIES_MOST: Final = 100_000
COLUMNS: Final = (
    *("entry_id", "at", "source", "amount", "balance"),
    *("reference_id", "description"),
)


@attrs.frozen
class AccountStatementQuery:
    """Query. ``from`` and ``to``: the first and the last day, in UTC; by default the last 30 days.

    ``format``: by default as Accept says, otherwise CSV.
    """

    from_: Day = ""
    to: Day = ""
    format: Literal["csv", "pdf"] | None = None


@operations.get(
    "/api/v1/credits/statement",
    scope=Scope.CREDITS_READ,
    answers={200: str},
    media=spreadsheet.MEDIA,
    also=(MEDIA,),
    within=SECONDS,
)
async def statement(call: Call[None, AccountStatementQuery]) -> web.Response | Problem:
    """Get the entries of your credits in a period of at most 366 days, oldest first.

    CSV has a line for each of at most 100,000 entries; an amount below 0 is a debit. PDF has a line
    for each job and day, at most 2,000, the balances before and after, and the invoices and credit
    notes of the period.
    """
    query = call.query
    period = period_of(query.from_, query.to, call.gateway.ports.clock.now().date())
    if isinstance(period, Problem):
        return period
    kept, who = call.gateway.tables.spending, call.caller
    opening, closing = await kept.moment(who, period.begin), await kept.moment(who, period.end)
    entries = closing.version - opening.version
    if entries > ENTRIES_MOST:
        return too_long(f"{entries:,} entries, and a statement has at most {ENTRIES_MOST:,}")
    if wants_pdf(call, query.format):
        return await _document(call.gateway, who, period, opening, closing)
    body = written(kept, who, opening, closing)
    return spreadsheet.attachment(f"rendertrust-credits-{period}.csv", body)


def wants_pdf(call: Call[Any, Any], form: str | None) -> bool:
    """Return True if PDF is wanted, by ``format`` or else by Accept."""
    return form == "pdf" or (form is None and MEDIA in call.request.headers.get("Accept", ""))


def too_long(found: str) -> Problem:
    """Return the refusal of a period with too many entries."""
    return invalid([Fault("from", "value", f"begins a period with {found}: ask for fewer days")])


async def holder_of(gateway: Gateway, user: UUID) -> Holder | None:
    """Return the holder of an account as documents name them."""
    row = await gateway.tables.users.by_id(user)
    return None if row is None else Holder(gateway.settings.farm_name, row.name, row.email)


async def _document(
    gateway: Gateway, who: UUID, period: Period, opening: AccountVersion, closing: AccountVersion
) -> web.Response | Problem:
    holder = await holder_of(gateway, who)
    if holder is None:
        return TOKEN_REFUSED
    lines = await gateway.tables.spending.lines(
        who, opening.version, closing.version, LINES_MOST + 1
    )
    if len(lines) > LINES_MOST:
        return too_long(
            f"over {LINES_MOST:,} lines, and a PDF has at most {LINES_MOST:,} (CSV has more)"
        )
    documents = await gateway.tables.invoices.documents(
        who, period.begin, period.end, DOCUMENTS_MOST
    )
    sold = await credit_price(gateway)
    found = AccountStatement(
        holder, period, opening.balance, closing.balance, lines, sold, documents
    )
    name = f"rendertrust-credits-{period}.pdf"
    return await gateway.documents.write(name, partial(account_document, found))


async def written(
    kept: Spending, who: UUID, opening: AccountVersion, closing: AccountVersion
) -> AsyncIterator[bytes]:
    """Yield the statement as CSV, read in pieces."""
    yield spreadsheet.lines([COLUMNS])
    after = opening.version
    while after < closing.version:
        rows = await kept.entries(who, after, closing.version, ROWS_AT_ONCE)
        if not rows:
            return
        yield spreadsheet.lines(map(cells, rows))
        after = rows[-1].version


def cells(row: AccountLogRow) -> tuple[object, ...]:
    """Return the entry's line in the CSV file."""
    at = row.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return (
        *(row.entry_id, at, source_of(row.kind), money.render(row.amount)),
        *(money.render(row.balance), spreadsheet.harmless(row.reference)),
        spreadsheet.harmless(row.description),
    )
