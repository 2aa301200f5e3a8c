"""A database as one file: written by pg_dump, restored by pg_restore, atomically."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg

from sql.database_swap import (
    connected,
    database_of,
    has_role,
    in_database,
    make,
    server_major,
    swap,
)
from sql.migrate import MigrationError, check_release, migrations
from supervisors.engines.errors import EngineError
from supervisors.engines.postgres_tools import PostgresTools, run, tools_for
from supervisors.engines.secret import sync_folder

Tell = Callable[[str], None]
MAGIC: Final = b"PGDMP"
RESTORE: Final = ("--verbose", "--exit-on-error", "--single-transaction", "--no-owner")
_ROW = re.compile(r"^(\d+)\t(\w+)\t([0-9a-f]{64})\t", re.MULTILINE | re.ASCII)


def nothing_said(_: str) -> None:
    """Ignore progress."""


async def dump(dsn: str, file: Path, *, tell: Tell = nothing_said) -> None:
    """Write the database to ``file`` in pg_dump's custom format, as a consistent snapshot.

    A gateway may run at the same time. The file appears once it is complete and on disk. Raises
    EngineError.
    """
    async with connected(dsn) as connection:
        tools = tools_for(await server_major(connection))
    fresh = file.with_name(file.name + ".part")
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        program = tools.folder / "pg_dump"
        await run(program, dsn, "--format=custom", "--verbose", f"--file={fresh}", tell=tell)
        os.fsync(descriptor)
        fresh.rename(file)
        sync_folder(file.parent)
    finally:
        os.close(descriptor)
        fresh.unlink(missing_ok=True)


async def check(file: Path, tools: PostgresTools) -> None:
    """Raise EngineError unless ``file`` is a gateway's backup that this version can restore."""
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            raise EngineError(f"{file} is not a backup made by `rendertrust backup`")
    words = ("--data-only", "--table=schema_migrations", "--file=-", file)
    found = await run(tools.folder / "pg_restore", None, *words, tell=nothing_said)
    rows = _ROW.findall(found.decode("utf-8", "replace"))
    if not rows:
        raise EngineError(f"{file} is not a backup of a gateway's database")
    try:
        check_release(next((name for version, name, _ in rows if version == "1"), None))
    except MigrationError as error:
        raise EngineError(f"{file}: {error}") from error
    applied = {int(version): sha256 for version, _, sha256 in rows}
    known = {migration.version: migration.sha256 for migration in migrations()}
    if max(applied) > max(known):
        raise EngineError(
            f"{file} is from a newer version of RenderTrust (migration {max(applied)})"
        )
    if any(known[version] != sha256 for version, sha256 in applied.items()):
        raise EngineError(f"{file} has another schema than this version of RenderTrust")


async def restore(dsn: str, file: Path, *, tell: Tell = nothing_said) -> None:
    """Fill an empty database, as its owner, in one transaction. Raises EngineError."""
    async with connected(dsn) as connection:
        tools = tools_for(await server_major(connection))
        rights = await _make_role(connection)
    await check(file, tools)
    extra = () if rights else ("--no-privileges",)
    await run(tools.folder / "pg_restore", dsn, *RESTORE, *extra, file, tell=tell)


async def replace(dsn: str, file: Path, *, aside: str, tell: Tell = nothing_said) -> None:
    """Fill a fresh database and swap it with the current database, which is kept as ``aside``.

    Nothing changes until the fresh database is complete; then both names change at once. Raises
    EngineError.
    """
    fresh = f"{database_of(dsn)}_restoring"
    try:
        await make(dsn, fresh)
        await restore(in_database(dsn, fresh), file, tell=tell)
        await swap(dsn, fresh=fresh, aside=aside)
    except asyncpg.InsufficientPrivilegeError as error:
        raise EngineError(
            "The owner may not create or rename databases: grant CREATEDB, or restore into an"
            " empty database"
        ) from error
    except asyncpg.ObjectInUseError as error:
        raise EngineError("The database has open connections; nothing was changed") from error


async def _make_role(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Create the role for grants if it is missing.

    Return False if the role is missing and this connection may not create it.
    """
    if await has_role(connection):
        return True
    try:
        await connection.execute("CREATE ROLE rendertrust_app NOLOGIN")
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True
