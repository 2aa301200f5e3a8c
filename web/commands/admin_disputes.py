"""``rendertrust admin disputes``: lists disputes and decides them."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from web.commands.admin_command import (
    ID,
    act,
    decided,
    require_confirmation,
    required_reason,
    whole_id,
    with_database,
)
from web.commands.options import where_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sql.disputes import DisputeShown

STATES: Final = ("open", "upheld", "rejected")


def options(command: "Callable[..., Any]") -> "Callable[..., Any]":
    """Add the options that upholding and rejecting a dispute share."""
    for option in (
        where_options,
        click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
        required_reason,
        click.argument("dispute", type=ID),
    ):
        command = option(command)
    return command


@click.group
def disputes() -> None:
    """List, uphold and reject disputes."""


@disputes.command("list")
@click.option("--state", type=click.Choice(STATES), help="Show only disputes in this state.")
@click.option(
    "--withheld",
    is_flag=True,
    help="Show only open disputes that the gateway opened to hold back an earning.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@where_options
def list_(*, state: str | None, withheld: bool, limit: int, as_json: bool, **where: Any) -> None:
    """List disputes, newest first."""
    from sql.disputes import Disputes
    from sql.page import Page

    named = "OPEN" if withheld else None if state is None else state.upper()
    which = True if withheld else None
    rows = with_database(
        where, lambda d: Disputes(d).page(None, named, Page(limit), by_gateway=which)
    )
    tell(rows or (), as_json=as_json)


@disputes.command
@options
def uphold(*, dispute: UUID | str, **given: Any) -> None:
    """Uphold a dispute. The charge is refunded and the unit's earning is reversed."""
    decide(whole_id(given, "disputes_beginning", dispute), given, upheld=True)


@disputes.command
@options
def reject(*, dispute: UUID | str, **given: Any) -> None:
    """Reject a dispute. The unit's earning matures when the dispute window is over."""
    decide(whole_id(given, "disputes_beginning", dispute), given, upheld=False)


def decide(dispute: UUID, given: dict[str, Any], *, upheld: bool) -> None:
    """Show the dispute, ask for confirmation, decide it, and print the outcome."""
    from actors.ledger.effects import DisputeDecide
    from actors.ledger.messages import Commit
    from rendertrust import money

    row = known(given, dispute)
    charge, verb = money.format_amount(row.charge), "uphold" if upheld else "reject"
    why = " ".join(row.reason.split())
    if row.answer:
        why = f"{why}. The operator says: {' '.join(row.answer.split())}"
    require_confirmation(
        f"{verb.capitalize()} this: unit {row.unit} of {row.job_id}, {charge}: {why}",
        yes=given["yes"],
    )
    details = {"job": str(row.job_id), "unit": row.unit, "charge": charge}
    record = act(f"dispute.{verb}", f"dispute:{dispute}", given["reason"], **details)
    effect = DisputeDecide(row.job_id, row.unit, row.user_id, upheld, given["reason"])
    decided(given, [Commit(effects=(effect,), act=record)])
    tell([known(given, dispute)], as_json=given["as_json"])


def known(where: dict[str, Any], dispute: UUID) -> "DisputeShown":
    """Return the dispute; raise ClickException if there is none."""
    from sql.disputes import Disputes

    row = with_database(where, lambda database: Disputes(database).one(dispute))
    if row is None:
        raise click.ClickException("There is no such dispute")
    return row


def tell(rows: "Sequence[DisputeShown]", *, as_json: bool) -> None:
    """Print the disputes."""
    from web.http.responses import encode
    from web.routes.disputes import whole

    found = [whole(row) for row in rows]
    if as_json:
        click.echo(encode({"disputes": found}))
        return
    for each in found:
        words = (str(each.id), each.state, each.charge, str(each.job_id), str(each.unit))
        click.echo("\t".join((*words, " ".join(each.reason.split()))))
