"""A database beside another one: made, filled by whoever restores, and put in its place at once.

Names of databases are no parameters of statements: they are quoted here.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlsplit

import asyncpg

from sql.query_loader import QUERIES

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
MAINTENANCE = "postgres"  # where nobody works


def database_of(dsn: str) -> str:
    """The database that a URL names."""
    return unquote(urlsplit(dsn).path.removeprefix("/"))


def in_database(dsn: str, name: str) -> str:
    """The same place and role in another database."""
    parts = urlsplit(dsn)
    query = f"?{parts.query}" if parts.query else ""
    # Not by urlunsplit, which takes the slashes before an empty host away.
    return f"{parts.scheme}://{parts.netloc}/{quote(name)}{query}"


@asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Connection]:
    """A connection of one's own."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def server_major(connection: Connection) -> int:
    """The major version of the server."""
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000


async def is_empty(connection: Connection) -> bool:
    """Whether the database has no tables."""
    return await _count(connection, "restoring_tables") == 0


async def gateways(connection: Connection) -> int:
    """How many connections gateways have to this database."""
    return await _count(connection, "restoring_gateways")


async def has_role(connection: Connection) -> bool:
    """Whether there is the application's role."""
    return await _count(connection, "restoring_role") > 0


async def kept(connection: Connection) -> Sequence[str]:
    """Databases that a restore has put aside."""
    rows = await connection.fetch(QUERIES["restoring_kept"])
    return [str(row["name"]) for row in rows]


async def make(dsn: str, name: str) -> None:
    """A fresh database; what a killed run left under the name goes first."""
    async with connected(in_database(dsn, MAINTENANCE)) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0")


async def swap(dsn: str, *, fresh: str, aside: str) -> None:
    """``fresh`` becomes the URL's database, and that one ``aside``: both or neither."""
    name = quoted(database_of(dsn))
    async with connected(in_database(dsn, MAINTENANCE)) as connection, connection.transaction():
        await connection.execute(f"ALTER DATABASE {name} RENAME TO {quoted(aside)}")
        await connection.execute(f"ALTER DATABASE {quoted(fresh)} RENAME TO {name}")


async def drop(dsn: str, name: str) -> None:
    """Away with a database."""
    async with connected(in_database(dsn, MAINTENANCE)) as connection:
        await connection.execute(f"DROP DATABASE {quoted(name)} WITH (FORCE)")


def quoted(name: str) -> str:
    """An identifier as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


async def _count(connection: Connection, query: str) -> int:
    row: Any = await connection.fetchrow(QUERIES[query])
    return int(row["count"])
