"""SKUs: read by everyone, changed by admins with an audit record."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from sql.audit import Act, record
from sql.database import Database
from sql.query_loader import QUERIES


@attrs.frozen
class SkuRow:
    """An SKU. ``units``: credits in units; ``amount``: money, in the currency's smallest unit."""

    name: str
    title: str
    units: int
    amount: int
    currency: str
    on_sale: bool
    changed_at: datetime


class Skus:
    """Each method raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, *, withdrawn: bool = False) -> Sequence[SkuRow]:
        """Return the SKUs on sale, cheapest first; ``withdrawn``: also former ones."""
        return [SkuRow(**row) for row in await self._database.all("skus_all", withdrawn)]

    async def by_name(self, name: str) -> SkuRow | None:
        """Return one SKU, on sale or not."""
        row = await self._database.one("sku_by_name", name)
        return None if row is None else SkuRow(**row)

    async def put(self, sku: SkuRow, act: Act) -> SkuRow:
        """Insert or change an SKU, for purchases opened from now on."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(QUERIES["sku_put"], *attrs.astuple(sku))
            assert row is not None, "it was put"
            await record(connection, act)
        return SkuRow(**row)
