"""Purchases as the checkout reads them. Only the Ledger writes them."""

from collections.abc import Sequence
from uuid import UUID

from sql.database import Database
from sql.jobs import StoredAnswer
from sql.purchase_rows import PurchaseRow, row_values


class Purchases:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_user(self, purchase: UUID, user: UUID) -> PurchaseRow | None:
        """Return one purchase of this user."""
        row = await self._database.one("purchase_of_user", purchase, user)
        return None if row is None else PurchaseRow(**row_values(PurchaseRow, row))

    async def page(self, user: UUID, limit: int) -> Sequence[PurchaseRow]:
        """Return the user's paid and open purchases, newest first."""
        rows = await self._database.all("purchases_newest", user, limit)
        return [PurchaseRow(**row_values(PurchaseRow, row)) for row in rows]

    async def under_key(self, user: UUID, key: str) -> StoredAnswer | None:
        """Return the stored answer under the user's idempotency key."""
        row = await self._database.one("purchase_under_key", user, key)
        return None if row is None else StoredAnswer(row["request"], row["answer"])
