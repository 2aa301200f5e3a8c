"""Fleet page: every node with its state, its running units, and its recent earnings."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

import attrs
from msgspec import Meta

from sql.nodes import SORTED_MOST, ListedNode, NodeFilter, NodeViews
from sql.operator_accounts import Operators
from web.console.registry import FLEET, Nav, Pages
from web.console.tables import Column, one_of, order_by, sort_of
from web.console.view import Shown, View
from web.nodes.connections import OpenConnection

pages = Pages()
ROWS: Final = 50
USUAL: Final = "-created"
LATELY: Final = timedelta(days=30)  # period of the earnings that are shown
TABS: Final = (
    ("All", ""),
    ("Healthy", "HEALTHY"),
    ("Unhealthy", "UNHEALTHY"),
    ("Offline", "OFFLINE"),
    ("Registered", "REGISTERED"),
    ("Draining", "DRAINING"),
    ("Quarantined", "QUARANTINED"),
    ("Revoked", "REVOKED"),
)
OWN: Final = (
    Column("Node", "name"),
    Column("Status", "status"),
    Column("Load", "load", "number"),
    Column("Running", "work", "figure"),
    Column("Last pong", "pong", "time"),
    Column("Last seen", "seen", "time"),
    Column("Earned, 30 d", "earned", "number"),
)
ALL: Final = (*OWN[:2], Column("Owner", "owner"), *OWN[2:])


@attrs.frozen
class FleetQuery:
    q: Annotated[str, Meta(max_length=100)] = ""
    is_: Annotated[str, one_of(*(word.lower() for _, word in TABS if word))] = ""
    show: Literal["table", "tiles"] = "table"
    sort: Annotated[str, order_by(ALL)] = USUAL
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@attrs.frozen
class FleetRow:
    """A node of the list, and its socket at this gateway, if it is connected here."""

    node: ListedNode
    socket: OpenConnection | None


@pages.page(
    "/fleet",
    "Fleet",
    "fleet.html",
    nav=Nav("Fleet", "f", 20, "fleet", FLEET),
    live=("figures", "tabs", "rows"),
    topics=("jobs",),
    every=5.0,
    rest=1.0,
)
async def fleet(view: View[FleetQuery]) -> Shown:
    """Return a page of matching nodes, as a table or as cards."""
    query, views, everybody = view.query, NodeViews(view.gateway.database), view.owner is None
    columns = ALL if everybody else OWN
    sort = sort_of(query.sort, columns, USUAL)
    word = next((word for _, word in TABS if word and word == query.is_.upper()), None)
    text = query.q.strip() or None
    sockets = view.gateway.connections
    heard = sockets.by_pong(newest_first=sort.down) if sort.key == "pong" else ()
    search = NodeFilter(text, word, sort.text, heard)
    rows = await views.page(view.owner, search, view.now - LATELY, ROWS + 1, query.offset)
    counts = await views.counts(view.owner, text)
    totals = (
        None if view.owner is None else await Operators(view.gateway.database).totals(view.owner)
    )
    return {
        "columns": columns,
        "sort": sort,
        "everybody": everybody,
        "counts": counts,
        "totals": None if totals is None else totals[0],
        "sockets": sockets.living,
        "tabs": tabs_of(counts, word or ""),
        "tiles": query.show == "tiles",
        "lines": lines_of(view, rows[:ROWS]),
        "looked_for": bool(text or word),
        "gateway_url": view.base or view.gateway.url(),
        "before": max(0, query.offset - ROWS) if query.offset else None,
        "after": query.offset + ROWS if len(rows) > ROWS else None,
    }


def lines_of(view: View[FleetQuery], rows: Sequence[ListedNode]) -> list[FleetRow]:
    """Return each node with its open connection at this gateway, if any."""
    known = view.gateway.connections
    return [FleetRow(row, known.open_of(row.id)) for row in rows]


def tabs_of(counts: Mapping[str, int], here: str) -> Sequence[tuple[str, str, int, bool]]:
    """Return the tabs: label, word, number of nodes, and whether selected. Most tabs without nodes
    are left out.
    """
    return [
        (label, word.lower(), counts[word], word == here)
        for label, word in TABS
        if counts[word] or word == here or word in ("", "HEALTHY", "OFFLINE")
    ]
