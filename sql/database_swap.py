"""Databases for a restore: a new database is created beside the current one, filled, and swapped in
atomically.

Names of databases cannot be parameters of statements, so they are quoted here.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlsplit

import asyncpg

from sql.query_loader import QUERIES

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
MAINTENANCE = "postgres"  # an unused database to connect to


def database_of(dsn: str) -> str:
    """Return the name of the database in a URL."""
    return unquote(urlsplit(dsn).path.removeprefix("/"))


def in_database(dsn: str, name: str) -> str:
    """Return the URL of another database, with the same server and role."""
    parts = urlsplit(dsn)
    query = f"?{parts.query}" if parts.query else ""
    # urlunsplit would drop the slashes before an empty host.
    return f"{parts.scheme}://{parts.netloc}/{quote(name)}{query}"


@asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Connection]:
    """Yield a connection that is closed afterwards."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def server_major(connection: Connection) -> int:
    """Return the server's major version."""
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000


async def is_empty(connection: Connection) -> bool:
    """Return True if the database has no tables."""
    return await _count(connection, "restore_tables") == 0


async def gateways(connection: Connection) -> int:
    """Count the gateways' connections to this database."""
    return await _count(connection, "restore_gateways")


async def has_role(connection: Connection) -> bool:
    """Return True if the application's role exists."""
    return await _count(connection, "restore_role") > 0


async def kept(connection: Connection) -> Sequence[str]:
    """Return the databases that a restore has set aside."""
    rows = await connection.fetch(QUERIES["restore_kept"])
    return [str(row["name"]) for row in rows]


async def make(dsn: str, name: str) -> None:
    """Create an empty database; replace a database of this name that a killed restore has left."""
    async with connected(in_database(dsn, MAINTENANCE)) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0")


async def swap(dsn: str, *, fresh: str, aside: str) -> None:
    """Rename the URL's database to ``aside``, and ``fresh`` to the URL's name, atomically."""
    name = quoted(database_of(dsn))
    async with connected(in_database(dsn, MAINTENANCE)) as connection, connection.transaction():
        await connection.execute(f"ALTER DATABASE {name} RENAME TO {quoted(aside)}")
        await connection.execute(f"ALTER DATABASE {quoted(fresh)} RENAME TO {name}")


async def drop(dsn: str, name: str) -> None:
    async with connected(in_database(dsn, MAINTENANCE)) as connection:
        await connection.execute(f"DROP DATABASE {quoted(name)} WITH (FORCE)")


def quoted(name: str) -> str:
    """Quote an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


async def _count(connection: Connection, query: str) -> int:
    row: Any = await connection.fetchrow(QUERIES[query])
    return int(row["count"])
