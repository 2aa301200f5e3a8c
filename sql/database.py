"""Stopgap until the room's own."""

import asyncio
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import asyncpg


class Unavailable(Exception):
    """The database is away."""


def load() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in resources.files("sql").joinpath("queries").iterdir():
        for block in re.split(r"^-- name: ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            name, _, text = block.partition("\n")
            found[name.strip()] = text.strip()
    return found


async def _init(connection: Any) -> None:
    pass


class Database:
    def __init__(self, dsn: Callable[[], str], connections: int = 8) -> None:
        self._dsn = dsn
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._queries = load()

    async def _ready(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                self._dsn(), min_size=1, max_size=self._connections, init=_init
            )
        return self._pool

    async def one(self, name: str, *args: Any) -> "asyncpg.Record | None":
        try:
            async with asyncio.timeout(2):
                return await (await self._ready()).fetchrow(self._queries[name], *args)
        except (
            OSError,
            TimeoutError,
            asyncpg.InterfaceError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
        ) as error:
            raise Unavailable(str(error)) from error

    async def all(self, name: str, *args: Any) -> "Sequence[asyncpg.Record]":
        return await (await self._ready()).fetch(self._queries[name], *args)

    async def execute(self, name: str, *args: Any) -> None:
        await (await self._ready()).execute(self._queries[name], *args)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


async def migrate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for file in sorted(resources.files("sql").joinpath("migrations").iterdir(), key=str):
            await connection.execute(file.read_text("utf-8"))
        await connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO rendertrust_app")
    finally:
        await connection.close()
