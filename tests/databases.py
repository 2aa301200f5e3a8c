"""Databases of tests' own: the next one is made while a test runs, the last one dropped."""

import asyncio
import itertools
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from supervisors.engines.postgres import PostgresEndpoint

_numbers = itertools.count(1)


class Databases:
    """Copies of templates, to which nobody may be connected. Copying takes as long as many a test.

    All methods are for one loop; ``close`` waits for what is still under way.
    """

    def __init__(self, postgres: PostgresEndpoint) -> None:
        self._postgres = postgres
        self._ahead: dict[str, asyncio.Task[str]] = {}
        self._dropping: set[asyncio.Task[None]] = set()

    async def take(self, template: str) -> PostgresEndpoint:
        """A fresh database; ``drop`` it afterwards."""
        ahead = self._ahead.pop(template, None) or self._copy_of(template)
        name = await ahead
        self._ahead[template] = self._copy_of(template)
        return PostgresEndpoint(
            owner_dsn=with_database(self._postgres.owner_dsn, name),
            app_dsn=with_database(self._postgres.app_dsn, name),
        )

    async def drop(self, database: PostgresEndpoint) -> None:
        """Connections and all. The one before must have gone: a failure is raised then."""
        await self._dropped()
        name = urlsplit(database.owner_dsn).path.removeprefix("/")
        statement = f"DROP DATABASE {name} WITH (FORCE)"
        self._dropping.add(asyncio.create_task(execute(self._postgres.owner_dsn, statement)))

    async def close(self) -> None:
        await self._dropped()
        await asyncio.gather(*self._ahead.values())
        self._ahead.clear()

    async def _dropped(self) -> None:
        # Emptied first: a failure is one test's, not every later one's too.
        dropping, self._dropping = self._dropping, set()
        await asyncio.gather(*dropping)

    def _copy_of(self, template: str) -> asyncio.Task[str]:
        return asyncio.create_task(self._copy(template))

    async def _copy(self, template: str) -> str:
        name = f"test_{next(_numbers)}"
        await execute(self._postgres.owner_dsn, f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


def with_database(dsn: str, database: str) -> str:
    """The same address and role in another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def execute(dsn: str, sql: str) -> None:
    """One statement on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
