"""Packages page: the packages of credits on sale, which admins add, change and withdraw."""

from typing import Annotated, Final

import attrs
from msgspec import Meta

from rendertrust import money
from sql.skus import SkuRow
from web.console.registry import MONEY, Nav, Pages
from web.console.tables import Column, order_by, table
from web.console.view import ACCOUNT_GONE, ADMINS, OVERSEERS, Redirect, Shown, View
from web.http.problem import Problem
from web.identity.acting_user import ActingUser
from web.routes.purchases import SkuName
from web.routes.skus import Terms, details_of, row_of, target_of

pages = Pages()
PATH: Final = "/console/packages"
COLUMNS: Final = (
    Column("Package", "name"),
    Column("Title", "title"),
    Column("Credits", "units", "number"),
    Column("Price", "amount", "number"),
    Column("State", "on_sale"),
    Column("Changed", "changed_at", "time"),
)


@attrs.frozen
class PackagesQuery:
    """``package``: the name of the package whose terms the form shows."""

    sort: Annotated[str, order_by(COLUMNS)] = ""
    package: Annotated[str, Meta(max_length=50)] = ""


@attrs.frozen(kw_only=True)
class PackageForm(Terms):
    """Form with the terms of a package. ``state``: ``withdrawn`` takes the package off sale."""

    name: SkuName
    state: Annotated[
        str, Meta(pattern="^(on_sale|withdrawn)$", description="on_sale or withdrawn")
    ] = "on_sale"


@pages.page(
    "/packages",
    "Packages",
    "packages.html",
    who=OVERSEERS,
    nav=Nav("Packages", "k", 51, "coin", MONEY),
)
async def packages(view: View[PackagesQuery]) -> Shown:
    """Return all packages, withdrawn ones too."""
    rows = await view.gateway.tables.skus.all(withdrawn=True)
    chosen = next((row for row in rows if row.name == view.query.package), None)
    return {
        "rows": table(rows, COLUMNS, view.query.sort, "amount"),
        "chosen": None if chosen is None else _terms_of(chosen),
        "sells": bool(view.gateway.settings.stripe.secret_key),
    }


@pages.action("/packages/put", who=ADMINS, form_on="/packages")
async def put(view: View[PackageForm]) -> Redirect | Problem:
    """Add a package, or change its terms for new purchases."""
    form = view.query
    terms = attrs.evolve(form, on_sale=form.state == "on_sale")
    row = row_of(form.name, terms, view.now)
    doer = ActingUser(view.gateway, view.who.user, view.request_id)
    act = await doer.act("sku.put", target_of(row.name), form.reason, details_of(row))
    if act is None:
        return ACCOUNT_GONE
    await view.gateway.tables.skus.put(row, act)
    words = "on sale" if row.on_sale else "withdrawn: it can no longer be bought"
    return Redirect(PATH, f"The package {row.name} is {words}.")


def _terms_of(row: SkuRow) -> dict[str, str]:
    """Return the terms of a package as the form shows them."""
    return {
        "name": row.name,
        "title": row.title,
        "credits": money.plain(row.units),
        "amount": str(row.amount),
        "currency": row.currency,
        "state": "on_sale" if row.on_sale else "withdrawn",
    }
