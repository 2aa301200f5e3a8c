"""Fleet page: every node with its state, its running units, and its recent earnings."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import attrs
from msgspec import Meta

from sql.nodes import SORTED_MOST, ListedNode, NodeActivity, NodeFilter, NodeViews
from sql.operator_accounts import Operators
from web.console.registry import FLEET, Nav, Pages
from web.console.tables import Column, one_of, order_by, sort_of
from web.console.value_markup import size
from web.console.view import Shown, View
from web.nodes.connections import OpenConnection

pages = Pages()
ROWS: Final = 50
USUAL: Final = "-created"
LATELY: Final = timedelta(days=30)  # period of the earnings that are shown
DAY: Final = timedelta(days=1)  # period of the frames and hours that are shown
CORES_MOST: Final = 100_000
MEMORY_MOST: Final = 1 << 60
NAME_MOST: Final = 40  # characters of a name in a node's metadata
TABS: Final = (
    ("All", ""),
    ("Healthy", "HEALTHY"),
    ("Unhealthy", "UNHEALTHY"),
    ("Offline", "OFFLINE"),
    ("Registered", "REGISTERED"),
    ("Stopped", "DRAINING"),
    ("Quarantined", "QUARANTINED"),
    ("Revoked", "REVOKED"),
)
OWN: Final = (
    Column("Node", "name"),
    Column("Status", "status"),
    Column("Load", "load", "number"),
    Column("Running", "work", "figure"),
    Column("Last answer", "pong", "time"),
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
    day: NodeActivity | None = None

    @property
    def picture(self) -> str:
        """The address of the newest picture that the node rendered, or ''; each has its own."""
        if self.day is None or self.day.made_at is None:
            return ""
        made_at = int(self.day.made_at.timestamp() * 1000)
        return f"/console/fleet/{self.node.id}/picture?of={made_at}"

    @property
    def hardware(self) -> str:
        """The node's processors, memory and Blender, as it describes itself."""
        return hardware_of(self.node.metadata)


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
    jobs = {row.job_id for row in rows if row.job_id is not None} if everybody else set[UUID]()
    return {
        "names": await view.gateway.tables.jobs.names(jobs),
        "columns": columns,
        "sort": sort,
        "everybody": everybody,
        "counts": counts,
        "totals": None if totals is None else totals[0],
        "sold": view.gateway.console.prices.of_credits,
        "sockets": sockets.living,
        "tabs": tabs_of(counts, word or ""),
        "tiles": query.show == "tiles",
        "lines": await lines_of(view, rows[:ROWS], tiles=query.show == "tiles"),
        "looked_for": bool(text or word),
        "before": max(0, query.offset - ROWS) if query.offset else None,
        "after": query.offset + ROWS if len(rows) > ROWS else None,
    }


async def lines_of(
    view: View[FleetQuery], rows: Sequence[ListedNode], *, tiles: bool
) -> list[FleetRow]:
    """Return each node with its open connection at this gateway, if any; for tiles also with what
    it did in the last day.
    """
    known, days = view.gateway.connections, dict[UUID, NodeActivity]()
    if tiles:
        views, since = NodeViews(view.gateway.database), view.now - DAY
        days.update(await views.activity([row.id for row in rows], since))
    return [FleetRow(row, known.open_of(row.id), days.get(row.id)) for row in rows]


def hardware_of(metadata: Mapping[str, Any]) -> str:
    """Return a short description of a node's hardware from its own metadata; '' if unknown."""
    cores, ram = metadata.get("cores"), metadata.get("ram")
    gpu, blender = metadata.get("gpu"), metadata.get("blender")
    parts = [
        f"{cores} cores" if type(cores) is int and 0 < cores < CORES_MOST else "",
        size(ram) if type(ram) is int and 0 < ram < MEMORY_MOST else "",
        gpu[:NAME_MOST] if isinstance(gpu, str) else "",
        f"Blender {blender[:NAME_MOST]}" if isinstance(blender, str) else "",
    ]
    return " · ".join(part for part in parts if part)


def tabs_of(counts: Mapping[str, int], here: str) -> Sequence[tuple[str, str, int, bool]]:
    """Return the tabs: label, word, number of nodes, and whether selected. Most tabs without nodes
    are left out.
    """
    return [
        (label, word.lower(), counts[word], word == here)
        for label, word in TABS
        if counts[word] or word == here or word in ("", "HEALTHY", "OFFLINE")
    ]
