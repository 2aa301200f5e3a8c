"""``rendertrust backup|restore``: the database as one file. For objects see docs/OPERATIONS.md."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from web.commands.database import claimed, database_of, said
from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sql.fsck import Finding

BACKUP: Final = click.Path(path_type=Path, dir_okay=False, resolve_path=True)
TRIAL: Final = "trial"  # folder of the data folder, while a backup is restored for trial
BUSY: Final = "A gateway is using this database: stop it first"
FULL: Final = (
    "The database is not empty: restore into an empty one, or use --replace, which keeps the "
    "present one under another name"
)


@click.command
@click.argument("file", type=BACKUP, required=False)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@where_options
def backup(*, file: Path | None, force: bool, as_json: bool, **where: Path | None) -> None:
    """Write the database to FILE in pg_dump's custom format; gateways may keep running.

    Without FILE, the backup gets a new file in backup.folder, with the time in its name.
    """
    from sql.database_swap import connected
    from sql.last_backup import note_backup
    from supervisors.engines.database_archive import dump
    from supervisors.engines.system_clock import SystemClock

    settings = settings_from(None, None, where["data"], where["config"])
    to = file or new_file(settings.backup.folder)
    if to.exists() and not force:
        raise click.UsageError(f"{to} exists: choose another name, or use --force")
    if not to.parent.is_dir():
        raise click.UsageError(f"{to.parent} is not a folder")

    def size_of() -> int:
        return to.stat().st_size

    async def work() -> None:
        async with database_of(settings) as there:
            at = SystemClock().now()
            await dump(there.owner_dsn, to, tell=teller("dumping", quiet=as_json))
            async with connected(there.owner_dsn) as connection:
                await note_backup(connection, at, await asyncio.to_thread(size_of))

    said(work())
    size = size_of()
    told = (
        f"The database was written to {to} ({size:,} bytes). Back up the object store separately."
    )
    click.echo(orjson.dumps({"file": str(to), "bytes": size}) if as_json else told)


def new_file(folder: str) -> Path:
    """Return the path of a new backup in the folder of the settings."""
    from supervisors.engines.system_clock import SystemClock

    if not folder:
        raise click.UsageError("Name a file, or set backup.folder")
    return Path(folder) / f"rendertrust-{SystemClock().now():%Y-%m-%dT%H%M%SZ}.dump"


@click.command
@click.argument("file", type=BACKUP)
@click.option(
    "--replace",
    is_flag=True,
    help="Replace a database that is not empty; it is kept under another name.",
)
@click.option(
    "--trial",
    is_flag=True,
    help="Restore into a separate database, check the books, and delete it; gateways may run.",
)
@where_options
def restore(*, file: Path, replace: bool, trial: bool, as_json: bool, **where: Path | None) -> None:
    """Fill an empty database from FILE and check the books. Stop all gateways first."""
    if not file.is_file():
        raise click.UsageError(f"{file} is not a file")
    if trial and replace:
        raise click.UsageError("Use either --trial or --replace")
    settings = settings_from(None, None, where["data"], where["config"])
    tell = teller("restoring", quiet=as_json)
    if trial:
        findings = said(_tried(settings, file, tell))
        if as_json:
            from web.http.responses import encode

            click.echo(encode({"file": str(file), "trial": True, "findings": findings}))
        else:
            told(file, None, findings, verb="Restored for trial")
        sys.exit(1 if findings else 0)
    with claimed(settings):
        kept, findings = said(_restored(settings, file, tell, replace=replace))
    if as_json:
        from web.http.responses import encode

        click.echo(encode({"file": str(file), "kept": kept, "findings": findings}))
    else:
        told(file, kept, findings)
    sys.exit(1 if findings else 0)


def told(
    file: Path, kept: str | None, findings: "Sequence[Finding]", *, verb: str = "Restored"
) -> None:
    """Print the result for people."""
    for found in findings:
        click.echo(f"{found.invariant} {found.subject}: {found.found}")
    books = f"{len(findings)} findings" if findings else "the books are in order"
    click.echo(f"{verb} from {file}; {books}.")
    if kept is not None:
        click.echo(f"The previous database is kept as {kept}: `rendertrust db cleanup` drops it.")


async def _tried(settings: Any, file: Path, tell: Callable[[str], None]) -> "Sequence[Finding]":
    """Restore into an embedded database that is deleted afterwards; return fsck's findings.

    If there are none, the trial is noted in the gateway's own database.
    """
    from config.data_folder import data_folder
    from rendertrust.file_lock import take
    from sql.database_swap import connected
    from sql.fsck import run_fsck
    from sql.last_backup import note_trial
    from sql.migrate import migrate
    from supervisors.engines import database_archive
    from supervisors.engines.engine_account import engine_account
    from supervisors.engines.postgres import EmbeddedPostgres
    from supervisors.engines.system_clock import SystemClock

    folder = data_folder(settings) / TRIAL
    with folder.with_suffix(".lock").open("ab") as lock:
        if not take(lock, wait=False):
            raise click.ClickException("Another trial is running: wait until it is done")
        shutil.rmtree(folder, ignore_errors=True)  # of a trial that was killed
        engine = EmbeddedPostgres(folder, account=engine_account())
        try:
            there = await engine.start()
            await database_archive.restore(there.owner_dsn, file, tell=tell)
            await migrate(there.owner_dsn)
            async with connected(there.app_dsn) as connection:
                findings = await run_fsck(connection)
        finally:
            await engine.stop()
            shutil.rmtree(folder, ignore_errors=True)
    if not findings:
        async with database_of(settings) as own, connected(own.owner_dsn) as connection:
            await note_trial(connection, SystemClock().now())
    return findings


async def _restored(
    settings: Any, file: Path, tell: Callable[[str], None], *, replace: bool
) -> "tuple[str | None, Sequence[Finding]]":
    """Restore the database.

    Return the name of the previous database, if there was one, and the findings of fsck.
    """
    from sql.database_swap import connected, is_empty
    from sql.fsck import run_fsck
    from sql.migrate import migrate, turn
    from supervisors.engines import database_archive

    async with database_of(settings, make=True) as there:
        dsn, kept = there.owner_dsn, None
        async with connected(dsn) as connection:
            await refuse_gateways(connection)
            empty = await is_empty(connection)
            if not empty and not replace:
                raise click.ClickException(FULL)
            if empty:
                async with turn(connection):
                    await database_archive.restore(dsn, file, tell=tell)
        if not empty:
            kept = name_aside(dsn)
            await database_archive.replace(dsn, file, aside=kept, tell=tell)
        await migrate(dsn)
        if settings.chain.url:
            await marked(there.app_dsn)
        async with connected(there.app_dsn) as connection:
            return kept, await run_fsck(connection)


async def marked(dsn: str) -> None:
    """Mark the database as restored: a gateway writes nothing until it has compared the log with
    the chain.
    """
    from sql.database import Database
    from sql.halts import RESTORED, Halt, write_halt
    from supervisors.engines.system_clock import SystemClock

    database = Database(lambda: dsn, connections=1)
    try:
        await write_halt(database, Halt(RESTORED, SystemClock().now()))
    finally:
        await database.close()


async def refuse_gateways(connection: Any) -> None:
    """Raise ClickException while a gateway is connected."""
    from sql.database_swap import gateways

    if await gateways(connection):
        raise click.ClickException(BUSY)


def name_aside(dsn: str) -> str:
    """Return the name under which the previous database is kept."""
    from sql.database_swap import database_of as name_of
    from supervisors.engines.system_clock import SystemClock

    return f"{name_of(dsn)}_before_{SystemClock().now():%Y%m%d%H%M%S}"


def teller(verb: str, *, quiet: bool) -> Callable[[str], None]:
    """Return a function that prints each table's name on stderr."""

    def tell(table: str) -> None:
        if not quiet:
            click.echo(f"{verb} {table}", err=True)

    return tell
