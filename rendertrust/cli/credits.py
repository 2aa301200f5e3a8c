"""``rendertrust credits``: balance, history, statements, purchases, invoices and credit notes."""

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self
from uuid import UUID

import attrs
import click

from rendertrust import money
from rendertrust.cli import exit_codes, path_checks, value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.id_prefix import PAGE, PURCHASE, SEARCHED_MOST
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.credit_packs import PACKS_MAX, PackOrder, enough_of
from rendertrust.money import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rendertrust.cli.output import Printer
    from rendertrust.client import AsyncClient, Checkout, Entry, Offer, Purchase

PURCHASE_COLUMNS: Final = ("ID", "WHEN", "CREDITS", "PRICE", "STATE", "CREDIT NOTES")
NO_NOTE: Final = "This purchase has no credit note: see `rendertrust credits purchases`"
NEED_MAX: Final = 10**9  # credits
DAY: Final = click.DateTime(["%Y-%m-%d"])
COLUMNS: Final = ("WHEN", "AMOUNT", "BALANCE", "ABOUT")
ALL_COLUMNS: Final = ("WHEN", "AMOUNT", "BALANCE", "SOURCE", "REFERENCE", "DESCRIPTION")
JOB_REFERENCE: Final = re.compile(r"job:([0-9a-f]{8})[0-9a-f-]{28}(:[0-9]+)")


@attrs.frozen
class OfferedPack:
    """A package on sale, as the search for the cheapest ones reads it."""

    name: str
    title: str
    units: int
    amount: int
    currency: str

    @classmethod
    def of(cls, offer: "Offer") -> Self:
        """Return the package of an offer."""
        return cls(offer.sku, offer.title, money.parse(offer.credits), offer.amount, offer.currency)


@click.group(cls=Group)
def credits() -> None:  # noqa: A001 - the name of the command is part of the interface
    """Show your balance, its history and statements; buy credits."""


@credits.command()
@pass_session
def balance(session: CliSession) -> None:
    """Show your balance: how much is held for open jobs, and how much is available."""
    found = session.fetch(lambda client: client.balance())
    session.output.facts(
        {
            "balance": session.output.amount(found.balance),
            "held": session.output.amount(found.held or ""),
            "available": session.output.amount(found.available or ""),
        }
    )


@credits.command()
@paged
@pass_session
def history(session: CliSession, limit: int, offset: int) -> None:
    """List all entries of your account, newest first."""
    found = session.fetch(lambda client: client.history(limit=limit, offset=offset))
    output = session.output
    rows = [_row(entry, output) for entry in found.entries]
    none = "No entries yet. Submit a job: rendertrust submit SCENE.blend"
    columns = COLUMNS if output.terminal else ALL_COLUMNS
    output.listed(columns, rows, offset=offset, count=found.count, none=none)


@credits.command()
@pass_session
def offers(session: CliSession) -> None:
    """List the packages of credits on sale."""
    found = session.fetch(lambda client: client.offers())
    rows = [_offer(offer, people=session.output.terminal) for offer in found.skus]
    session.output.table(("SKU", "CREDITS", "PRICE", "TITLE"), rows)


@credits.command()
@click.argument("sku", required=False)
@click.option(
    "--quantity",
    type=click.IntRange(1, PACKS_MAX),
    default=1,
    help="How many packages (default: 1).",
)
@click.option(
    "--need",
    type=click.IntRange(1, NEED_MAX),
    help="Instead of SKU: the cheapest packages with at least so many credits.",
)
@click.option("--currency", default="", help="With --need: the currency to pay in, like usd.")
@pass_session
def buy(
    session: CliSession, sku: str | None, quantity: int, need: int | None, currency: str
) -> None:
    """Buy the package SKU (from `credits offers`): print the address of the payment page."""
    if (sku is None) == (need is None):
        raise click.UsageError(
            "Name one package (see `rendertrust credits offers`), or say --need CREDITS"
        )
    if sku is not None:
        found = session.fetch(lambda client: _bought(client, sku, quantity))
    else:
        order = session.run(lambda client: _enough(client, need or 0, currency.lower()))
        parts = " + ".join(f"{each.quantity} x {each.pack.name}" for each in order.packs)
        price = money.format_price(order.amount, value_text.harmless(order.currency))
        session.output.note(value_text.harmless(f"{order.title} for {price}: {parts}"))
        first, *more = order.packs
        others = {each.pack.name: each.quantity for each in more}
        found = session.fetch(
            lambda client: client.checkout(first.pack.name, first.quantity, more=others)
        )
    session.output.facts({"pay": value_text.harmless(found.url)})
    session.output.note("Open this address in a browser. Then: rendertrust credits balance")


@credits.command()
@click.option("--from", "first", type=DAY, metavar="DAY", help="First day (UTC), like 2026-03-01.")
@click.option("--to", "last", type=DAY, metavar="DAY", help="Last day (UTC; default: today).")
@click.option(
    "--format",
    "form",
    type=click.Choice(("csv", "pdf")),
    help="File format (default: by the name of the file, otherwise csv).",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to save.")
@pass_session
def statement(
    session: CliSession,
    first: datetime | None,
    last: datetime | None,
    form: Literal["csv", "pdf"] | None,
    out: Path | None,
) -> None:
    """Save the entries of your account in a period, by default the last thirty days."""
    form = form or ("pdf" if out is not None and out.suffix.lower() == ".pdf" else "csv")
    at = path_checks.placed(out or Path(f"rendertrust-credits.{form}"))
    begin, end = first and first.date(), last and last.date()
    path = session.run(lambda c: c.credits_statement(at, first=begin, last=end, form=form))
    told_of(session, path)


@credits.command()
@paged
@pass_session
def purchases(session: CliSession, limit: int, offset: int) -> None:
    """List your purchases, newest first."""
    found = session.fetch(lambda client: client.purchases(limit=limit, offset=offset))
    rows = [_purchase(each, people=session.output.terminal) for each in found.purchases]
    none = "No purchases yet. See what is on sale: rendertrust credits offers"
    session.output.listed(PURCHASE_COLUMNS, rows, offset=offset, count=found.count, none=none)


@credits.command()
@click.argument("purchase", type=PURCHASE)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to save.")
@pass_session
def invoice(session: CliSession, purchase: UUID, out: Path | None) -> None:
    """Save the invoice of a PURCHASE (an id from `credits purchases`) as PDF."""
    at = path_checks.placed(out or Path(f"rendertrust-invoice-{str(purchase)[:8]}.pdf"))
    told_of(session, session.run(lambda client: client.invoice(purchase, at)))


@credits.command("credit-note")
@click.argument("purchase", type=PURCHASE)
@click.option("--number", type=click.IntRange(1), help="Which one (default: the newest).")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to save.")
@pass_session
def credit_note(session: CliSession, purchase: UUID, number: int | None, out: Path | None) -> None:
    """Save a credit note of a PURCHASE (an id from `credits purchases`) as PDF.

    A refund or a disputed payment of a purchase with an invoice makes one.
    """
    which = number or session.run(lambda client: _newest_note(client, purchase))
    if which is None:
        raise click.UsageError(NO_NOTE)
    at = path_checks.placed(out or Path(f"rendertrust-credit-note-{which}.pdf"))
    told_of(session, session.run(lambda client: client.credit_note(purchase, which, at)))


async def _newest_note(client: "AsyncClient", purchase: UUID) -> int | None:
    """Return the number of the newest credit note of one of the newest purchases."""
    for offset in range(0, SEARCHED_MOST, PAGE):
        page = await client.purchases(limit=PAGE, offset=offset)
        for made in page.purchases:
            if made.id == str(purchase):
                return max((note.number for note in made.credit_notes), default=None)
        if offset + PAGE >= page.count:
            break
    return None


async def _bought(client: "AsyncClient", sku: str, quantity: int) -> "Checkout":
    """Begin a purchase. If the package is not for sale, the command ends and lists what is."""
    from rendertrust.client import Invalid

    try:
        return await client.checkout(sku, quantity)
    except Invalid as error:
        if all(fault.field != "sku" for fault in error.errors):
            raise
        hint = on_sale((await client.offers()).skus)
        detail = f"{value_text.harmless(sku)} is not for sale"
        raise CommandExit(Exit(exit_codes.USAGE, "invalid", detail, hint)) from error


async def _enough(client: "AsyncClient", need: int, currency: str) -> PackOrder:
    """Return the cheapest packages with enough credits, in the currency if one is given."""
    offers = (await client.offers()).skus
    packs = [OfferedPack.of(offer) for offer in offers if currency in ("", offer.currency)]
    orders = enough_of(packs, need * money.UNITS_PER_CREDIT)
    if len(orders) == 1:
        return orders[0]
    names = value_text.harmless(" or ".join(order.currency for order in orders))
    if orders:
        raise click.UsageError(f"Credits are sold in several currencies: say --currency {names}")
    detail = f"One payment cannot buy {money.credit_count(str(need))} here"
    raise CommandExit(Exit(exit_codes.USAGE, "invalid", detail, on_sale(offers)))


def on_sale(offers: "Sequence[Offer]") -> str:
    """Return the packages on sale, each with its price and the command that buys it."""
    if not offers:
        return "Nothing is for sale at this farm."
    return "\n".join(("On sale:", *map(_to_buy, offers[:PACKS_MAX])))


def _to_buy(offer: "Offer") -> str:
    sku, _, price, _ = _offer(offer, people=True)
    return f"  rendertrust credits buy {sku}    {money.credit_count(offer.credits)} for {price}"


def told_of(session: CliSession, path: Path) -> None:
    """Print which file was saved, and its size."""
    size = path.stat().st_size
    session.output.document({"path": str(path), "size": size})
    session.output.say(f"Saved {path}, {value_text.size(size)}.")


def _purchase(made: "Purchase", *, people: bool) -> tuple[str, ...]:
    at, currency = made.paid_at or made.created_at, value_text.harmless(made.currency)
    notes = " ".join(value_text.harmless(note.name) for note in made.credit_notes) or "-"
    if people:
        amount, price = money.format_amount(made.credits), money.format_price(made.amount, currency)
        return (value_text.short(made.id), value_text.ago(at), amount, price, made.state, notes)
    amount, price = shortened(made.credits), money.price(made.amount, currency)
    return (made.id, value_text.stamp(at), amount, price, made.state, notes)


def _offer(offer: "Offer", *, people: bool) -> tuple[str, ...]:
    currency = value_text.harmless(offer.currency)
    amount = money.format_amount(offer.credits) if people else shortened(offer.credits)
    price = (money.format_price if people else money.price)(offer.amount, currency)
    return (value_text.harmless(offer.sku), amount, price, value_text.harmless(offer.title))


def _row(entry: "Entry", output: "Printer") -> tuple[str, ...]:
    """Return a row; people get one column about the entry, with a short id of its job."""
    sign = "-" if entry.direction == "DEBIT" else "+"
    moved = (sign + output.amount(entry.amount), output.amount(entry.balance_after))
    said, reference = value_text.harmless(entry.description or ""), entry.reference_id or "-"
    if output.terminal:
        job = JOB_REFERENCE.fullmatch(reference)
        about = said if job is None else f"{said} ({job[1]}{job[2]})".lstrip()
        return (value_text.ago(entry.created_at), *moved, about)
    words = (value_text.harmless(entry.source), value_text.harmless(reference), said)
    return (value_text.stamp(entry.created_at), *moved, *words)
