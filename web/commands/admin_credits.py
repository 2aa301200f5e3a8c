"""``rendertrust admin credits``: grants, adjustments and refunds by an admin, with audit."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import click

from web.commands.admin_command import (
    ID,
    UNKNOWN,
    act,
    answer_of,
    as_requested,
    committed,
    whole_id,
    with_database,
)
from web.commands.options import where_options

if TYPE_CHECKING:
    from actors.ledger.messages import Commit, Outcome
    from sql.database import Database
    from sql.users import UserRow

Plan: TypeAlias = (
    "tuple[Commit, UserRow, int, str]"  # the commit, its user, the amount, and a description
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that grants, adjustments and refunds share."""
    for option in (
        where_options,
        click.option("--reason", required=True, help="The reason for the audit log."),
        click.option("--description", default="", help="The text in the user's history."),
        click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
    ):
        command = option(command)
    return command


key_option = click.option(
    "--key",
    help="An idempotency key: repeating the command with the same key has no further effect.",
)


@click.group("credits")
def credits_() -> None:
    """Grant, adjust and refund a user's credits."""


@credits_.command
@click.argument("email")
@click.argument("amount")
@key_option
@options
def grant(*, email: str, amount: str, key: str | None, **given: Any) -> None:
    """Grant credits to the user with this EMAIL."""
    from web.money.credit_adjustments import GRANT

    body = checked("Grant", given, user_id=NOBODY, amount=amount)
    do(given, lambda database: movement(database, GRANT, email, body, key))


@credits_.command
@click.argument("email")
@click.option(
    "--by", "amount", required=True, help="Credits to add, like 2.5, or to remove, like -2.5."
)
@key_option
@options
def adjust(*, email: str, amount: str, key: str | None, **given: Any) -> None:
    """Adjust a user's balance up or down. Held credits are not touched."""
    from web.money.credit_adjustments import ADJUST

    body = checked("Adjustment", given, user_id=NOBODY, amount=amount)
    do(given, lambda database: movement(database, ADJUST, email, body, key))


@credits_.command
@click.argument("job", type=ID)
@click.option("--unit", type=click.IntRange(0), default=0, show_default=True)
@click.option("--amount", help="How many credits to refund (default: the whole charge).")
@options
def refund(*, job: UUID | str, unit: int, amount: str | None, **given: Any) -> None:
    """Refund the charge of a unit of a JOB. A unit is refunded once."""
    id_ = whole_id(given, "jobs_beginning", job)
    body = checked("Refund", given, job_id=str(id_), unit=unit, amount=amount)
    do(given, lambda database: refunding(database, body))


@credits_.command
@click.argument("email")
@where_options
def show(*, email: str, as_json: bool, **where: Any) -> None:
    """Show a user's balance and their last entries."""
    from rendertrust.money import render, shortened
    from sql.credits import Credits
    from sql.page import Page
    from web.http.responses import encode
    from web.routes.credits import shown

    async def work(database: "Database") -> Any:
        user, kept = await known(database, email), Credits(database)
        return await kept.balance(user.id), await kept.page(user.id, Page(20))

    balance, rows = with_database(where, work)
    entries = [shown(row) for row in rows]
    if as_json:
        amounts = {"balance": render(balance.balance), "held": render(balance.held)}
        click.echo(encode({**amounts, "entries": entries}))
        return
    click.echo(f"{credits_of(balance.balance)}, {figure_of(balance.held)} of them held")
    for entry in entries:
        sign = "-" if entry.direction == "DEBIT" else "+"
        words = (f"{entry.created_at:%Y-%m-%dT%H:%M:%SZ}", sign + shortened(entry.amount))
        click.echo(
            "\t".join(
                (*words, entry.source, entry.reference_id, " ".join(entry.description.split()))
            )
        )


NOBODY: Final = (
    "00000000-0000-0000-0000-000000000000"  # placeholder: the user is found by e-mail address
)


def checked(kind: str, given: dict[str, Any], **body: Any) -> Any:
    """Return the validated body; raise UsageError if the API would refuse it."""
    from web.routes import admin_credits

    said = {"reason": given["reason"], "description": given["description"], **body}
    return as_requested(getattr(admin_credits, kind), **said)


async def movement(database: "Database", name: str, email: str, body: Any, key: str | None) -> Plan:
    """Return the order for a grant or an adjustment, with what to show before it is confirmed."""
    from supervisors.engines.system_clock import SystemRandom
    from web.money.credit_adjustments import CreditMovement, order_of, reference_of
    from web.routes.admin_credits import signed

    user, units = await known(database, email), signed(body.amount)
    reference = reference_of(f"{name} console", key, SystemRandom().uuid)
    order = CreditMovement(name, user.id, units, reference, body.description)
    record = act(name, f"user:{user.id}", body.reason)
    what = "Remove {} from {}" if units < 0 else "Give {} to {}"
    return order_of(order, record), user, units, await told(database, what, user, units)


async def refunding(database: "Database", body: Any) -> Plan:
    """Return the order for a full or partial refund, with what to show before it is confirmed."""
    from rendertrust import money
    from sql.credits import Credits
    from sql.users import Users
    from web.money.credit_adjustments import REFUND, refund_of
    from web.routes.admin_credits import NO_UNIT, NOT_CHARGED, too_much

    unit = await Credits(database).charged_unit(body.job_id, body.unit)
    if unit is None:
        raise click.ClickException(NO_UNIT.detail)
    if unit.charged == 0:
        raise click.ClickException(NOT_CHARGED.detail)
    units = unit.charged if body.amount is None else money.parse(body.amount)
    if units > unit.charged:
        raise click.UsageError(too_much(unit.charged).detail)
    user = await Users(database).by_id(unit.user_id)
    assert user is not None, "a job has an owner, and users are never deleted"
    record = act(REFUND, f"user:{user.id}", body.reason)
    order = refund_of(unit, units, body.description, record)
    what = f"Refund {{}} of a charge of {figure_of(unit.charged)} to {{}}"
    return order, user, units, await told(database, what, user, units)


def do(given: dict[str, Any], plan: "Callable[[Database], Awaitable[Plan]]") -> None:
    """Ask for confirmation, commit, and print the outcome.

    No database connection stays open while the command waits for the confirmation.
    """
    order, user, units, what = with_database(given, plan)
    if not given["yes"]:
        click.echo(what, err=True)
        confirm_amount(units)
    [outcome] = committed(given, [order])
    tell(outcome, user, as_json=given["as_json"])


async def told(database: "Database", what: str, user: "UserRow", units: int) -> str:
    """Return text that says what is about to be done, and what the user's balance is."""
    from sql.credits import Credits

    before = await Credits(database).balance(user.id)
    held = f"{figure_of(before.held)} of them held"
    has = f"{user.name} has {credits_of(before.balance)}, {held}"
    return f"{what.format(credits_of(abs(units)), user.email)}. {has}."


def confirm_amount(units: int) -> None:
    """Ask for the amount again; raise ClickException if it differs.

    A removed amount may be typed with or without its sign.
    """
    from web.routes.admin_credits import signed

    nobody = "The amount was not confirmed"
    typed = answer_of(lambda: click.prompt("Type the amount again", err=True), nobody).strip()
    try:
        same = signed(typed) in (units, abs(units))
    except ValueError:
        same = False
    if not same:
        raise click.ClickException(f"{typed} is not {figure_of(abs(units))}: nothing was done")


def tell(outcome: "Outcome", user: "UserRow", *, as_json: bool) -> None:
    """Print the outcome; exit code 1 if nothing was done."""
    from actors.ledger.messages import InsufficientCredits, LedgerUnavailable, Posted, Replayed
    from rendertrust.money import credit_count
    from web.http.responses import encode
    from web.routes.credits import booked

    if isinstance(outcome, LedgerUnavailable):
        raise click.ClickException(f"{UNKNOWN}, under the same --key")
    if isinstance(outcome, InsufficientCredits):
        raise click.ClickException(
            f"{user.email} has {credits_of(outcome.available)} not held, too little to remove "
            f"{figure_of(outcome.requested)}: nothing was done"
        )
    if not isinstance(outcome, Posted | Replayed):
        raise click.ClickException(
            "The --key was used before with another amount: nothing was done"
        )
    entry, again = booked(outcome.entries[0]), isinstance(outcome, Replayed)
    if as_json:
        click.echo(encode({"user_id": user.id, "entry": entry, "replayed": again}))
        return
    told = "Already done" if again else "Done"
    click.echo(f"{told}: {user.email} had {credit_count(entry.balance_after)} after it.")


async def known(database: "Database", email: str) -> "UserRow":
    """Return the user; raise ClickException if there is none."""
    from sql.users import Users

    row = await Users(database).by_email(email)
    if row is None:
        raise click.ClickException(f"There is no user with the e-mail address {email}")
    return row


def credits_of(units: int) -> str:
    """Return an amount in 1/10,000 credit with its noun: ``1 credit``."""
    from rendertrust import money

    return money.credit_count(units)


def figure_of(units: int) -> str:
    """Return an amount in 1/10,000 credit as a decimal number of credits."""
    from rendertrust import money

    return money.plain(units)
