"""Credits page: the user's balance, holds and purchases, and buying more."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import attrs

from sql.page import Page
from web.console.registry import MONEY, Nav, Pages
from web.console.tables import Column, SortQuery, Table, order_by, table
from web.console.view import Shown, View
from web.identity.roles import UserRole
from web.routes import purchases

pages = Pages()
ROWS: Final = 50
HOLDS: Final = (
    Column("For", "reference"),
    Column("Amount", "amount", "number"),
    Column("Since", "created_at", "time"),
)
PURCHASES: Final = (
    Column("What", "sku"),
    Column("Credits", "units", "number"),
    Column("Price", "amount", "number"),
    Column("State", "state"),
    Column("When", "created_at", "time"),
)
SKUS: Final = (
    Column("What", "title"),
    Column("Credits", "units", "number"),
    Column("Price", "amount", "number"),
    Column("Buy"),
)
pages.call("/api/credits/checkout", purchases.operations, purchases.checkout)


@attrs.frozen
class CreditsQuery(SortQuery):
    sort: Annotated[str, order_by(holds=HOLDS, bought=PURCHASES, skus=SKUS)] = ""


@pages.page(
    "/credits",
    "Credits",
    "credits.html",
    who=frozenset({UserRole.USER, UserRole.OPERATOR, UserRole.ADMIN}),
    nav=Nav("Credits", "c", 30, "coin", MONEY),
    live=("figures", "holds", "bought"),
    own=True,
    topics=("jobs",),
    every=5.0,
)
async def credits_(view: View[CreditsQuery]) -> Shown:
    """Return the user's own credits, whatever their role."""
    gateway, user = view.gateway, view.who.user
    return {
        "balance": await gateway.tables.credits.balance(user),
        "holds": held(view, await gateway.tables.credits.holds(user, Page(ROWS))),
        "purchases": bought(view, await gateway.tables.purchases.page(user, ROWS)),
        "skus": table(await gateway.tables.skus.all(), SKUS, view.query.sort, "amount", "skus"),
    }


def held(view: View[Any], rows: Sequence[Any]) -> Table:
    """Return the holds, sorted as the page's ``sort`` says."""
    return table(rows, HOLDS, view.query.sort, "-created_at", "holds")


def bought(view: View[Any], rows: Sequence[Any]) -> Table:
    """Return the purchases, sorted as the page's ``sort`` says."""
    return table(rows, PURCHASES, view.query.sort, "-created_at", "bought")
