"""``rendertrust admin prices``: present and past prices of job types."""

from typing import TYPE_CHECKING, Any, Final

import attrs
import click
import orjson

from web.commands.admin_command import act, as_requested, common, with_database
from web.commands.options import where_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sql.prices import PriceRow

NONE: Final = "-"


@click.group
def prices() -> None:
    """Show and set prices of job types. A job keeps the price at which it was submitted."""


@prices.command("list")
@where_options
def list_(*, as_json: bool, **where: Any) -> None:
    """List the price of each job type; * means all other types."""
    from sql.prices import Prices

    tell(with_database(where, lambda database: Prices(database).now()), as_json=as_json)


@prices.command
@click.argument("job_type", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@where_options
def history(*, job_type: str | None, limit: int, as_json: bool, **where: Any) -> None:
    """List the price changes of all job types, or of JOB_TYPE, newest first."""
    from sql.prices import Prices

    rows = with_database(where, lambda database: Prices(database).history(job_type, None, limit))
    tell(rows, as_json=as_json)


@prices.command("set")
@click.argument("job_type")
@click.argument("price")
@common
def set_(*, job_type: str, price: str, as_json: bool, reason: str, **where: Any) -> None:
    """Set the price of JOB_TYPE for new jobs; 0 is free."""
    change(where, job_type, price, reason, as_json=as_json)


@prices.command
@click.argument("job_type")
@common
def unset(*, job_type: str, as_json: bool, reason: str, **where: Any) -> None:
    """Remove the price of JOB_TYPE, which then has the price of all other types."""
    change(where, job_type, None, reason, as_json=as_json)


def change(
    where: dict[str, Any], job_type: str, price: str | None, reason: str, *, as_json: bool
) -> None:
    """Set or remove one price, validated as in the API."""
    from rendertrust import money
    from sql.prices import EVERY_OTHER, Prices
    from web.routes.prices import NewPrice, PriceWords, target_of

    as_requested(NewPrice, price=price, reason=reason)
    as_requested(PriceWords, job_type=job_type)
    if price is None and job_type == EVERY_OTHER:
        raise click.UsageError(
            f"{EVERY_OTHER} means all other job types, which always have a price"
        )
    units = None if price is None else money.parse(price, zero=True)
    record = act("price.set", target_of(job_type), reason)
    row = with_database(where, lambda d: Prices(d).set(job_type, units, record))
    if row is None:
        raise click.ClickException(f"No price is set for {job_type}")
    if as_json:
        click.echo(orjson.dumps(document(row)))
    else:
        click.echo(
            f"{job_type} costs {shown(row) if price else 'what all others cost'} from now on."
        )


def tell(rows: "Sequence[PriceRow]", *, as_json: bool) -> None:
    """Print one line per price: type, price, since when, by whom, why."""
    if as_json:
        click.echo(orjson.dumps({"prices": [document(row) for row in rows]}))
        return
    for row in rows:
        since = f"{row.since:%Y-%m-%dT%H:%M:%SZ}"
        fields = (row.job_type, shown(row), since, row.changed_by or NONE, row.reason or NONE)
        click.echo("\t".join(" ".join(field.split()) for field in fields))


def document(row: "PriceRow") -> dict[str, Any]:
    """Return the row as an object for JSON."""
    from web.routes.prices import changed

    return attrs.asdict(changed(row))


def shown(row: "PriceRow") -> str:
    """Return the price as people read it."""
    from rendertrust.money import shortened
    from sql.prices import shown as price

    return shortened(price(row.units) or NONE)
