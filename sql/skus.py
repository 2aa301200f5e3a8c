"""SKUs: read by everyone, changed by admins with an audit record."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction

import attrs

from rendertrust.credit_packs import title_of
from sql.audit_log import Act, record
from sql.database import Table
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

    def title_of(self, units: int) -> str:
        """Return the title of a purchase of ``units``.

        Several packs, and packs at former terms, are named by their credits.
        """
        return self.title if units == self.units else title_of(units)


def cheapest(skus: Iterable[SkuRow], currency: str) -> SkuRow | None:
    """Return the SKU on sale in a currency whose credits cost least; None without any."""
    offers = (sku for sku in skus if sku.on_sale and sku.currency == currency)
    return min(offers, key=lambda sku: Fraction(sku.amount, sku.units), default=None)


class Skus(Table):
    async def all(self, *, withdrawn: bool = False) -> Sequence[SkuRow]:
        """Return the SKUs on sale, cheapest first; ``withdrawn``: also former ones."""
        return await self._database.rows(SkuRow, "skus_all", withdrawn)

    async def by_name(self, name: str) -> SkuRow | None:
        """Return one SKU, on sale or not."""
        return await self._database.row(SkuRow, "sku_by_name", name)

    async def put(self, sku: SkuRow, act: Act) -> SkuRow:
        """Insert or change an SKU, for purchases opened from now on."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(QUERIES["sku_put"], *attrs.astuple(sku))
            assert row is not None, "it was put"
            await record(connection, act)
        return SkuRow(**row)
