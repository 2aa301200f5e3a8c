"""Rows of revocations, and the connection over which a gateway learns of new revocations."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import attrs

from sql.database import Database, Table, Unavailable, away
from sql.query_loader import QUERIES

CHANNEL: Final = "revocations"
READ_SECONDS: Final = 0.9  # shorter than the pause between two reads


@attrs.frozen
class Revocation:
    """A revocation. ``kind`` says what ``id`` names: session | token | key | node | user."""

    id: UUID
    kind: str
    expires_at: datetime  # when every token that it revokes has expired


@attrs.frozen
class Revoked:
    """The result of a read; ``horizon``: the transaction from which the next read begins."""

    horizon: int
    found: Sequence[Revocation]


class Revocations(Table):
    """Writes of revocations. Methods raise ``sql.database.Unavailable``."""

    async def insert(self, kind: str, ids: Iterable[UUID], expires_at: datetime) -> None:
        """Revoke ids explicitly. The queries that end a login, key or user revoke it themselves."""
        await self._database.execute("revocation_insert", list(ids), kind, expires_at)

    async def purge(self, before: datetime) -> None:
        """Delete revocations that expired before ``before``."""
        await self._database.execute("revocation_purge", before)


class RevocationFeed:
    """Reads revocations over a separate connection, as a busy pool must not delay them.

    ``hint`` is called when there is a new revocation; the receiver then calls ``read``.
    """

    def __init__(self, database: Database, hint: Callable[[], None]) -> None:
        self._database = database
        self._hint = hint
        self._connection: Any = None

    async def read(self, since: int, now: datetime) -> Revoked:
        """Return revocations from transaction ``since`` on that have not expired.

        Raises Unavailable after at most 0.9 s. A revocation may be returned more than once.
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
        """Close the connection; the next read opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None:
            # Stored before anything is awaited on it, so that a cancelled read closes it.
            self._connection = await self._database.open_unpooled()
            await self._connection.add_listener(CHANNEL, self._heard)
        connection: asyncpg.Connection[asyncpg.Record] = self._connection
        return connection

    def _heard(self, *_: object) -> None:
        self._hint()
