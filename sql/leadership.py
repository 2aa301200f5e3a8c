"""Leadership in PostgreSQL: advisory locks held by one connection of the gateway."""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg

from sql.database import WITHIN_SECONDS, Database, Unavailable, away
from sql.halts import Halts
from sql.query_loader import QUERIES

# The server ends a connection that has sent no query for this long: its gateway hangs, or its
# machine is gone. A leader queries more often.
IDLE_SECONDS: Final = 60.0
LOCKS: Final = {"auditor": 0x72656E64_0001, "lifeline": 0x72656E64_0002}
WRITING: Final = frozenset({"lifeline"})  # roles that write to the books


class SqlLeadership:
    """Leadership by advisory locks over a separate connection, which is reopened when it breaks.

    ``halts`` says whether this gateway may write. While only this gateway must not write, it gives
    up the roles that write.
    """

    def __init__(
        self, database: Database, halts: Halts, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._database, self._halts, self._idle_seconds = database, halts, idle_seconds
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._held: set[str] = set()
        self._turn = asyncio.Lock()

    async def leads(self, role: str) -> bool:
        """Return True if this gateway leads in the role now; see ``actors.ports.Leadership``."""
        try:
            async with asyncio.timeout(WITHIN_SECONDS), self._turn:
                return await self._leads(role)
        except Exception as error:
            if away(error):
                raise Unavailable(type(error).__name__) from error
            raise

    async def close(self) -> None:
        """Give up all roles."""
        self._drop()

    async def _leads(self, role: str) -> bool:
        if role in WRITING and await self._halts.only_here():
            await self._give_up(role)
            return False
        try:
            connection = await self._connected()
            name = "database_answers" if role in self._held else "leadership_take"
            values = () if role in self._held else (LOCKS[role],)
            row = await connection.fetchrow(QUERIES[name], *values)
        except BaseException:
            self._drop()  # the server then frees the locks, now or shortly
            raise
        assert row is not None, "the function returns one row"
        if "leads" in row and not row["leads"]:
            return False
        self._held.add(role)
        return True

    async def _give_up(self, role: str) -> None:
        """Give up one role and keep the other roles."""
        if role not in self._held or self._connection is None:
            return
        try:
            await self._connection.fetchrow(QUERIES["leadership_give_up"], LOCKS[role])
        except BaseException:
            self._drop()
            raise
        self._held.discard(role)

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._drop()
            self._connection = await self._database.open_unpooled()
            lasts = str(int(self._idle_seconds * 1000))
            await self._connection.fetchrow(QUERIES["leadership_lasts"], lasts)
        return self._connection

    def _drop(self) -> None:
        self._held.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(asyncpg.InterfaceError):  # the connection is closed
                connection.terminate()
