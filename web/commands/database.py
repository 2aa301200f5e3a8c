"""``rendertrust db``: migrates the schema, shows its version, drops old databases."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
import click
import orjson

from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from supervisors.engines.postgres import PostgresEndpoint

NO_SCHEMA = "The database has no schema, or an old one: run `rendertrust db migrate`"

NO_FOLDER = "{} is not a gateway's data folder; name it with --data (the demo's is DATA/gateway)"


@asynccontextmanager
async def database_of(settings: Any, *, make: bool = False) -> "AsyncGenerator[PostgresEndpoint]":
    """Yield the database of the settings: by URL, or in the data folder.

    With ``make``, a missing embedded database is created. Without it, a folder that has no database
    raises UsageError and stays unchanged.
    """
    from config.data_folder import data_folder
    from supervisors.engines.offline_postgres import embedded_database, kept_endpoint
    from supervisors.engines.postgres import PostgresEndpoint

    url = settings.database.url
    if url:
        yield PostgresEndpoint(settings.database.owner_url or url, url)
        return
    data = data_folder(settings)
    if not make and kept_endpoint(data) is None:
        raise click.UsageError(NO_FOLDER.format(data))
    async with embedded_database(data) as endpoint:
        yield endpoint


@contextmanager
def claimed(settings: Any) -> Generator[None]:
    """Lock the folder of an embedded database during the block, so that no gateway starts on it."""
    from config.data_folder import data_folder
    from config.loader import SettingsError
    from supervisors.engines.errors import FolderBusy
    from web.process.data_lock import claim

    if settings.database.url:
        yield
        return
    try:
        held = claim(data_folder(settings))
    except FolderBusy as error:
        raise click.ClickException(str(error)) from error
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    try:
        yield
    finally:
        os.close(held)


def said(work: Any) -> Any:
    """Run a coroutine and return its result; report an expected error in one line, with exit code
    1.
    """
    import asyncpg

    from sql.migrate import MigrationError
    from supervisors.engines.errors import EngineError

    try:
        return asyncio.run(work)
    except (EngineError, MigrationError) as error:
        raise click.ClickException(str(error)) from error
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise click.ClickException(NO_SCHEMA) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise click.ClickException(
            f"The database does not answer: {type(error).__name__}"
        ) from error


def named(settings: Any) -> str:
    """Return a name for the settings' database, without secrets."""
    from config.data_folder import data_folder

    url = settings.database.owner_url or settings.database.url
    if not settings.database.url:
        return f"the embedded database in {data_folder(settings)}"
    parts = urlsplit(url)
    return f"the database {parts.path.removeprefix('/')} at {parts.hostname}:{parts.port or 5432}"


@click.group("db")
def database() -> None:
    """Migrate the database's schema, or show its version."""


@database.command
@where_options
def migrate(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Bring the schema up to date; `serve` does this, too.

    Without a database in the settings, the command uses the embedded database, and creates it if it
    is missing.
    """
    from sql.migrate import migrate as apply

    settings = settings_from(None, None, data, config)
    where = named(settings)
    if not as_json:
        click.echo(f"migrating {where}", err=True)

    async def work() -> list[str]:
        async with database_of(settings, make=True) as endpoint:
            return await apply(endpoint.owner_dsn, application=endpoint.app_dsn)

    applied = said(work())
    if as_json:
        click.echo(orjson.dumps({"applied": applied, "database": where}))
    else:
        click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply")


@database.command
@where_options
def status(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Show applied, pending and newer migrations.

    Newer migrations are from a later version. The exit code is 1 if migrations are pending, or if
    this version cannot work with the newer ones.
    """
    from sql.migrate import status as read

    async def work() -> Any:
        async with database_of(settings_from(None, None, data, config)) as endpoint:
            return await read(endpoint.owner_dsn)

    found = said(work())
    if as_json:
        click.echo(orjson.dumps(attrs.asdict(found)))
    else:
        for name in found.applied:
            click.echo(f"applied {name}")
        for name in found.pending:
            click.echo(f"pending {name}")
        for name in found.newer:
            click.echo(f"newer {name}")
        if found.refused is not None:
            click.echo(found.refused, err=True)
    sys.exit(1 if found.pending or found.refused else 0)


@database.command
@click.option("--yes", is_flag=True, help="Drop the databases.")
@where_options
def cleanup(config: Path | None, data: Path | None, *, yes: bool, as_json: bool) -> None:
    """List databases that `restore --replace` has kept; with --yes, drop them."""
    from sql.database_swap import connected, drop, kept

    settings = settings_from(None, None, data, config)

    async def work() -> list[str]:
        async with database_of(settings) as endpoint:
            async with connected(endpoint.owner_dsn) as connection:
                databases = list(await kept(connection))
            for name in databases if yes else ():
                await drop(endpoint.owner_dsn, name)
            return databases

    found = said(work())
    if as_json:
        click.echo(orjson.dumps({"kept": found, "dropped": yes}))
        return
    for name in found:
        click.echo(f"{'dropped' if yes else 'kept'} {name}")
    if not found or not yes:
        click.echo("no databases are kept" if not found else "--yes drops them")
