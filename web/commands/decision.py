"""What commands that decide share: a second look, and a Ledger of their own."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from web.commands.admin_command import with_database
from web.commands.halt_state import halts_of
from web.commands.serve import settings_from

if TYPE_CHECKING:
    from actors.ledger.messages import Commit, Outcome
    from sql.database import Database

T = TypeVar("T")
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
    if not looked_again(lambda: click.confirm(f"{what}?", err=True), "Nobody said yes"):
        raise click.ClickException("Nothing was done")


def looked_again(ask: Callable[[], T], nobody: str) -> T:
    """What somebody answers; UsageError where ``nobody`` can."""
    try:
        return ask()
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        raise click.UsageError(f"{nobody}: --yes does without") from error


def committed(where: dict[str, Any], orders: "Sequence[Commit]") -> "Sequence[Outcome]":
    """What became of them, one after another, up to the first that was not done."""
    from actors.kernel import AskFailed
    from actors.ledger.messages import Posted, Replayed
    from supervisors.offline_ledger import offline_ledger

    async def work(database: "Database") -> "Sequence[Outcome]":
        await refuse_halted(settings_from(None, None, where["data"], where["config"]), database)
        outcomes: list[Outcome] = []
        async with offline_ledger(database) as ledger:
            for order in orders:
                outcomes.append(await ledger.ask(order, within=BOOKS_SECONDS))
                if not isinstance(outcomes[-1], Posted | Replayed):
                    break
        return outcomes

    try:
        return with_database(where, work)
    except AskFailed as error:
        raise click.ClickException(UNKNOWN) from error


async def refuse_halted(settings: Any, database: "Database") -> None:
    """ClickException, with the reason, where nothing may be written to the books."""
    halt = await halts_of(settings, database).now()
    if halt is not None:
        raise click.ClickException(f"The books are halted, nothing was done: {halt.text}")


def decided(where: dict[str, Any], orders: "Sequence[Commit]") -> None:
    """Do them one after another. What was done before is as good; anything else is an error."""
    from actors.ledger.messages import Posted, Replayed

    for outcome in committed(where, orders):
        if not isinstance(outcome, Posted | Replayed):
            raise click.ClickException(said_of(outcome))


def said_of(outcome: "Outcome") -> str:
    """Why it was not done."""
    from actors.ledger.messages import GuardFailed

    if isinstance(outcome, GuardFailed) and outcome.found:
        return f"It is {outcome.found.lower()} already: nothing was done"
    return UNKNOWN if not isinstance(outcome, GuardFailed) else "It is not there any more"
