"""Readiness page: what the farm needs to run without supervision, each with its fix."""

from collections.abc import Sequence
from typing import Annotated, Final

import attrs

from web.console.farm_readiness import FarmReadiness, ReadinessItem
from web.console.registry import SYSTEM, Nav, Pages
from web.console.tables import Column, order_by, table
from web.console.view import OVERSEERS, Shown, View

pages = Pages()
PATH: Final = "/console/readiness"
COLUMNS: Final = (Column("Need", "name"), Column("State", "rank"), Column("What to do"))
RANKS: Final = {"bad": 0, "warn": 1, "good": 2, "off": 3}


@attrs.frozen
class ReadinessQuery:
    sort: Annotated[str, order_by(COLUMNS)] = ""


@attrs.frozen
class ReadinessRow:
    """A need as the table sorts it: the worst ``rank`` is 0."""

    name: str
    rank: int
    item: ReadinessItem


@pages.page(
    "/readiness",
    "Readiness",
    "readiness.html",
    who=OVERSEERS,
    nav=Nav("Readiness", "r", 20, "check", SYSTEM),
    live=("rows",),
    every=10.0,
    rest=1.0,
)
async def readiness(view: View[ReadinessQuery]) -> Shown:
    """Return the needs of the farm, the most urgent first."""
    items = await FarmReadiness(view.gateway).items()
    rows = [ReadinessRow(item.name, RANKS[item.state], item) for item in items]
    ordered = sorted(rows, key=lambda row: row.rank)
    return {"rows": table(ordered, COLUMNS, view.query.sort, "rank"), "open": _open(items)}


def _open(items: Sequence[ReadinessItem]) -> int:
    return sum(item.state in ("bad", "warn") for item in items)
