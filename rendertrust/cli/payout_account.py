"""``rendertrust earnings account``: the account to which a user's money is sent."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import value_text
from rendertrust.cli.account import VARIABLE, asked, from_stdin, secret, with_factor
from rendertrust.cli.command import Group
from rendertrust.cli.session import CliSession, is_interactive, pass_session

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rendertrust.client import AsyncClient, OwnPayoutAccount, PayoutAccount

ACCOUNT_ASKED: Final = "Account (an IBAN, or what the method needs)"
STOP_IT: Final = "Stop the change before then: rendertrust earnings account stop"
UNCONFIRMED: Final = (
    "Money cannot be sent to you until another account is set and its 72 hours are over: "
    "confirm it with --yes"
)


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def account(context: click.Context) -> None:
    """Show, change or remove the account to which your money is sent."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@account.command()
@pass_session
def show(session: CliSession) -> None:
    """Show the account by its end, and when payouts use it."""
    _tell(session, session.fetch(lambda client: client.payout_account(), people=True))


@account.command("set")
@click.option("--method", help="How the money is sent, such as SEPA.")
@click.option("--account", "to", help="Where to, such as an IBAN; asked for if it is left out.")
@click.option("--currency", help="Three letters, such as EUR.")
@from_stdin
@pass_session
def set_(
    session: CliSession,
    method: str | None,
    to: str | None,
    currency: str | None,
    *,
    password_stdin: bool,
) -> None:
    """Set or change the account. Payouts use it after 72 hours.

    If your address is verified, you get a mail, so that you can stop a change that is not yours.
    Your second factor is asked for, or your password if you have none.
    """
    how, where = asked("Method (such as SEPA)", method), asked(ACCOUNT_ASKED, to)
    money = asked("Currency (such as EUR)", currency).lower()
    session.warn_of_plain_http()
    is_given = password_stdin or bool(os.environ.get(VARIABLE))
    password = secret(from_input=password_stdin) if is_given else ""

    async def change(client: "AsyncClient") -> "OwnPayoutAccount":
        from rendertrust.api.refusal_code import RefusalCode, refusal_code
        from rendertrust.client import Forbidden

        def put(given: str) -> "Awaitable[OwnPayoutAccount]":
            return client.set_payout_account(how, where, money, password=given)

        try:
            return await with_factor(client, lambda: put(password))
        except Forbidden as error:
            if refusal_code(error.code) is not RefusalCode.PASSWORD_INCORRECT or password:
                raise
        return await put(secret(from_input=False))

    _tell(session, session.fetch(change, people=True))


@account.command()
@pass_session
def stop(session: CliSession) -> None:
    """Stop a change that waits; payouts go on using the earlier account."""
    session.run(lambda client: client.stop_payout_change(), people=True)
    session.output.document({"stopped": True})
    session.output.say("The change is stopped.")
    session.output.note("If it was not yours, change your password: rendertrust account password")


@account.command()
@click.option("--yes", is_flag=True, help="Do not ask again.")
@pass_session
def remove(session: CliSession, *, yes: bool) -> None:
    """Remove the account, also one that waits."""
    if not yes and not is_interactive():
        raise click.UsageError(UNCONFIRMED)
    if not yes and not click.confirm("Remove the account?", err=True):
        raise click.Abort
    session.run(lambda client: with_factor(client, client.remove_payout_account), people=True)
    session.output.document({"removed": True})
    session.output.say("The account is removed.")


def _tell(session: CliSession, found: "OwnPayoutAccount") -> None:
    waits, before = found.usable_at > datetime.now(UTC), found.until_then
    session.output.facts(
        {
            **_facts(found),
            "changed": value_text.stamp(found.changed_at),
            "used from": value_text.stamp(found.usable_at),
            "until then": None if not waits else _one_line(before),
        }
    )
    if waits:
        session.output.note(STOP_IT)


def _facts(found: "PayoutAccount") -> dict[str, str]:
    return {
        "method": value_text.harmless(found.method),
        "account": value_text.harmless(found.account),
        "currency": value_text.harmless(found.currency).upper(),
    }


def _one_line(before: "PayoutAccount | None") -> str:
    return "payouts of money wait" if before is None else " ".join(_facts(before).values())
