"""Credits page: the user's balance and packs of credits, their spending by day and job, statements,
purchases and invoices.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust import money
from rendertrust.credit_packs import enough_of
from sql.page import Page
from sql.purchases import PurchaseRow
from sql.skus import SkuRow
from web.console.credit_packs import packs_of
from web.console.period_chart import links_of
from web.console.registry import MONEY, Nav, Pages
from web.console.spending import Spent, newest
from web.console.tables import Column, SortQuery, Table, order_by, table
from web.console.view import Redirect, Shown, View
from web.http.converter import structure
from web.http.problem import Problem, invalid
from web.identity.roles import UserRole
from web.money.invoice_terms import InvoiceAddress
from web.money.periods import Day, Period, period_of
from web.routes import account_statements, invoices
from web.routes import purchases as purchase_routes

pages = Pages()
ROWS: Final = 50
DAYS_SHOWN: Final = 31
JOBS_SHOWN: Final = 20
NEED_MAX: Final = 10**9  # credits
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
DAYS: Final = (
    Column("Day", "day", "time"),
    Column("Charged", "charged", "number"),
    Column("Refunded", "refunded", "number"),
    Column("Jobs", "jobs", "number"),
)
JOBS: Final = (
    Column("Job", "name"),
    Column("Charged", "charged", "number"),
    Column("Refunded", "refunded", "number"),
    Column("Last charge", "last_at", "time"),
)
STATEMENT: Final = "/api/credits/statement"
INVOICE: Final = "/api/credits/purchases/{purchase_id}/invoice"
CREDIT_NOTE: Final = "/api/credits/purchases/{purchase_id}/credit-notes/{number}"
pages.call("/api/credits/checkout", purchase_routes.operations, purchase_routes.checkout)
pages.call(STATEMENT, account_statements.operations, account_statements.statement)
pages.call(INVOICE, invoices.operations, invoices.invoice)
pages.call(CREDIT_NOTE, invoices.operations, invoices.credit_note)


@attrs.frozen
class CreditsQuery(SortQuery):
    """``from`` and ``to``: the period of the spending, by default the last thirty days.

    ``need``: the credits that a job lacks; ``back``: its page, where the buyer returns.
    """

    need: Annotated[int, Meta(ge=0, le=NEED_MAX)] = 0
    back: Annotated[str, Meta(max_length=2000)] = ""
    sort: Annotated[str, order_by(holds=HOLDS, bought=PURCHASES, days=DAYS, jobs=JOBS)] = ""
    from_: Day = ""
    to: Day = ""


@attrs.frozen
class InvoiceAddressForm:
    """Form of the buyer's name and address on invoices."""

    invoice_to: Annotated[str, Meta(max_length=1000)] = ""


@attrs.frozen
class CheckedAddress:
    """The address with its limits."""

    invoice_to: InvoiceAddress


@pages.page(
    "/credits",
    "Credits",
    "credits.html",
    who=frozenset({UserRole.USER, UserRole.OPERATOR, UserRole.ADMIN}),
    nav=Nav("Credits", "c", 30, "coin", MONEY),
    live=("figures", "spending", "holds", "bought"),
    own=True,
    topics=("jobs",),
    every=5.0,
    rest=1.0,
    form_on="/credits",
)
async def credits_(view: View[CreditsQuery]) -> Shown | Problem:
    """Return the user's own credits, whatever their role."""
    gateway, user, query = view.gateway, view.who.user, view.query
    today = view.now.date()
    period = period_of(query.from_, query.to, today)
    if isinstance(period, Problem):
        return period
    account = await gateway.tables.users.by_id(user)
    purchases = await gateway.tables.purchases.page(user, ROWS)
    notes = await gateway.tables.invoices.credit_notes([each.id for each in purchases])
    skus = await gateway.tables.skus.all(withdrawn=True)
    sold = [sku for sku in skus if sku.on_sale]
    return {
        "balance": await gateway.tables.credits.balance(user),
        "holds": held(view, await gateway.tables.credits.holds(user, Page(ROWS))),
        "purchases": bought(view, purchases),
        "credit_notes": [(each.purchase_id, invoices.note_shown(each)) for each in notes],
        "packs": packs_of(sold),
        "enough": enough_of(sold, query.need * money.UNITS_PER_CREDIT),
        "titles": titles_of(skus, purchases),
        "invoices": bool(gateway.settings.invoices.seller_lines()),
        "invoice_to": "" if account is None else account.invoice_to,
        "period": period,
        "periods": links_of(today, period),
        **await spent(view, period),
    }


@pages.action("/credits/invoice-to", form_on="/credits")
async def address_invoices(view: View[InvoiceAddressForm]) -> Redirect | Problem:
    """Set the buyer's name and address on invoices that are issued from now on."""
    lines = "\n".join(line.strip() for line in view.query.invoice_to.strip().splitlines())
    checked = structure({"invoice_to": lines}, CheckedAddress)
    if isinstance(checked, list):
        return invalid(checked)
    await view.gateway.tables.users.set_invoice_to(view.who.user, lines)
    return Redirect("/console/credits#bought", "Your next invoices have this name and address.")


async def spent(view: View[CreditsQuery], period: Period) -> Shown:
    """Return the spending of a period by day and by job."""
    kept, user, sort = view.gateway.tables.spending, view.who.user, view.query.sort
    days = await kept.days(user, period.first, period.last)
    found = Spent(days, await kept.jobs(user, period.first, period.last, JOBS_SHOWN))
    return {
        "spent": found,
        "by_day": table(newest(days, DAYS_SHOWN), DAYS, sort, "-day", "days"),
        "by_job": table(found.jobs, JOBS, sort, "-charged", "jobs"),
        "is_every_day": len(newest(days, period.days)) <= DAYS_SHOWN,
    }


def held(view: View[Any], rows: Sequence[Any]) -> Table:
    """Return the holds, sorted as the page's ``sort`` says."""
    return table(rows, HOLDS, view.query.sort, "-created_at", "holds")


def titles_of(skus: Sequence[SkuRow], purchases: Sequence[PurchaseRow]) -> Mapping[UUID, str]:
    """Return the titles of the purchased packages, by purchase."""
    named = {sku.name: sku for sku in skus}
    return {each.id: named[each.sku].title_of(each.units) for each in purchases}


def bought(view: View[Any], rows: Sequence[Any]) -> Table:
    """Return the purchases, sorted as the page's ``sort`` says."""
    return table(rows, PURCHASES, view.query.sort, "-created_at", "bought")
