"""Rows of what was revoked, and the connection over which a gateway hears of it at once."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import attrs

from sql.database import Database, Unavailable
from sql.errors import away
from sql.query_loader import QUERIES

CHANNEL: Final = "revocations"
READ_SECONDS: Final = 0.9  # below the pause between two reads


@attrs.frozen
class Revocation:
    """``kind``: session | token | key | node | user, which says what ``id`` names."""

    id: UUID
    kind: str
    expires_at: datetime  # no token that it concerns lives longer


@attrs.frozen
class Revoked:
    """What a read found; ``horizon`` is where the next one begins."""

    horizon: int
    found: Sequence[Revocation]


class Revocations:
    """Writes; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, kind: str, ids: Iterable[UUID], expires_at: datetime) -> None:
        """Revoke; what ends a login, a key or a user does so by itself."""
        await self._database.execute("revocation_insert", list(ids), kind, expires_at)

    async def purge(self, before: datetime) -> None:
        """Forget those that expired before."""
        await self._database.execute("revocation_purge", before)


class RevocationFeed:
    """Reads over a connection of its own: a busy pool must not make a gateway refuse everybody.

    ``hint`` is called when something was revoked since; after that, read.
    """

    def __init__(self, database: Database, hint: Callable[[], None]) -> None:
        self._database = database
        self._hint = hint
        self._connection: Any = None

    async def read(self, since: int, now: datetime) -> Revoked:
        """What was revoked from transaction ``since`` on, and has not expired. Raises Unavailable.

        Within 0.9 s; what was found once may be found again.
        """
        try:
            async with asyncio.timeout(READ_SECONDS):
                connection = await self._connected()
                rows = await connection.fetch(QUERIES["revocation_since"], since, now)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception) and away(error):
                raise Unavailable(type(error).__name__) from error
            raise
        found = [Revocation(r["id"], r["kind"], r["expires_at"]) for r in rows if r["id"]]
        return Revoked(rows[0]["horizon"], found)

    def close(self) -> None:
        """Cut the connection; the next read makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None:
            # Kept before anything is awaited on it, so that a read that is cut closes it.
            self._connection = await self._database.apart()
            await self._connection.add_listener(CHANNEL, self._heard)
        connection: asyncpg.Connection[asyncpg.Record] = self._connection
        return connection

    def _heard(self, *_: object) -> None:
        self._hint()
