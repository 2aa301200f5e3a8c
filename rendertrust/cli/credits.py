"""``rendertrust credits``: balance, history and purchases."""

from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import Entry, Offer

COLUMNS: Final = ("WHEN", "AMOUNT", "BALANCE", "SOURCE", "REFERENCE", "DESCRIPTION")


@click.group(cls=Group)
def credits() -> None:  # noqa: A001 - the name of the command is part of the interface
    """Show your balance and its history; buy credits."""


@credits.command()
@pass_session
def balance(session: CliSession) -> None:
    """Show your balance: how much is held for open jobs, and how much is available."""
    found = session.fetch(lambda client: client.balance())
    session.output.facts(
        {"balance": found.balance, "held": found.held, "available": found.available}
    )


@credits.command()
@paged
@pass_session
def history(session: CliSession, limit: int, offset: int) -> None:
    """List all entries of your account, newest first."""
    found = session.fetch(lambda client: client.history(limit=limit, offset=offset))
    if not found.entries:
        session.output.note("No entries yet. Submit a job: rendertrust submit SCENE.blend")
        return
    people = session.output.terminal
    session.output.table(COLUMNS, [_row(entry, people=people) for entry in found.entries])
    session.output.more(offset + len(found.entries), found.count)


@credits.command()
@pass_session
def offers(session: CliSession) -> None:
    """List the packages of credits on sale."""
    found = session.fetch(lambda client: client.offers())
    rows = [_offer(offer) for offer in found.skus]
    session.output.table(("SKU", "CREDITS", "PRICE", "TITLE"), rows)


@credits.command()
@click.argument("sku")
@pass_session
def buy(session: CliSession, sku: str) -> None:
    """Buy the package SKU (from `credits offers`): print the address of the payment page."""
    found = session.fetch(lambda client: client.checkout(sku))
    session.output.facts({"pay": value_text.harmless(found.url)})
    session.output.note("Open this address in a browser. Then: rendertrust credits balance")


def _offer(offer: "Offer") -> tuple[str, ...]:
    price = f"{offer.amount / 100:.2f} {value_text.harmless(offer.currency)}"
    return (value_text.harmless(offer.sku), offer.credits, price, value_text.harmless(offer.title))


def _row(entry: "Entry", *, people: bool) -> tuple[str, ...]:
    when = value_text.ago(entry.created_at) if people else value_text.stamp(entry.created_at)
    sign = "-" if entry.direction == "DEBIT" else "+"
    return (
        when,
        sign + entry.amount,
        entry.balance_after,
        value_text.harmless(entry.source),
        value_text.harmless(entry.reference_id or "-"),
        value_text.harmless(entry.description or ""),
    )
