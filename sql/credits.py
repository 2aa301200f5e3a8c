"""A user's balance and entries. Only the Ledger writes them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database
from sql.gathering import Gathering


@attrs.frozen
class Balance:
    """In units; ``held`` is part of ``balance``."""

    balance: int
    held: int


@attrs.frozen
class EntryRow:
    """One entry, from the view of its account: a negative amount is a debit."""

    id: UUID
    entry_id: int
    amount: int
    kind: str
    reference: str
    after: int
    description: str
    created_at: datetime


class Credits:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._balances = Gathering(self._balances_of)

    async def balance(self, user: UUID) -> Balance:
        return await self._balances.get(user)

    async def _balances_of(self, users: Sequence[UUID]) -> Sequence[Balance]:
        return [Balance(**row) for row in await self._database.all("balance_of_users", users)]

    async def page(self, user: UUID, limit: int, offset: int) -> Sequence[EntryRow]:
        """A page of the user's entries, newest first."""
        rows = await self._database.all("entries_of_user", user, limit, offset)
        return [EntryRow(**row) for row in rows]

    async def count(self, user: UUID) -> int:
        row = await self._database.one("entries_count", user)
        return 0 if row is None else int(row["count"])
