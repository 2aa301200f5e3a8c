"""Earnings page: what an operator's nodes earned by day and by node, when it becomes payable, and
which results were not paid.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Final
from uuid import UUID

import attrs

from sql.earning_figures import ComingEarnings, EarningSum, EarningSums, UnpaidResult
from sql.nodes import REVOKED, NodeShown
from sql.page import Page
from sql.reputation_rules import Record
from web.console.pages.fleet import hardware_of
from web.console.pages.job_actions import FramePath
from web.console.pages.node import levels_of
from web.console.period_chart import DayBars, links_of
from web.console.registry import MONEY, Nav, Pages
from web.console.tables import Column, SortQuery, order_by, table
from web.console.view import ExternalRedirect, Shown, View
from web.http.problem import Problem
from web.identity.roles import UserRole
from web.jobs.job_view import URL_SECONDS
from web.money.payout_accounts import has_usable_account
from web.money.periods import DAY, Day, Period, months_until, period_of
from web.money.unpaid_reason import has_comparison, why_no_comparison, why_unpaid
from web.nodes.reputation_level import ReputationLevel
from web.routes import statements
from web.routes.operators import NO_COMPARISON, sheet_of

pages = Pages()
NODES_SHOWN: Final = 50
DAYS_SHOWN: Final = 31
COMING_SHOWN: Final = 14
PAYOUTS_SHOWN: Final = 5
UNPAID_SHOWN: Final = 50
STATEMENT: Final = "/api/operators/me/statement"
DAYS: Final = (
    Column("Day", "day", "time"),
    Column("Earned", "earned", "number"),
    Column("At work", "seconds", "number"),
    Column("Frames", "frames", "number"),
)
NODES: Final = (
    Column("Node", "name"),
    Column("Earned", "earned", "number"),
    Column("At work", "seconds", "number"),
    Column("Per hour", "per_hour", "number"),
    Column("Frames a day", "frames_a_day", "number"),
    Column("Level"),
)
DEVICES: Final = (
    Column("Device", "device_class"),
    Column("Speed", "speed", "number"),
    Column("Units", "units", "number"),
    Column("Earned", "earned", "number"),
    Column("At work", "seconds", "number"),
    Column("Per hour", "per_hour", "number"),
)
UNPAID: Final = (
    Column("Work", "job_id"),
    Column("Node", "node"),
    Column("Not paid", "amount", "number"),
    Column("Why", "why"),
    Column("When", "at", "time"),
)
pages.call(STATEMENT, statements.operations, statements.statement)


@attrs.frozen
class EarningsQuery(SortQuery):
    """``from`` and ``to``: the period, by default the last thirty days."""

    sort: Annotated[str, order_by(days=DAYS, nodes=NODES, devices=DEVICES, unpaid=UNPAID)] = ""
    from_: Day = ""
    to: Day = ""


@attrs.frozen
class EarningNode:
    """A row of the table of nodes. ``node``: None if it is no longer the operator's.

    ``levels``: its reputation by device class; a level is None if nothing is verified.
    """

    sum: EarningSum
    node: NodeShown | None
    levels: Sequence[tuple[Record, ReputationLevel | None]]
    frames_a_day: float

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name if self.node is not None else self.sum.node or ""

    @property
    def earned(self) -> int:
        """Its earnings in the period."""
        return self.sum.earned

    @property
    def seconds(self) -> float:
        """The time for which it was at work in the period."""
        return self.sum.seconds

    @property
    def per_hour(self) -> int | None:
        """Its earnings for each hour at work."""
        return self.sum.per_hour

    @property
    def hardware(self) -> str:
        """Its hardware, as it describes itself."""
        return "" if self.node is None else hardware_of(self.node.metadata)


@attrs.frozen
class UnpaidLine:
    """A row of the table of results that were not paid."""

    result: UnpaidResult

    @property
    def why(self) -> str:
        """The reason in sentences; also why there is no comparison picture."""
        return f"{why_unpaid(self.result)} {why_no_comparison(self.result)}".strip()

    @property
    def comparison(self) -> str:
        """The address of the comparison picture that a verifier drew; empty without one."""
        result = self.result
        where = (
            f"/console/earnings/{result.job_id}/comparison?unit={result.unit}&of={result.attempt}"
        )
        return where if has_comparison(result) else ""

    @property
    def job_id(self) -> UUID:
        """The job."""
        return self.result.job_id

    @property
    def node(self) -> str:
        """The name of the node."""
        return self.result.node

    @property
    def amount(self) -> int:
        """The earnings that the result did not bring."""
        return self.result.amount

    @property
    def at(self) -> object:
        """When it was decided, or earned."""
        return self.result.at


@pages.page(
    "/earnings",
    "Earnings",
    "earnings.html",
    who=frozenset({UserRole.USER, UserRole.OPERATOR, UserRole.ADMIN}),
    nav=Nav("Earnings", "i", 35, "coin", MONEY, of_own_nodes=True),
    live=("figures", "earned", "days", "devices", "coming", "payouts", "unpaid"),
    own=True,
    topics=("jobs",),
    every=15.0,
    rest=5.0,
    form_on="/earnings",
)
async def earnings(view: View[EarningsQuery]) -> Shown | Problem:
    """Return the user's own earnings, whatever their role."""
    gateway, user, today = view.gateway, view.who.user, view.now.date()
    period = period_of(view.query.from_, view.query.to, today)
    if isinstance(period, Problem):
        return period
    operators, figures = gateway.tables.operators, gateway.tables.earning_figures
    sums = await figures.sums(user, period.first, period.last)
    totals, _ = await operators.totals(user)
    coming = await figures.coming(user)
    devices = await figures.devices(user, period.first, period.last)
    payouts = await operators.payouts(user, None, Page(PAYOUTS_SHOWN)) or ()
    return {
        "totals": totals,
        "sums": sums,
        "chart": chart_of(sums.days, period),
        "period": period,
        "periods": links_of(today, period),
        "months": months_until(today),
        "coming": coming[:COMING_SHOWN],
        "by_device": table(devices, DEVICES, view.query.sort, "-earned", "devices"),
        "next_payable": next_payable(coming),
        "today": today,
        "payouts": payouts[:PAYOUTS_SHOWN],
        "lacks_account": any(each.state == "REQUESTED" for each in payouts)
        and not await has_usable_account(gateway, user),
        "sold": gateway.console.prices.of_credits,
        "last_paid": next((each for each in payouts if each.state == "PAID"), None),
        "share_percent": gateway.settings.earnings.share_percent,
        "dispute_hours": gateway.settings.earnings.dispute_hours,
        **await by_day_and_node(view, sums, period),
        **await unpaid_of(view, period),
    }


@pages.page("/earnings/{job}/comparison", "Picture", "", absent=NO_COMPARISON)
async def comparison(view: View[FramePath]) -> ExternalRedirect | Problem:
    """Redirect to the comparison sheet of a result of the user's nodes that was not paid."""
    query, gateway = view.query, view.gateway
    found = await sheet_of(gateway, view.who.user, view.ids["job"], query.unit, query.of)
    if found is None:
        return NO_COMPARISON
    address = await gateway.ports.objects.presign_get(found.key, within=URL_SECONDS, base=view.base)
    return ExternalRedirect(address)


async def by_day_and_node(view: View[EarningsQuery], sums: EarningSums, period: Period) -> Shown:
    """Return the tables of days and of nodes; also nodes that earned nothing."""
    nodes, sort, user = view.gateway.tables.nodes, view.query.sort, view.who.user
    owned = await nodes.page(user, Page(NODES_SHOWN))
    known = {node.id: node for node in owned}
    every = [*sums.nodes, *idle(owned, sums.nodes)]
    found = every[:NODES_SHOWN]
    records = dict[UUID, list[Record]]()
    for record in await nodes.records([each.node_id for each in found if each.node_id]):
        records.setdefault(record.node, []).append(record)
    lines = list[EarningNode]()
    for each in found:
        node = None if each.node_id is None else known.get(each.node_id)
        levels = [] if each.node_id is None else levels_of(view, records.get(each.node_id, []))
        begin = period.first if node is None else max(period.first, node.created_at.date())
        days = days_between(begin, min(period.last, view.now.date()))
        lines.append(EarningNode(each, node, levels, each.frames / days))
    newest = [day for day in sums.days if day.earned or day.lost or day.seconds][::-1]
    return {
        "by_day": table(newest[:DAYS_SHOWN], DAYS, sort, "-day", "days"),
        "is_every_day": len(newest) <= DAYS_SHOWN,
        "by_node": table(lines, NODES, sort, "-earned", "nodes"),
        "is_every_node": len(found) == len(every),
        "has_nodes": bool(found),
    }


async def unpaid_of(view: View[EarningsQuery], period: Period) -> Shown:
    """Return the table of results that were not paid, with the reasons."""
    figures, user = view.gateway.tables.earning_figures, view.who.user
    share = view.gateway.settings.earnings.share_percent
    rows = await figures.unpaid(user, period.first, period.last, UNPAID_SHOWN + 1, share)
    lines = [UnpaidLine(row) for row in rows[:UNPAID_SHOWN]]
    return {
        "unpaid": table(lines, UNPAID, view.query.sort, "-at", "unpaid"),
        "is_all_unpaid": len(rows) <= UNPAID_SHOWN,
    }


def idle(owned: Sequence[NodeShown], known: Sequence[EarningSum]) -> Sequence[EarningSum]:
    """Return empty sums for the nodes that neither earned nor worked, except revoked ones."""
    busy = {each.node_id for each in known}
    return [
        EarningSum(node_id=node.id, node=node.name)
        for node in owned
        if node.id not in busy and node.standing.name != REVOKED
    ]


def chart_of(days: Sequence[EarningSum], period: Period) -> DayBars:
    """Return the earnings of each day of the period."""
    earned: Mapping[date | None, int] = {each.day: each.earned for each in days}
    dates = [period.first + timedelta(number) for number in range(period.days)]
    return DayBars("earned", [(day, earned.get(day, 0)) for day in dates])


def days_between(first: date, last: date) -> int:
    """Return the number of days from the first to the last, at least 1."""
    return max((last - first) // DAY + 1, 1)


def next_payable(rows: Sequence[ComingEarnings]) -> date | None:
    """Return the first day on which undisputed earnings become payable; None without any."""
    return next((row.day for row in rows if not row.disputed), None)
