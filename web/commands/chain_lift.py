"""``rendertrust chain reopen --lift``: a halt that was wrong ends, and no epoch begins."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from web.commands.console import act
from web.commands.database import database_of, said
from web.commands.deciding import sure
from web.commands.halted import halts_of

if TYPE_CHECKING:
    from sql.database import Database
    from sql.halt import Halt

ACT: Final = "chain.lift"
NOTHING: Final = "There is nothing to lift: nothing is halted"
BY_THE_CHAIN: Final = (
    "The chain halts this, not what a gateway keeps, and it would again: `rendertrust chain reopen`"
    " without --lift asks the chain, and ends the halt where that agrees"
)
OF_ALL: Final = (
    "Whoever was shown that checkpoint is told that the log was forked. Say that this database is"
    " the newest one, and go on"
)
OF_THE_FILE: Final = (
    "What it says of an older database that was put back is lost. Say that this database is the"
    " newest one, put the file aside, and go on"
)


def lift(settings: Any, reason: str, *, yes: bool) -> dict[str, Any]:
    """What was lifted. The chain is not asked: it may be away, and is none of this."""

    async def run() -> dict[str, Any]:
        from sql.database import Database, Unavailable

        async with database_of(settings) as there:
            database = Database(lambda: there.app_dsn)
            try:
                return await _lifted(settings, database, reason, yes=yes)
            except Unavailable as error:
                raise click.ClickException(f"The database does not answer: {error}") from error
            finally:
                await database.close()

    done: dict[str, Any] = said(run())
    return done


async def _lifted(settings: Any, database: "Database", reason: str, *, yes: bool) -> dict[str, Any]:
    from sql.halt import BEHIND, OF_ONE_GATEWAY

    halt = await halts_of(settings, database).now()
    if halt is None:
        raise click.ClickException(NOTHING)
    if halt.reason != BEHIND and halt.reason not in OF_ONE_GATEWAY:
        raise click.ClickException(BY_THE_CHAIN)
    if not yes:
        click.echo(f"Halted: {halt.found}.", err=True)
    await asyncio.to_thread(sure, OF_ALL if halt.reason == BEHIND else OF_THE_FILE, yes=yes)
    aside = await _end(settings, database, halt, reason)
    return {"epoch": None, "lifted": halt.found, "aside": aside}


async def _end(settings: Any, database: "Database", halt: "Halt", reason: str) -> str | None:
    """End it, with the record. The file's new name, where it was put aside."""
    from config.data_folder import data_folder
    from sql.halt import BEHIND, lift_file, lift_head
    from supervisors.engines.system import SystemClock
    from web.log.log_memory import memory_file, put_aside

    details = {
        "halt": halt.reason,
        "was": halt.found,
        "origin": halt.origin,
        "size": halt.size,
        "root": None if halt.root is None else halt.root.hex(),
    }
    if halt.reason == BEHIND:
        await lift_head(database, halt, act(ACT, "log", reason, **details))
        return None
    path, at = memory_file(data_folder(settings)), SystemClock().now()
    aside = path.with_name(f"{path.name}.{at:%Y%m%dT%H%M%SZ}")
    try:
        told = act(ACT, "log", reason, **details, file=str(aside))
        await lift_file(database, lambda: put_aside(path, aside), told)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be put aside: {error}") from error
    return str(aside)
