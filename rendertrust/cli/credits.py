"""``rendertrust credits``: balance, history and purchases."""

from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import formats
from rendertrust.cli.command import Group, paged
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from rendertrust.client import Entry, Offer

COLUMNS: Final = ("WHEN", "AMOUNT", "BALANCE", "SOURCE", "REFERENCE", "DESCRIPTION")


@click.group(cls=Group)
def credits() -> None:  # noqa: A001 - its name
    """Show your balance and its history; buy credits."""


@credits.command()
@click.pass_context
def balance(context: click.Context) -> None:
    """Show your balance: how much is held for open jobs, and how much is available."""
    session = session_of(context)
    found = session.run(lambda client: client.balance())
    session.output.document(found)
    session.output.facts(
        {"balance": found.balance, "held": found.held, "available": found.available}
    )


@credits.command()
@paged
@click.pass_context
def history(context: click.Context, limit: int, offset: int) -> None:
    """List all entries of your account, newest first."""
    session = session_of(context)
    found = session.run(lambda client: client.history(limit=limit, offset=offset))
    session.output.document(found)
    if not found.entries:
        session.output.note("No entries yet. Submit a job: rendertrust submit SCENE.blend")
        return
    people = session.output.terminal
    session.output.table(COLUMNS, [_row(entry, people=people) for entry in found.entries])
    session.output.more(offset + len(found.entries), found.count)


@credits.command()
@click.pass_context
def offers(context: click.Context) -> None:
    """List the packages of credits on sale."""
    session = session_of(context)
    found = session.run(lambda client: client.offers())
    session.output.document(found)
    rows = [_offer(offer) for offer in found.skus]
    session.output.table(("SKU", "CREDITS", "PRICE", "TITLE"), rows)


@credits.command()
@click.argument("sku")
@click.pass_context
def buy(context: click.Context, sku: str) -> None:
    """Buy the package SKU (from `credits offers`): print the address of a payment page."""
    session = session_of(context)
    found = session.run(lambda client: client.checkout(sku))
    session.output.document(found)
    session.output.facts({"pay": formats.harmless(found.url)})
    session.output.note("Open it in a browser. Then: rendertrust credits balance")


def _offer(offer: "Offer") -> tuple[str, ...]:
    price = f"{offer.amount / 100:.2f} {formats.harmless(offer.currency)}"
    return (formats.harmless(offer.sku), offer.credits, price, formats.harmless(offer.title))


def _row(entry: "Entry", *, people: bool) -> tuple[str, ...]:
    when = formats.ago(entry.created_at) if people else formats.stamp(entry.created_at)
    sign = "-" if entry.direction == "DEBIT" else "+"
    return (
        when,
        sign + entry.amount,
        entry.balance_after,
        formats.harmless(entry.source),
        formats.harmless(entry.reference_id or "-"),
        formats.harmless(entry.description or ""),
    )
