"""``rendertrust admin payouts``: approves, exports and rejects payouts, and marks them as paid."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import attrs
import click

from web.commands.admin_command import (
    ID,
    act,
    as_requested,
    decided,
    require_confirmation,
    required_reason,
    whole_id,
    with_database,
)
from web.commands.options import config_option, data_option, settings_from, where_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rendertrust.api.earnings import PayoutAccount
    from sql.database import Database
    from sql.operator_accounts import PayoutShown

STATES: Final = ("requested", "approved", "paid", "rejected")
NO_BATCH: Final = "There is no such batch: see `rendertrust admin payouts list`"
ON_THE_WAY: Final = (
    "The payout is approved and its money may be on the way. If it was not sent, or came "
    "back, use --not-paid"
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
batch_argument = click.argument("batch", type=ID)


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
@click.argument("payout", type=ID, nargs=-1, required=True)
@required_reason
@yes_option
@where_options
def approve(
    *, payout: tuple[UUID | str, ...], reason: str, yes: bool, as_json: bool, **where: Any
) -> None:
    """Approve these PAYOUTs as one batch: all of them or none."""
    from actors.ledger.effects import PayoutApprove
    from actors.ledger.messages import Commit
    from rendertrust.money import credit_count
    from supervisors.engines.system_clock import SystemRandom
    from web.routes.payouts import account_lack, summed

    ids = [whole_id(where, "payouts_beginning", each) for each in payout]
    rows = with_database(where, lambda database: payouts_of(database, ids, ()))
    if len(rows) != len(payout) or len(payout) > 100:
        raise click.ClickException("There must be 1 to 100 existing payouts, each named once")
    lack = account_lack(rows, accounts_for(where, rows))
    if lack is not None:
        raise click.ClickException(lack)
    whole = credit_count(summed(rows))
    require_confirmation(f"Approve {len(rows)} payouts, {whole} in total", yes=yes)
    batch = SystemRandom().uuid()
    details = {"payouts": [str(row.id) for row in rows], "amount": summed(rows)}
    record = act("payout.approve", f"batch:{batch}", reason, **details)
    effects = tuple(PayoutApprove(row.id, batch) for row in rows)
    decided(where, [Commit(effects=effects, act=record)])
    id_ = whole_id(where, "batches_beginning", batch)
    rows = with_database(where, lambda database: payouts_of(database, (), (id_,)))
    tell(rows, as_json=as_json, note=f"Approved as batch {batch}.")


@payouts.command
@batch_argument
@config_option
@data_option
def export(*, batch: UUID | str, **where: Any) -> None:
    """Print a BATCH as CSV, for the bank or payment provider.

    The accounts of the operators are read with the key of the log.
    """
    from web.http import spreadsheet
    from web.routes.payouts import COLUMNS, cells

    rows = known(where, batch)
    accounts = accounts_for(where, rows)
    lines = spreadsheet.lines([COLUMNS, *(cells(row, accounts) for row in rows)])
    click.echo(lines.decode(), nl=False)


@payouts.command
@batch_argument
@click.option("--reference", required=True, help="The bank's or payment provider's reference.")
@required_reason
@yes_option
@where_options
def paid(
    *, batch: UUID | str, reference: str, reason: str, yes: bool, as_json: bool, **where: Any
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
        whole = money.credit_count(summed(left))
        require_confirmation(f"Mark {len(left)} payouts as paid, {whole} in total", yes=yes)
    orders: list[Commit] = []
    for row in left:
        details = {"reference": reference, "amount": money.render(row.amount)}
        record = act("payout.pay", f"payout:{row.id}", reason, **details)
        orders.append(Commit(effects=(PayoutPay(row.id, reference),), act=record))
    decided(where, orders)
    tell(known(where, batch), as_json=as_json, note=f"{len(left)} payouts marked as paid.")


@payouts.command
@click.argument("payout", type=ID)
@click.option(
    "--not-paid",
    is_flag=True,
    help="The payout was approved, but its money was not sent, or it came back.",
)
@required_reason
@yes_option
@where_options
def reject(
    *, payout: UUID | str, not_paid: bool, reason: str, yes: bool, as_json: bool, **where: Any
) -> None:
    """Reject a PAYOUT. The money of the payout is not sent, and the earnings in it become payable
    again.
    """
    from actors.ledger.effects import PayoutReject
    from actors.ledger.messages import Commit

    id_ = whole_id(where, "payouts_beginning", payout)
    rows = with_database(where, lambda database: payouts_of(database, (id_,), ()))
    if not rows:
        raise click.ClickException("There is no such payout")
    if rows[0].state == "APPROVED" and not not_paid:
        raise click.ClickException(ON_THE_WAY)
    require_confirmation(f"Reject the payout to {rows[0].email}", yes=yes)
    details = {"not_paid": True} if not_paid else {}
    record = act("payout.reject", f"payout:{id_}", reason, **details)
    decided(where, [Commit(effects=(PayoutReject(id_, not_paid),), act=record)])
    rows = with_database(where, lambda database: payouts_of(database, (id_,), ()))
    tell(rows, as_json=as_json)


async def payouts_of(
    database: "Database", ids: "Sequence[UUID]", batches: "Sequence[UUID]"
) -> "Sequence[PayoutShown]":
    """Return the payouts with these ids, and all payouts of these batches."""
    from sql.operator_accounts import Operators

    return await Operators(database).payouts_by_id(ids, batches)


def known(where: dict[str, Any], batch: UUID | str) -> "Sequence[PayoutShown]":
    """Return the payouts of a batch; raise ClickException if there is none."""
    id_ = whole_id(where, "batches_beginning", batch)
    rows = with_database(where, lambda database: payouts_of(database, (), (id_,)))
    if not rows:
        raise click.ClickException(NO_BATCH)
    return rows


def accounts_for(
    where: dict[str, Any], rows: "Sequence[PayoutShown]"
) -> "Mapping[UUID, PayoutAccount]":
    """Return the accounts of the payouts' operators."""
    from sql.payout_accounts import PayoutAccounts
    from supervisors.engines.system_clock import SystemClock, SystemRandom
    from web.commands.admin_log_key import keys_from
    from web.money.payout_accounts import read_accounts, usable

    users = [row.operator_id for row in rows]

    async def work(database: "Database") -> "Mapping[UUID, PayoutAccount]":
        table = PayoutAccounts(database)
        if not await table.of(users):
            return {}
        keys = keys_from(settings_from(None, None, where["data"], where["config"]))
        now = SystemClock().now()
        return usable(await read_accounts(table, users, keys, SystemRandom(), now))

    return with_database(where, work)


def tell(rows: "Sequence[PayoutShown]", *, as_json: bool, note: str = "") -> None:
    """Print the payouts, without accounts."""
    from rendertrust.money import shortened
    from web.http.responses import encode
    from web.routes.payouts import shown

    payouts = [shown(row, None) for row in rows]
    if as_json:
        documents = [attrs.asdict(each, recurse=False) for each in payouts]
        for document in documents:
            del document["account"]
        click.echo(encode({"payouts": documents}))
        return
    for each in payouts:
        batch = "-" if each.batch_id is None else str(each.batch_id)
        words = (str(each.id), each.state, each.to, shortened(each.amount), each.email, batch)
        click.echo("\t".join(words))
    if note:
        click.echo(note, err=True)
