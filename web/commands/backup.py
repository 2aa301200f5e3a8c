"""``rendertrust backup|restore``: the database as one file. For objects see docs/OPERATIONS.md."""

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
BUSY: Final = "A gateway is using this database: stop it first"
FULL: Final = (
    "The database is not empty: restore into an empty one, or use --replace, which keeps the "
    "present one under another name"
)


@click.command
@click.argument("file", type=BACKUP)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@where_options
def backup(*, file: Path, force: bool, as_json: bool, **where: Path | None) -> None:
    """Write the database to FILE in pg_dump's custom format; gateways may keep running."""
    from supervisors.engines.database_archive import dump

    if file.exists() and not force:
        raise click.UsageError(f"{file} exists: choose another name, or use --force")
    if not file.parent.is_dir():
        raise click.UsageError(f"{file.parent} is not a folder")

    async def work() -> None:
        settings = settings_from(None, None, where["data"], where["config"])
        async with database_of(settings) as there:
            await dump(there.owner_dsn, file, tell=teller("dumping", quiet=as_json))

    said(work())
    size = file.stat().st_size
    told = (
        f"The database was written to {file} ({size:,} bytes). Back up the object store separately."
    )
    click.echo(orjson.dumps({"file": str(file), "bytes": size}) if as_json else told)


@click.command
@click.argument("file", type=BACKUP)
@click.option(
    "--replace",
    is_flag=True,
    help="Replace a database that is not empty; it is kept under another name.",
)
@where_options
def restore(*, file: Path, replace: bool, as_json: bool, **where: Path | None) -> None:
    """Fill an empty database from FILE and check the books. Stop all gateways first."""
    if not file.is_file():
        raise click.UsageError(f"{file} is not a file")
    settings = settings_from(None, None, where["data"], where["config"])
    tell = teller("restoring", quiet=as_json)
    with claimed(settings):
        kept, findings = said(_restored(settings, file, tell, replace=replace))
    if as_json:
        from web.http.responses import encode

        click.echo(encode({"file": str(file), "kept": kept, "findings": findings}))
    else:
        told(file, kept, findings)
    sys.exit(1 if findings else 0)


def told(file: Path, kept: str | None, findings: "Sequence[Finding]") -> None:
    """Print the result for people."""
    for found in findings:
        click.echo(f"{found.invariant} {found.subject}: {found.found}")
    books = f"{len(findings)} findings" if findings else "the books are in order"
    click.echo(f"Restored from {file}; {books}.")
    if kept is not None:
        click.echo(f"The previous database is kept as {kept}: `rendertrust db cleanup` drops it.")


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
