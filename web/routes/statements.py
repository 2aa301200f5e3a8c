"""Statements: an operator's account in one month, entry by entry, as JSON, CSV and PDF."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

import attrs
from aiohttp import web
from msgspec import Meta

from rendertrust import money
from rendertrust.api.earnings import Statement, StatementLine
from sql.operator_accounts import AccountVersion, Operators, StatementRow
from web.documents.statements import LINES_MOST, EarningsStatement, earnings_document
from web.documents.writer import MEDIA, SECONDS
from web.gateway import Gateway
from web.http import spreadsheet
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.money.credit_price import credit_price
from web.openapi.examples import earnings as examples
from web.routes.account_statements import holder_of, wants_pdf

operations = Operations()
LINES_AT_ONCE: Final = 2_000
TOO_LONG: Final = f"pdf has at most {LINES_MOST:,} lines, and this month has more: ask for csv"
KINDS: Final[Mapping[str, str]] = {
    "EARNING": "earned",
    "CLAIM": "claimed",
    "REVERSAL": "reversed",
    "FINE": "fined",
    "PAYOUT": "paid",
}
COLUMNS: Final = (
    *("entry_id", "at", "kind", "amount", "balance"),
    *("job_id", "unit", "node_id", "payout_id", "description"),
)


@attrs.frozen
class StatementQuery:
    """Query. ``month``: in UTC. ``after``: the ``next`` of the previous page."""

    month: Annotated[
        str,
        Meta(
            pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
            description="a month from 2000 to 2099, like 2026-03",
        ),
    ]
    format: Literal["json", "csv", "pdf"] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    after: Annotated[int, Meta(ge=0)] = 0


@operations.get(
    "/api/v1/operators/me/statement",
    scope=Scope.CREDITS_READ,
    also=(spreadsheet.MEDIA, MEDIA),
    within=SECONDS,
    example=examples.STATEMENT,
)
async def statement(call: Call[None, StatementQuery]) -> Statement | web.Response | Problem:
    """Get the entries of your operator account in a month.

    JSON has pages of lines; CSV (``format=csv``, or by Accept) has all lines. PDF (``format=pdf``)
    has a line for each node and day, at most 2,000.
    """
    query, kept, who = call.query, call.gateway.tables.operators, call.caller
    first, end = months(query.month)
    opening, closing = await kept.moment(who, first), await kept.moment(who, end)
    if spreadsheet.wants_csv(call, query.format):
        name = f"rendertrust-{query.month}.csv"
        return spreadsheet.attachment(name, written(kept, who, opening, closing))
    if wants_pdf(call, query.format):
        return await _document(call.gateway, who, query.month, opening, closing)
    after = max(opening.version, query.after)
    rows = await kept.lines(who, after, closing.version, query.limit)
    last = rows[-1].version if len(rows) == query.limit else None
    sums = await kept.sums(who, opening.version, closing.version)
    totals = {name: money.render(sums.get(kind, 0)) for kind, name in KINDS.items()}
    return Statement(
        month=query.month,
        operator_id=str(who),
        opening=money.render(opening.balance),
        closing=money.render(closing.balance),
        lines=tuple(line(row) for row in rows),
        next=None if last == closing.version else last,
        checked=money.render(0),
        **totals,
    )


async def _document(
    gateway: Gateway, who: UUID, month: str, opening: AccountVersion, closing: AccountVersion
) -> web.Response | Problem:
    holder = await holder_of(gateway, who)
    if holder is None:
        return TOKEN_REFUSED
    kept = gateway.tables.operators
    lines = await kept.groups(who, opening.version, closing.version, LINES_MOST + 1)
    if len(lines) > LINES_MOST:
        return invalid([Fault("format", "value", TOO_LONG)])
    sold = await credit_price(gateway)
    found = EarningsStatement(holder, month, opening.balance, closing.balance, lines, sold)
    name = f"rendertrust-earnings-{month}.pdf"
    return await gateway.documents.write(name, partial(earnings_document, found))


def months(month: str) -> tuple[datetime, datetime]:
    """Return the beginning of the month and of the next one, UTC."""
    year, number = map(int, month.split("-"))
    first = datetime(year, number, 1, tzinfo=UTC)
    return first, datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def line(row: StatementRow) -> StatementLine:
    """Return the entry as the API shows it."""
    return from_row(StatementLine, row, at=row.created_at, kind=KINDS[row.kind])


async def written(
    kept: Operators, who: UUID, opening: AccountVersion, closing: AccountVersion
) -> AsyncIterator[bytes]:
    """Yield the statement as CSV, read in pieces: a month may have a hundred thousand lines."""
    yield spreadsheet.lines([COLUMNS])
    after = opening.version
    while after < closing.version:
        rows = await kept.lines(who, after, closing.version, LINES_AT_ONCE)
        if not rows:
            return
        yield spreadsheet.lines(cells(row) for row in rows)
        after = rows[-1].version


def cells(row: StatementRow) -> tuple[object, ...]:
    """Return the entry's line in the CSV file."""
    shown = line(row)
    values = [getattr(shown, name) for name in COLUMNS[:-1]]
    values[1] = shown.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    texts = ["" if value is None else value for value in values]
    return (*texts, spreadsheet.harmless(shown.description))
