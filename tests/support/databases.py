"""Fresh databases for tests, copied before they are needed and dropped in the background."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from sql.fsck import Finding, run_fsck
from supervisors.engines.postgres import PostgresEndpoint

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_numbers = itertools.count(1)


class Databases:
    """A pool of fresh copies of template databases; nobody may be connected to a template.

    Copying takes as long as a short test, so one copy is made in advance. All methods must run in
    the same event loop; ``close`` waits for copies and drops in progress.
    """

    def __init__(self, postgres: PostgresEndpoint) -> None:
        self._postgres = postgres
        self._ahead: dict[str, asyncio.Task[str]] = {}
        self._dropping: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None

    async def take(self, template: str) -> PostgresEndpoint:
        """Return a fresh database; pass it to ``drop`` afterwards."""
        ahead = self._ahead.pop(template, None) or self._copy_of(template)
        name = await ahead
        self._ahead[template] = self._copy_of(template)
        return PostgresEndpoint(
            owner_dsn=with_database(self._postgres.owner_dsn, name),
            app_dsn=with_database(self._postgres.app_dsn, name),
        )

    async def drop(self, database: PostgresEndpoint) -> None:
        """Start to drop the database and its connections; raise if an earlier drop failed."""
        await self._dropped()
        name = urlsplit(database.owner_dsn).path.removeprefix("/")
        statement = f"DROP DATABASE {name} WITH (FORCE)"
        self._dropping.add(asyncio.create_task(self._execute(statement)))

    async def close(self) -> None:
        await self._dropped()
        await asyncio.gather(*self._ahead.values())
        self._ahead.clear()
        if self._connection is not None:
            await self._connection.close()

    async def _dropped(self) -> None:
        # Clear the set first, so that a failed drop fails one test and no later test.
        dropping, self._dropping = self._dropping, set()
        await asyncio.gather(*dropping)

    def _copy_of(self, template: str) -> asyncio.Task[str]:
        return asyncio.create_task(self._copy(template))

    async def _copy(self, template: str) -> str:
        name = f"test_{next(_numbers)}"
        # Write files directly: copying pages through the write-ahead log takes three times as long.
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    async def _execute(self, sql: str) -> None:
        """Execute the statement on one long-lived connection.

        The first statement of a new connection would take twice as long. If a test has closed the
        connection, a new connection is opened.
        """
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._postgres.owner_dsn)
            await self._connection.execute(sql)


def with_database(dsn: str, database: str) -> str:
    """Return the DSN with another database name."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


@asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Connection]:
    """Yield a new connection and close it afterwards."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def execute(dsn: str, sql: str, *args: object) -> None:
    """Execute one statement on a connection of its own."""
    async with connected(dsn) as connection:
        await connection.execute(sql, *args)


async def fetch(dsn: str, sql: str, *args: object) -> list[asyncpg.Record]:
    """Return the rows of one query."""
    async with connected(dsn) as connection:
        return list(await connection.fetch(sql, *args))


async def fetchval(dsn: str, sql: str, *args: object) -> Any:
    """Return the first value of one query."""
    async with connected(dsn) as connection:
        return await connection.fetchval(sql, *args)


async def findings(dsn: str) -> Sequence[Finding]:
    """Return the findings of fsck."""
    async with connected(dsn) as connection:
        return await run_fsck(connection)
