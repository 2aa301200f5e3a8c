"""``rendertrust earnings``: earnings of a user's nodes, statements and payouts."""

import csv
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast
from uuid import UUID, uuid4

import click

from rendertrust.cli import path_checks, value_text
from rendertrust.cli.account import with_factor
from rendertrust.cli.command import Group, paged
from rendertrust.cli.credits import DAY, told_of
from rendertrust.cli.id_prefix import NODE, UNPAID_JOB
from rendertrust.cli.money_worth import MoneyWorth
from rendertrust.cli.node_names import own_names
from rendertrust.cli.output import Printer
from rendertrust.cli.payout_account import account
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.money import shortened

if TYPE_CHECKING:
    from rendertrust.client import (
        AsyncClient,
        Earnings,
        EarningSum,
        EarningTotals,
        Payout,
        PayoutRules,
        Share,
        StatementLine,
        UnpaidResult,
    )
    from rendertrust.client.arguments import PayoutSchedule, PayoutTo

NO_NAMES: Final[Mapping[str, str]] = {}
STATES: Final = ("pending", "payable", "paid", "reversed", "forfeited")
# Columns of the table; --json prints every field.
COLUMNS: Final = ("EARNED", "AMOUNT", "WORTH", "STATE", "PAYABLE", "ENTRY", "JOB")
ALL_COLUMNS: Final = (
    *("EARNED", "AMOUNT", "WORTH", "STATE", "PAYABLE", "JOB"),
    *("UNIT", "NODE", "PAYOUT", "RECEIPT", "WORK", "ENTRY", "WHY"),
)
SCHEDULES: Final = {"hand": "by_hand", "week": "weekly", "month": "monthly"}
PAYOUT_COLUMNS: Final = ("ID", "REQUESTED", "TO", "AMOUNT", "WORTH", "UNITS", "STATE", "REFERENCE")
NO_EARNINGS: Final = (
    "No earnings yet. They begin with the first frame that your nodes render for another user.\n"
    "Add a machine: rendertrust node join"
)
SUM_COLUMNS: Final = ("EARNED", "WORTH", "LOST", "UNITS", "FRAMES", "WORKED", "PER HOUR")
NO_SUMS: Final = "No earnings and no work in this period. Choose another one with --from and --to."
ONLY_SUMS: Final = (
    "--by, --unpaid, --node, --from and --to belong to `rendertrust earnings` without a subcommand"
)
NOT_BOTH: Final = "--by and --unpaid exclude each other, and --node belongs to --unpaid"
UNPAID_MOST: Final = 200
NO_ACCOUNT: Final = (
    "The payout waits until you have set the account to which money is sent, and its 72 hours are"
    " over: rendertrust earnings account set"
)
NO_DEVICES: Final = "No checked results in this period. Choose another one with --from and --to."
SPEEDS: Final = (
    "Checked results alone. A speed of 2 does twice the work of the machine that measures prices."
)
UNPAID_COLUMNS: Final = ("WHEN", "NODE", "JOB", "UNIT", "NOT PAID", "WORTH", "PICTURE", "WHY")
NO_UNPAID: Final = "Every result in this period was paid. Choose another one with --from and --to."
LINE_COLUMNS: Final = ("AT", "KIND", "AMOUNT", "BALANCE", "JOB", "UNIT", "NODE", "PAYOUT")


@click.group(cls=Group, invoke_without_command=True)
@click.option("--by", type=click.Choice(("day", "node", "device")), help="Show sums by these.")
@click.option("--unpaid", is_flag=True, help="Show results that were not paid, and why.")
@click.option("--node", type=NODE, help="With --unpaid: only this node's, by its name or id.")
@click.option("--from", "first", type=DAY, metavar="DAY", help="First day (UTC), like 2026-03-01.")
@click.option("--to", "last", type=DAY, metavar="DAY", help="Last day (UTC; default: today).")
@click.pass_context
def earnings(
    context: click.Context,
    by: Literal["day", "node", "device"] | None,
    first: datetime | None,
    last: datetime | None,
    *,
    unpaid: bool,
    node: UUID | None,
) -> None:
    """Show earnings, statements and payouts of your nodes.

    Without a subcommand: the newest earnings; with --by: sums, and with --unpaid: results that were
    not paid, by default of the last thirty days.
    """
    if context.invoked_subcommand is not None:
        if by or first or last or unpaid or node:
            raise click.UsageError(ONLY_SUMS)
        return
    if (by and unpaid) or (node and not unpaid):
        raise click.UsageError(NOT_BOTH)
    if unpaid:
        context.invoke(_unpaid, node=node, first=first, last=last)
    elif by or first or last:
        context.invoke(_sums, by=by or "day", first=first, last=last)
    else:
        context.invoke(list_)


@pass_session
def _sums(
    session: CliSession,
    by: Literal["day", "node", "device"],
    first: datetime | None,
    last: datetime | None,
) -> None:
    """Show what the nodes earned in a period, by day, by node or by device."""
    begin, end = first and first.date(), last and last.date()
    found = session.fetch(lambda client: client.earning_sums(by, first=begin, last=end))
    if not found.sums:
        session.output.note(NO_DEVICES if by == "device" else NO_SUMS)
        return
    worth = MoneyWorth.ask(session)
    if by == "device":
        speeds = ((each, "-" if each.speed is None else f"{each.speed:.1f}") for each in found.sums)
        rows = [
            (value_text.harmless(of.device_class or ""), how, *_sum(of, worth))
            for of, how in speeds
        ]
        session.output.table(("DEVICE", "SPEED", *SUM_COLUMNS), rows)
        session.output.note(SPEEDS)
    else:
        rows = [(each.day or _node(each), *_sum(each, worth)) for each in found.sums]
        session.output.table((by.upper(), *SUM_COLUMNS), rows)
    if by == "node" and found.nodes > len(rows):
        session.output.note(f"These earned most of {found.nodes} nodes.")
    named = zip(SUM_COLUMNS, _sum(found.total, worth), strict=True)
    total = ", ".join(f"{name.lower()} {value}" for name, value in named)
    session.output.note(f"Total from {found.first} to {found.last}: {total}.")


@pass_session
def _unpaid(
    session: CliSession, node: UUID | None, first: datetime | None, last: datetime | None
) -> None:
    """Show results of a period that were not paid, and why."""
    begin, end = first and first.date(), last and last.date()
    found = session.fetch(
        lambda client: client.unpaid_results(first=begin, last=end, node_id=node, limit=UNPAID_MOST)
    )
    people = session.output.terminal
    worth = MoneyWorth.ask(session)
    rows = [_unpaid_row(each, worth, people=people) for each in found.results]
    if not session.output.listed(UNPAID_COLUMNS, rows, offset=0, count=len(rows), none=NO_UNPAID):
        return
    if found.has_more:
        session.output.note("There are more: choose fewer days with --from and --to.")
    if any(map(_has_picture, found.results)):
        session.output.note("Save a picture: rendertrust earnings comparison JOB --unit UNIT")


@earnings.command()
@click.argument("job", type=UNPAID_JOB)
@click.option("--unit", type=click.IntRange(0), default=0, show_default=True, help="Which unit.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to save.")
@pass_session
def comparison(session: CliSession, job: UUID, unit: int, out: Path | None) -> None:
    """Save the side-by-side picture of a result of your node that was not paid.

    It is the one that a creator sent with a dispute; without one, that of the verifier which found
    the result invalid. JOB is from `earnings --unpaid`.
    """
    from rendertrust.client import NotFound

    at = path_checks.placed(out or Path(f"rendertrust-{value_text.short(str(job))}-{unit}.png"))

    async def saved(client: "AsyncClient") -> Path:
        try:
            return await client.download_comparison(job, at, unit=unit)
        except NotFound:
            return await client.download_check_picture(job, at, unit=unit)

    told_of(session, session.run(saved))


@earnings.command("list")
@click.option("--state", type=click.Choice(STATES), help="Show only earnings in this state.")
@paged
@pass_session
def list_(session: CliSession, state: str | None, limit: int, offset: int) -> None:
    """List the earnings of your nodes, unit by unit, newest first."""
    names: Mapping[str, str] = {}

    async def fetched(client: "AsyncClient") -> "Earnings":
        nonlocal names
        page = await client.earnings(state, limit=limit, offset=offset)
        names = await own_names(client) if page.earnings and has_nodes(session.output) else {}
        return page

    found = session.fetch(fetched)
    if not found.earnings:
        session.output.note(NO_EARNINGS if state is None else f"No earnings are {state}.")
        return
    worth = MoneyWorth.ask(session)
    _table(session, found, names, worth)
    session.output.more(offset + len(found.earnings), found.count)
    session.output.note(_totals(found.totals, worth))


@earnings.command()
@click.argument("month", type=click.DateTime(["%Y-%m"]), metavar="MONTH")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
@click.option("--pdf", type=click.Path(dir_okay=False, path_type=Path), help="Save a PDF.")
@pass_session
def statement(session: CliSession, month: datetime, *, as_csv: bool, pdf: Path | None) -> None:
    """Show your operator account in a MONTH (like 2026-03, UTC)."""
    if pdf is not None:
        at = path_checks.placed(pdf)
        told_of(session, session.run(lambda c: c.statement_document(f"{month:%Y-%m}", at)))
        return
    found = session.fetch(lambda client: client.statement(f"{month:%Y-%m}"))
    if as_csv and not session.output.json:
        lines = [_line(line) for line in found.lines]
        csv.writer(sys.stdout).writerows([[c.lower() for c in LINE_COLUMNS], *lines])
        return
    names = ("opening", "earned", "checked", "claimed", "reversed", "fined", "paid", "closing")
    worth = MoneyWorth.ask(session)
    session.output.facts({name: worth.beside(getattr(found, name)) for name in names})
    of_id = value_text.short if session.output.terminal else str
    is_listed = bool(found.lines) and not session.output.json
    nodes = session.run(own_names) if is_listed else NO_NAMES
    rows = [_line(line, shortened, of_id, nodes) for line in found.lines]
    if rows:
        session.output.table(LINE_COLUMNS, rows)


@earnings.command()
@click.option(
    "--to",
    type=click.Choice(("credits", "money")),
    default="credits",
    show_default=True,
    help="Credits are booked at once; money is sent after an admin approves the payout.",
)
@pass_session
def payout(session: CliSession, to: "PayoutTo") -> None:
    """Pay out your payable earnings, at most the 5,000 oldest; repeat the command for more."""
    worth = MoneyWorth.ask(session)  # before the payout, so that it cannot fail after it
    key = str(uuid4())  # the same payout, also after the second factor was asked for
    made = session.fetch(
        lambda client: with_factor(client, lambda: client.pay_out(to, idempotency_key=key))
    )
    amount = worth.counted(made.amount)
    if made.to == "credits":
        session.output.say(f"Added {amount} to your balance, for {_units(made.units)}.")
    else:
        session.output.say(f"Requested {amount} as money, for {_units(made.units)}.")
        session.output.note("Follow the payout: rendertrust earnings payouts")
        waits = session.run(_account_wait)
        if waits:
            session.output.note(waits)


@earnings.command()
@click.option("--every", type=click.Choice(tuple(SCHEDULES)), help="By hand: only when you ask.")
@click.option(
    "--to", type=click.Choice(("credits", "money")), help="Pay out as credits or as money."
)
@click.option("--minimum", metavar="CREDITS", help="The least amount of a payout, like 25.")
@pass_session
def schedule(
    session: CliSession, every: str | None, to: "PayoutTo | None", minimum: str | None
) -> None:
    """Show or change when you are paid out without asking, and what a payout has at least.

    Options that you leave out stay as they are.
    """

    async def change(client: "AsyncClient") -> "PayoutRules":
        rules = await client.payout_rules()
        if every is None and to is None and minimum is None:
            return rules
        new = cast("PayoutSchedule", rules.schedule if every is None else SCHEDULES[every])
        target = cast("PayoutTo", to or rules.to)
        least = shortened(rules.minimum) if minimum is None else minimum
        return await with_factor(client, lambda: client.set_payout_rules(new, target, least))

    worth = MoneyWorth.ask(session)  # before a change, so that it cannot fail after it
    rules = session.fetch(change)
    facts = {
        "schedule": rules.schedule.replace("_", " "),
        "as": rules.to,
        "at least": worth.counted(rules.least),
        "next date": "-" if rules.next_at is None else value_text.stamp(rules.next_at),
    }
    session.output.facts(facts)


@earnings.command()
@paged
@pass_session
def payouts(session: CliSession, limit: int, offset: int) -> None:
    """List your payouts, newest first."""
    found = session.fetch(lambda client: client.payouts(limit=limit, offset=offset))
    worth = MoneyWorth.ask(session)
    rows = [_payout(each, worth, people=session.output.terminal) for each in found.payouts]
    none = "No payouts yet: rendertrust earnings payout"
    session.output.listed(PAYOUT_COLUMNS, rows, offset=offset, count=found.count, none=none)


earnings.add_command(account)


def _unpaid_row(each: "UnpaidResult", worth: MoneyWorth, *, people: bool) -> tuple[str, ...]:
    when = value_text.ago if people else value_text.stamp
    job = value_text.short(each.job_id) if people else each.job_id
    node, why = value_text.harmless(each.node_name), value_text.harmless(each.why)
    picture = "yes" if _has_picture(each) else "-"
    lost = (shortened(each.amount), worth.of(each.amount))
    return (when(each.at), node, job, str(each.unit), *lost, picture, why)


async def _account_wait(client: "AsyncClient") -> str:
    """Return what a payout of money waits for; empty if the account can be used."""
    from rendertrust.client import NotFound

    try:
        found = await client.payout_account()
    except NotFound:
        return NO_ACCOUNT
    if found.until_then is not None or found.usable_at <= datetime.now(UTC):
        return ""
    return f"The payout waits until {value_text.stamp(found.usable_at)}: your account is new."


def _has_picture(each: "UnpaidResult") -> bool:
    return bool(each.picture_path or each.comparison_path)


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count} units"


def has_nodes(output: Printer) -> bool:
    """Return True if the table of earnings has a column with nodes: that in a pipe."""
    return not (output.terminal or output.json)


def _table(
    session: CliSession, found: "Earnings", names: Mapping[str, str], worth: MoneyWorth
) -> None:
    if session.output.terminal:
        session.output.table(COLUMNS, [_short_row(share, worth) for share in found.earnings])
        for why in dict.fromkeys(share.why for share in found.earnings if share.why):
            session.output.note(f"Reversed or forfeited: {value_text.harmless(why)}")
        session.output.note("Prove an earning: rendertrust ledger proof ENTRY --out proof.json")
        return
    session.output.table(ALL_COLUMNS, [_row(share, names, worth) for share in found.earnings])


def _totals(totals: "EarningTotals", worth: MoneyWorth) -> str:
    states = (*STATES, "requested")
    named = ", ".join(f"{name} {worth.beside(getattr(totals, name))}" for name in states)
    if not totals.payable.strip("0."):
        return f"Total: {named}."
    return f"Total: {named}. Turn payable earnings into credits: rendertrust earnings payout"


def _node(each: "EarningSum") -> str:
    return f"{value_text.harmless(each.node_name or '-')} ({value_text.short(each.node_id)})"


def _sum(each: "EarningSum", worth: MoneyWorth) -> tuple[str, ...]:
    worked = value_text.duration(each.seconds) if each.seconds else "-"
    counts = (str(each.units), str(each.frames))
    per_hour = "-" if each.per_hour is None else shortened(each.per_hour)
    earned = (shortened(each.earned), worth.of(each.earned))
    return (*earned, shortened(each.lost), *counts, worked, per_hour)


def _short_row(share: "Share", worth: MoneyWorth) -> tuple[str, ...]:
    """Return the row of an earning for a terminal of 80 columns."""
    amount = (shortened(share.amount), worth.of(share.amount))
    made = (value_text.ago(share.earned_at), *amount, _state(share))
    return (
        *made,
        payable_text(share, datetime.now(UTC)),
        _entry(share),
        value_text.short(share.job_id),
    )


def payable_text(share: "Share", now: datetime) -> str:
    """Return when an earning becomes payable: ``now``, a day, or what it waits for.

    An earning that was paid or lost has none.
    """
    if share.state != "pending":
        return "now" if share.state == "payable" and share.payout_id is None else "-"
    if share.payable_at > now:
        return f"{share.payable_at:%Y-%m-%d}"
    return "after decision" if share.disputed else "after checks"


def _row(share: "Share", names: Mapping[str, str], worth: MoneyWorth) -> tuple[str, ...]:
    return (
        value_text.stamp(share.earned_at),
        shortened(share.amount),
        worth.of(share.amount),
        _state(share),
        value_text.stamp(share.payable_at),
        share.job_id,
        str(share.unit),
        names.get(share.node_id, share.node_id),
        share.payout_id or "-",
        "yes" if share.receipt_path else "-",
        share.work,
        _entry(share),
        value_text.harmless(share.why or "") or "-",
    )


def _state(share: "Share") -> str:
    return "disputed" if share.disputed else share.state


def _entry(share: "Share") -> str:
    return "-" if share.entry_id is None else str(share.entry_id)


def _payout(made: "Payout", worth: MoneyWorth, *, people: bool) -> tuple[str, ...]:
    id_, time = (
        (value_text.short(made.id), value_text.ago) if people else (made.id, value_text.stamp)
    )
    amount = (shortened(made.amount), worth.of(made.amount))
    asked = (id_, time(made.requested_at), made.to, *amount)
    return (*asked, str(made.units), made.state, value_text.harmless(made.reference) or "-")


def _line(
    line: "StatementLine",
    amount: Callable[[str], str] = str,
    of_id: Callable[[str], str] = str,
    names: Mapping[str, str] = NO_NAMES,
) -> tuple[str, ...]:
    amounts = (value_text.stamp(line.at), line.kind, amount(line.amount), amount(line.balance))
    unit = "-" if line.unit is None else str(line.unit)
    job, node, payout = (of_id(each or "-") for each in (line.job_id, line.node_id, line.payout_id))
    return (*amounts, job, unit, names.get(line.node_id or "", node), payout)
