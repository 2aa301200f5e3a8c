"""Shared parts of the ``rendertrust admin`` commands: database, audit record, reason."""

import getpass
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from web.commands.database import database_of, said
from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from sql.audit import Act
    from sql.database import Database

T = TypeVar("T")

reason_option = click.option(
    "--reason", default="at the console", show_default=True, help="The reason for the audit log."
)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config --data --json --reason`` to a command."""
    return where_options(reason_option(command))


def act(name: str, target: str, reason: str, **details: Any) -> "Act":
    """Return the audit record of this action."""
    from sql.audit import Act
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
