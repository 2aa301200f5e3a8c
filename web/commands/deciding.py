"""What commands that decide share: a second look, and a Ledger of their own."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from web.commands.console import with_database

if TYPE_CHECKING:
    from actors.ledger.messages import Commit, Outcome
    from sql.database import Database

BOOKS_SECONDS: Final = 10.0
UNKNOWN: Final = (
    "The books do not answer: whether it was done is not known. Look, and call it again"
)


def _reason(_: click.Context, __: click.Parameter, value: str) -> str:
    if not 1 <= len(value) <= 500:
        raise click.BadParameter("it must have 1 to 500 characters")
    return value


REASON: Final = click.option(
    "--reason", required=True, callback=_reason, help="What the audit will say."
)


def sure(what: str, *, yes: bool) -> None:
    """The second look: nothing happens without a yes."""
    if yes:
        return
    try:
        agreed = click.confirm(f"{what}?", err=True)
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("Nobody said yes: --yes does without") from error
    if not agreed:
        raise click.ClickException("Nothing was done")


def decided(where: dict[str, Any], orders: "Sequence[Commit]") -> None:
    """Do them one after another. What was done before is as good; anything else is an error."""
    from actors.kernel import AskFailed
    from actors.ledger.messages import Posted, Replayed
    from supervisors.books_at_hand import books_at_hand

    async def work(database: "Database") -> "Outcome | None":
        async with books_at_hand(database) as ledger:
            for order in orders:
                outcome = await ledger.ask(order, within=BOOKS_SECONDS)
                if not isinstance(outcome, Posted | Replayed):
                    return outcome
        return None

    try:
        refused = with_database(where, work)
    except AskFailed as error:
        raise click.ClickException(UNKNOWN) from error
    if refused is not None:
        raise click.ClickException(said_of(refused))


def said_of(outcome: "Outcome") -> str:
    """Why it was not done."""
    from actors.ledger.messages import GuardFailed

    if isinstance(outcome, GuardFailed) and outcome.found:
        return f"It is {outcome.found.lower()} already: nothing was done"
    return UNKNOWN if not isinstance(outcome, GuardFailed) else "It is not there any more"
