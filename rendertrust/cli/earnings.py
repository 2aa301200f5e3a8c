"""``rendertrust earnings``: earnings of a user's nodes, statements and payouts."""

import csv
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import Earnings, EarningTotals, Payout, Share, StatementLine
    from rendertrust.client.arguments import PayoutTo

STATES: Final = ("pending", "payable", "paid", "reversed", "forfeited")
# Columns of the table; --json prints every field.
COLUMNS: Final = ("EARNED", "AMOUNT", "STATE", "PAYABLE", "ENTRY", "JOB")
ALL_COLUMNS: Final = (
    *("EARNED", "AMOUNT", "STATE", "PAYABLE", "JOB"),
    *("UNIT", "NODE", "PAYOUT", "RECEIPT", "WORK", "ENTRY", "WHY"),
)
PAYOUT_COLUMNS: Final = ("ID", "REQUESTED", "TO", "AMOUNT", "UNITS", "STATE", "REFERENCE")
LINE_COLUMNS: Final = ("AT", "KIND", "AMOUNT", "BALANCE", "JOB", "UNIT", "NODE", "PAYOUT")


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def earnings(context: click.Context) -> None:
    """Show earnings, statements and payouts of your nodes.

    Without a subcommand: the newest earnings.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@earnings.command("list")
@click.option("--state", type=click.Choice(STATES), help="Show only earnings in this state.")
@paged
@pass_session
def list_(session: CliSession, state: str | None, limit: int, offset: int) -> None:
    """List the earnings of your nodes, unit by unit, newest first."""
    found = session.fetch(lambda client: client.earnings(state, limit=limit, offset=offset))
    if not found.earnings:
        session.output.note("No earnings yet. Earn with this machine: rendertrust node join")
        return
    _table(session, found)
    session.output.more(offset + len(found.earnings), found.count)
    session.output.note(_totals(found.totals))


@earnings.command()
@click.argument("month", type=click.DateTime(["%Y-%m"]), metavar="MONTH")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
@pass_session
def statement(session: CliSession, month: datetime, *, as_csv: bool) -> None:
    """Show your operator account in a MONTH (like 2026-03, UTC)."""
    found = session.fetch(lambda client: client.statement(f"{month:%Y-%m}"))
    rows = [_line(line) for line in found.lines]
    if as_csv and not session.output.json:
        csv.writer(sys.stdout).writerows([[c.lower() for c in LINE_COLUMNS], *rows])
        return
    names = ("opening", "earned", "checked", "claimed", "reversed", "fined", "paid", "closing")
    session.output.facts({name: getattr(found, name) for name in names})
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
    made = session.fetch(lambda client: client.pay_out(to))
    if made.to == "credits":
        session.output.say(
            f"{made.amount} credits were added to your balance, for {made.units} units."
        )
    else:
        session.output.say(f"Requested a payout of {made.amount} in money, for {made.units} units.")
        session.output.note("Follow the payout: rendertrust earnings payouts")


@earnings.command()
@paged
@pass_session
def payouts(session: CliSession, limit: int, offset: int) -> None:
    """List your payouts, newest first."""
    found = session.fetch(lambda client: client.payouts(limit=limit, offset=offset))
    if not found.payouts:
        session.output.note("No payouts yet: rendertrust earnings payout")
        return
    time = value_text.ago if session.output.terminal else value_text.stamp
    session.output.table(PAYOUT_COLUMNS, [_payout(each, time) for each in found.payouts])
    session.output.more(offset + len(found.payouts), found.count)


def _table(session: CliSession, found: "Earnings") -> None:
    if session.output.terminal:
        session.output.table(COLUMNS, [_short_row(share) for share in found.earnings])
        for why in dict.fromkeys(share.why for share in found.earnings if share.why):
            session.output.note(f"Reversed or forfeited: {value_text.harmless(why)}")
        session.output.note("Prove an earning: rendertrust ledger proof ENTRY --out proof.json")
        return
    session.output.table(ALL_COLUMNS, [_row(share) for share in found.earnings])


def _totals(totals: "EarningTotals") -> str:
    named = ", ".join(f"{name} {getattr(totals, name)}" for name in (*STATES, "requested"))
    if not totals.payable.strip("0."):
        return f"Total: {named}."
    return f"Total: {named}. Turn payable earnings into credits: rendertrust earnings payout"


def _short_row(share: "Share") -> tuple[str, ...]:
    """Return the row of an earning for a terminal of 80 columns."""
    made = (value_text.ago(share.earned_at), share.amount, _state(share))
    return (*made, f"{share.payable_at:%Y-%m-%d}", _entry(share), share.job_id)


def _row(share: "Share") -> tuple[str, ...]:
    return (
        value_text.stamp(share.earned_at),
        share.amount,
        _state(share),
        value_text.stamp(share.payable_at),
        share.job_id,
        str(share.unit),
        share.node_id,
        share.payout_id or "-",
        share.receipt_path or "-",
        share.work,
        _entry(share),
        value_text.harmless(share.why or "") or "-",
    )


def _state(share: "Share") -> str:
    return "disputed" if share.disputed else share.state


def _entry(share: "Share") -> str:
    return "-" if share.entry_id is None else str(share.entry_id)


def _payout(made: "Payout", time: Callable[[datetime], str]) -> tuple[str, ...]:
    asked = (made.id, time(made.requested_at), made.to, made.amount, str(made.units))
    return (*asked, made.state, value_text.harmless(made.reference) or "-")


def _line(line: "StatementLine") -> tuple[str, ...]:
    amounts = (value_text.stamp(line.at), line.kind, line.amount, line.balance)
    unit = "-" if line.unit is None else str(line.unit)
    return (*amounts, line.job_id or "-", unit, line.node_id or "-", line.payout_id or "-")
