"""``rendertrust admin skus``: packages of credits on sale and their prices."""

from typing import TYPE_CHECKING, Any, Final

import attrs
import click
import orjson

from rendertrust import money
from rendertrust.money import credit_count
from web.commands.admin_command import act, as_requested, common, with_database
from web.commands.options import where_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sql.skus import SkuRow

WITHDRAWN: Final = "withdrawn"


@click.group
def skus() -> None:
    """Show and set packages of credits (SKUs). A purchase keeps the terms at which it began."""


@skus.command("list")
@where_options
def list_(*, as_json: bool, **where: Any) -> None:
    """List all SKUs, withdrawn ones too."""
    from sql.skus import Skus

    tell(with_database(where, lambda database: Skus(database).all(withdrawn=True)), as_json=as_json)


def _title_of(amount: str) -> str:
    """Return the credits as buyers read them; what is no amount stays, and is refused later."""
    try:
        return credit_count(amount)
    except ValueError:
        return amount


@skus.command("set")
@click.argument("sku")
@click.option(
    "--credits", "credits_", required=True, help="Credits in the package, like 100 or 10.5."
)
@click.option(
    "--amount",
    required=True,
    type=int,
    help="The price in the currency's smallest unit, such as cents.",
)
@click.option(
    "--currency",
    default="usd",
    show_default=True,
    help="The currency: three lower-case letters, like usd.",
)
@click.option("--title", help="The title that buyers see (default: the credits).")
@click.option("--withdrawn", is_flag=True, help="Stop selling the package.")
@common
def set_(
    *,
    sku: str,
    credits_: str,
    amount: int,
    currency: str,
    title: str | None,
    withdrawn: bool,
    as_json: bool,
    reason: str,
    **where: Any,
) -> None:
    """Create the package SKU, or set its credits and price for new purchases."""
    from sql.skus import Skus
    from supervisors.engines.system_clock import SystemClock
    from web.routes.skus import SkuWords, Terms, details_of, row_of

    terms = as_requested(
        Terms,
        title=_title_of(credits_) if title is None else title,
        credits=credits_,
        amount=amount,
        currency=currency,
        on_sale=not withdrawn,
        reason=reason,
    )
    as_requested(SkuWords, sku=sku)
    row = row_of(sku, terms, SystemClock().now())
    record = act("sku.put", f"sku:{row.name}", reason, **details_of(row))
    tell([with_database(where, lambda database: Skus(database).put(row, record))], as_json=as_json)


def tell(rows: "Sequence[SkuRow]", *, as_json: bool) -> None:
    """Print one line per SKU: name, credits, price, title."""
    from web.routes.skus import shown

    if as_json:
        click.echo(orjson.dumps({"skus": [attrs.asdict(shown(row)) for row in rows]}))
        return
    for row in rows:
        price = money.price(row.amount, row.currency)
        fields = [row.name, shown(row).credits, price, " ".join(row.title.split())]
        click.echo("\t".join(fields if row.on_sale else [*fields, WITHDRAWN]))
