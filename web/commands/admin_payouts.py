"""``rendertrust admin payouts``: approves, exports and rejects payouts, and marks them as paid."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from web.commands.admin_command import (
    act,
    as_requested,
    decided,
    require_confirmation,
    required_reason,
    with_database,
)
from web.commands.options import config_option, data_option, where_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sql.database import Database
    from sql.operator_accounts import PayoutShown

STATES: Final = ("requested", "approved", "paid", "rejected")
NO_BATCH: Final = "There is no such batch: see `rendertrust admin payouts list`"
ON_THE_WAY: Final = (
    "The payout is approved and its money may be on the way. If it was not sent, or came "
    "back, use --not-paid"
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
batch_argument = click.argument("batch", type=click.UUID)


@click.group
def payouts() -> None:
    """List, approve, export and reject payouts of money, and mark them as paid."""


@payouts.command("list")
@click.option("--state", type=click.Choice(STATES), help="Show only payouts in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@where_options
def list_(*, state: str | None, limit: int, as_json: bool, **where: Any) -> None:
    """List payouts, newest first."""
    from sql.operator_accounts import Operators
    from sql.page import Page

    named = None if state is None else state.upper()
    rows = with_database(where, lambda d: Operators(d).payouts(None, named, Page(limit)))
    tell(rows or (), as_json=as_json)


@payouts.command
@click.argument("payout", type=click.UUID, nargs=-1, required=True)
@required_reason
@yes_option
@where_options
def approve(
    *, payout: tuple[UUID, ...], reason: str, yes: bool, as_json: bool, **where: Any
) -> None:
    """Approve these PAYOUTs as one batch: all of them or none."""
    from actors.ledger.effects import PayoutApprove
    from actors.ledger.messages import Commit
    from supervisors.engines.system_clock import SystemRandom
    from web.routes.payouts import summed

    rows = with_database(where, lambda database: payouts_of(database, payout, ()))
    if len(rows) != len(payout) or len(payout) > 100:
        raise click.ClickException("There must be 1 to 100 existing payouts, each named once")
    require_confirmation(f"Approve {len(rows)} payouts, {summed(rows)} credits in total", yes=yes)
    batch = SystemRandom().uuid()
    details = {"payouts": [str(row.id) for row in rows], "amount": summed(rows)}
    record = act("payout.approve", f"batch:{batch}", reason, **details)
    effects = tuple(PayoutApprove(row.id, batch) for row in rows)
    decided(where, [Commit(effects=effects, act=record)])
    rows = with_database(where, lambda database: payouts_of(database, (), (batch,)))
    tell(rows, as_json=as_json, note=f"Approved as batch {batch}.")


@payouts.command
@batch_argument
@config_option
@data_option
def export(*, batch: UUID, **where: Any) -> None:
    """Print a BATCH as CSV, for the bank or payment provider."""
    from web.http import spreadsheet
    from web.routes.payouts import COLUMNS, cells

    rows = known(where, batch)
    lines = spreadsheet.lines([COLUMNS, *(cells(row) for row in rows)])
    click.echo(lines.decode(), nl=False)


@payouts.command
@batch_argument
@click.option("--reference", required=True, help="The bank's or payment provider's reference.")
@required_reason
@yes_option
@where_options
def paid(
    *, batch: UUID, reference: str, reason: str, yes: bool, as_json: bool, **where: Any
) -> None:
    """Record that the money of a BATCH was sent. The command cannot be undone."""
    from actors.ledger.effects import PayoutPay
    from actors.ledger.messages import Commit
    from rendertrust import money
    from web.routes.payouts import Sent, sent_under, summed

    as_requested(Sent, reference=reference, reason=reason)
    rows = known(where, batch)
    other = sent_under(rows, reference)
    if other is not None:
        raise click.ClickException(other)
    left = [row for row in rows if row.state == "APPROVED"]
    if left:
        require_confirmation(
            f"Mark {len(left)} payouts as paid, {summed(left)} credits in total", yes=yes
        )
    orders: list[Commit] = []
    for row in left:
        details = {"reference": reference, "amount": money.render(row.amount)}
        record = act("payout.pay", f"payout:{row.id}", reason, **details)
        orders.append(Commit(effects=(PayoutPay(row.id, reference),), act=record))
    decided(where, orders)
    tell(known(where, batch), as_json=as_json, note=f"{len(left)} payouts marked as paid.")


@payouts.command
@click.argument("payout", type=click.UUID)
@click.option(
    "--not-paid",
    is_flag=True,
    help="The payout was approved, but its money was not sent, or it came back.",
)
@required_reason
@yes_option
@where_options
def reject(
    *, payout: UUID, not_paid: bool, reason: str, yes: bool, as_json: bool, **where: Any
) -> None:
    """Reject a PAYOUT. The money of the payout is not sent, and the earnings in it become payable
    again.
    """
    from actors.ledger.effects import PayoutReject
    from actors.ledger.messages import Commit

    rows = with_database(where, lambda database: payouts_of(database, (payout,), ()))
    if not rows:
        raise click.ClickException("There is no such payout")
    if rows[0].state == "APPROVED" and not not_paid:
        raise click.ClickException(ON_THE_WAY)
    require_confirmation(f"Reject the payout to {rows[0].email}", yes=yes)
    details = {"not_paid": True} if not_paid else {}
    record = act("payout.reject", f"payout:{payout}", reason, **details)
    decided(where, [Commit(effects=(PayoutReject(payout, not_paid),), act=record)])
    rows = with_database(where, lambda database: payouts_of(database, (payout,), ()))
    tell(rows, as_json=as_json)


async def payouts_of(
    database: "Database", ids: "Sequence[UUID]", batches: "Sequence[UUID]"
) -> "Sequence[PayoutShown]":
    """Return the payouts with these ids, and all payouts of these batches."""
    from sql.operator_accounts import Operators

    return await Operators(database).payouts_by_id(ids, batches)


def known(where: dict[str, Any], batch: UUID) -> "Sequence[PayoutShown]":
    """Return the payouts of a batch; raise ClickException if there is none."""
    rows = with_database(where, lambda database: payouts_of(database, (), (batch,)))
    if not rows:
        raise click.ClickException(NO_BATCH)
    return rows


def tell(rows: "Sequence[PayoutShown]", *, as_json: bool, note: str = "") -> None:
    """Print the payouts."""
    from web.http.responses import encode
    from web.routes.payouts import shown

    payouts = [shown(row) for row in rows]
    if as_json:
        click.echo(encode({"payouts": payouts}))
        return
    for each in payouts:
        batch = "-" if each.batch_id is None else str(each.batch_id)
        words = (str(each.id), each.state, each.to, each.amount, each.email, batch)
        click.echo("\t".join(words))
    if note:
        click.echo(note, err=True)
