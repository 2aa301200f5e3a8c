"""Ledger page: audit results, the state of the log, entries and anchors."""

from typing import Annotated, Final, Literal

import attrs
from msgspec import Meta

from actors.night_auditor.messages import NightAuditor, RunWhole
from sql.credits import KINDS, NEWEST, SORTED_MOST, EntryFilter, LedgerViews
from sql.overview import Overview
from web.console.ledger_health import soundness_of
from web.console.registry import MONEY, Nav, Pages
from web.console.tables import SORTED_MOST as ANCHORS_MOST
from web.console.tables import Column, Table, one_of, order_by, page_of, sort_of, table
from web.console.view import ADMINS, OVERSEERS, Redirect, Shown, View
from web.http.problem import Problem, unavailable
from web.routes.anchors import listed

pages = Pages()
ROWS: Final = 50
PATH: Final = "/console/ledger"
INVARIANTS: Final = (
    Column("Invariant", "says"),
    Column("State", "state"),
    Column("Last check", "at", "time"),
)
OWN: Final = (
    Column("Entry", "entry_id", "time"),
    Column("Kind", "kind"),
    Column("Amount", "amount", "number"),
    Column("Balance", "after", "number"),
    Column("About"),
    Column("Proof"),
    Column("When", "created_at", "time"),
)
ALL: Final = (*OWN[:2], Column("Account", "account"), *OWN[2:])
ANCHORS: Final = (
    Column("Leaves", "size", "figure"),
    Column("State", "state"),
    Column("Root"),
    Column("Transaction"),
    Column("Block", "block_number", "number"),
    Column("Chain", "chain_id", "number"),
    Column("Sent", "created_at", "time"),
    Column("Confirmed", "confirmed_at", "time"),
)
KIND_WORDS: Final = {
    "STRIPE": "bought",
    "USAGE": "charged",
    "ADJUSTMENT": "adjusted",
    "DEDUCTION": "deducted",
    "REFUND": "refunded",
    "EARNING": "earned",
    "CLAIM": "claimed",
    "REVERSAL": "reversed",
    "FINE": "forfeited",
    "PAYOUT": "paid out",
}
NO_AUDITOR: Final = unavailable("The auditor is not running; try again")


@attrs.frozen
class LedgerQuery:
    """Query of the page.

    ``before``: the number of the previous page's last entry, if sorted newest first.
    """

    show: Literal["entries", "anchors"] = "entries"
    kind: Annotated[str, one_of(*KINDS)] = ""
    account: Annotated[str, Meta(max_length=100)] = ""
    reference: Annotated[str, Meta(max_length=100)] = ""
    before: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    sort: Annotated[str, order_by((*ALL, *ANCHORS), sound=INVARIANTS)] = ""
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@pages.page(
    "/ledger",
    "Ledger",
    "ledger.html",
    nav=Nav("Ledger", "l", 40, "ledger", MONEY),
    live=("sound", "checked", "log", "note", "tabs", "rows"),
    topics=("jobs",),
    every=5.0,
    rest=1.0,
)
async def ledger(view: View[LedgerQuery]) -> Shown:
    """Return the audit results, the log, and a page of entries or anchors."""
    gateway, query = view.gateway, view.query
    standing, signed = await Overview(gateway.database).log(), await gateway.tables.proofs.newest()
    anchored = await gateway.tables.anchors.count(None)
    more = await (_anchors(view) if query.show == "anchors" else _entries(view))
    sound = await soundness_of(gateway)
    return {
        "sound": sound,
        "invariants": table(sound.lines, INVARIANTS, query.sort, "", "sound"),
        "log": standing,
        "signed": signed,
        "anchoring": bool(gateway.settings.chain.url),
        "anchored": anchored,
        "show": query.show,
        "everybody": view.who.role in OVERSEERS,
        "kinds": KINDS,
        "words": KIND_WORDS,
        "query": query,
        "filtered": bool(query.kind or query.account or query.reference),
        **more,
    }


@pages.action("/ledger/check", who=ADMINS)
async def check(view: View) -> Redirect | Problem:
    """Start an audit of everything now instead of at night."""
    try:
        view.gateway.registry.ref(NightAuditor).tell(RunWhole())
    except LookupError:
        return NO_AUDITOR
    return Redirect(PATH, "A complete audit has started. The result appears here when it is done.")


async def _entries(view: View[LedgerQuery]) -> Shown:
    query = view.query
    kind, offset = query.kind if query.kind in KINDS else None, query.offset
    columns = ALL if view.who.role in OVERSEERS else OWN
    sort = sort_of(query.sort, columns, NEWEST)
    wish = EntryFilter(
        kind, query.account.strip(), query.reference.strip(), query.before, sort.text
    )
    found = await LedgerViews(view.gateway.database).page(view.owner, wish, ROWS + 1, offset)
    rows, is_more = found[:ROWS], len(found) > ROWS
    if sort.text != NEWEST:
        after = offset + ROWS if is_more else None
        before = max(0, offset - ROWS) if offset else None
        return {"rows": Table(columns, sort, rows, before=before, after=after), "older": None}
    return {"rows": Table(columns, sort, rows), "older": rows[-1].entry_id if is_more else None}


async def _anchors(view: View[LedgerQuery]) -> Shown:
    query = view.query
    found = [listed(row) for row in await view.gateway.tables.anchors.page(None, ANCHORS_MOST, 0)]
    whole = table(found, ANCHORS, query.sort, "-created_at")
    return {"rows": page_of(whole, query.offset, ROWS), "older": None}
