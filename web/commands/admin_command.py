"""Shared parts of the admin commands: database, reason, audit record, confirmation, a Ledger."""

import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import click

from rendertrust.cli.id_prefix import BEGINNING
from web.commands.database import database_of, said
from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from actors.ledger.messages import Commit, Outcome
    from sql.audit_log import Act
    from sql.database import Database
    from sql.halts import Halts, Kept

T = TypeVar("T")

BOOKS_SECONDS: Final = 10.0
UNKNOWN: Final = (
    "The ledger does not answer, so this may or may not have been done. Check before you try again"
)


def _reason(_: click.Context, __: click.Parameter, value: str) -> str:
    if not 1 <= len(value) <= 500:
        raise click.BadParameter("the reason must have 1 to 500 characters")
    return value


required_reason = click.option(
    "--reason", required=True, callback=_reason, help="The reason for the audit log."
)
optional_reason = click.option(
    "--reason", default="at the console", show_default=True, help="The reason for the audit log."
)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config --data --json --reason`` to a command."""
    return where_options(optional_reason(command))


def act(name: str, target: str, reason: str, **details: Any) -> "Act":
    """Return the audit record of this action."""
    from sql.audit_log import Act
    from supervisors.engines.system_clock import SystemClock

    actor = f"console:{getpass.getuser()}"
    return Act(SystemClock().now(), None, actor, name, target, reason, "", details)


def with_database(where: dict[str, Any], work: "Callable[[Database], Awaitable[T]]") -> T:
    """Run ``work`` with the database that ``--config`` and ``--data`` name; return its result."""
    from sql.database import Database, Unavailable

    async def run() -> T:
        async with database_of(settings_from(None, None, where["data"], where["config"])) as there:
            database = Database(lambda: there.app_dsn)
            try:
                return await work(database)
            except Unavailable as error:
                raise click.ClickException(f"The database does not answer: {error}") from error
            finally:
                await database.close()

    done: T = said(run())
    return done


class BeginningParam(click.types.UUIDParameterType):
    """An id, or the beginning of one, which ``whole_id`` completes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the UUID, or the beginning as text; raise a usage error for other texts."""
        if isinstance(value, UUID):
            return value
        with suppress(ValueError):
            return UUID(str(value).strip())
        return BEGINNING.convert(value, param, ctx)


ID: Final = BeginningParam()


def whole_id(where: dict[str, Any], query: str, given: UUID | str) -> UUID:
    """Return the only id that begins as given, among those of ``query``."""
    from web.console.forms import ids_beginning

    if isinstance(given, UUID):
        return given
    span = ids_beginning(given)
    rows = with_database(where, lambda database: database.all(query, *span, None)) if span else ()
    found: list[UUID] = [row["id"] for row in rows]
    if len(found) == 1:
        return found[0]
    if not found:
        raise click.ClickException(f"No id begins with {given}")
    listed = "\n".join(f"  {id_}" for id_ in found)
    raise click.ClickException(f"Several ids begin with {given}; type more characters:\n{listed}")


def as_requested(kind: type[T], /, **given: Any) -> T:
    """Return the validated values; raise UsageError if the API would refuse them."""
    from web.http.converter import structure

    read = structure(given, kind)
    if isinstance(read, list):
        raise click.UsageError("; ".join(f"{fault.field} {fault.message}" for fault in read))
    return read


def require_confirmation(what: str, *, yes: bool) -> None:
    """Ask for confirmation unless ``yes`` is set; raise ClickException if the answer is no."""
    if yes:
        return
    if not answer_of(lambda: click.confirm(f"{what}?", err=True), "Not confirmed"):
        raise click.ClickException("Nothing was done")


def answer_of(ask: Callable[[], T], nobody: str) -> T:
    """Call ``ask``, which asks a question on the terminal, and return the answer.

    Raise UsageError with the text ``nobody`` if there is no terminal.
    """
    try:
        return ask()
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        raise click.UsageError(f"{nobody}: use --yes to skip the question") from error


def committed(where: dict[str, Any], orders: "Sequence[Commit]") -> "Sequence[Outcome]":
    """Commit the orders in turn; return the outcomes up to the first that was not done."""
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
    """Raise ClickException with the reason if writing is stopped."""
    halt = await halts_of(settings, database).now()
    if halt is not None:
        raise click.ClickException(f"The books are halted, nothing was done: {halt.text}")


def decided(where: dict[str, Any], orders: "Sequence[Commit]") -> None:
    """Commit the orders in turn.

    Raise ClickException unless each order is done now or was done before.
    """
    from actors.ledger.messages import Posted, Replayed

    for outcome in committed(where, orders):
        if not isinstance(outcome, Posted | Replayed):
            raise click.ClickException(said_of(outcome))


def said_of(outcome: "Outcome") -> str:
    """Return why an order was not done."""
    from actors.ledger.messages import DataRefused, GuardFailed, GuardReason

    if isinstance(outcome, DataRefused):
        return f"The database refused it: {outcome.error}"
    if not isinstance(outcome, GuardFailed):
        return UNKNOWN
    if outcome.found is GuardReason.ABSENT:
        return "It no longer exists"
    return f"It is {outcome.found.lower()} already: nothing was done"


def kept_head(settings: Any) -> "Kept":
    """Return the checkpoint in the data folder of this gateway, if it is readable."""
    from config.data_folder import data_folder
    from web.log.newest_checkpoint import FileMemory, memory_file

    path = memory_file(data_folder(settings))
    return FileMemory(path).head if os.access(path, os.R_OK) else None


def halts_of(settings: Any, database: "Database") -> "Halts":
    """Return the halts that apply to a gateway with these settings."""
    from sql.halts import Halts

    head = kept_head(settings)
    return Halts(database, chain=bool(settings.chain.url), seen=lambda: head)
