"""SKUs: read by everyone, changed by admins with an audit record."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction

import attrs

from rendertrust import money
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


@attrs.frozen
class CreditPrice:
    """The price of credits: ``amount`` of the currency's smallest unit for ``units`` of 1/10,000
    credit.
    """

    amount: int
    units: int
    currency: str

    def of(self, units: int) -> int:
        """Return the price of some units in the currency's smallest unit, rounded half up."""
        return (2 * units * self.amount + self.units) // (2 * self.units)

    def is_below_smallest(self, units: int) -> bool:
        """Return whether some units cost less than the currency's smallest unit, but not 0."""
        return 0 < units * self.amount < self.units

    def text(self, units: int) -> str:
        """Return the price of some units for people: ``≈ 1,000.00 USD``, or ``under 0.01 USD``."""
        if not units:
            return money.format_price(0, self.currency)
        if self.is_below_smallest(abs(units)):
            return f"under {money.format_price(1, self.currency)}"
        sign = "-" if units < 0 else ""
        return f"≈ {sign}{money.format_price(self.of(abs(units)), self.currency)}"


def cheapest(skus: Iterable[SkuRow], currency: str) -> CreditPrice | None:
    """Return the lowest price per credit among the SKUs on sale in a currency; None without any."""
    offers = [
        CreditPrice(sku.amount, sku.units, sku.currency)
        for sku in skus
        if sku.on_sale and sku.currency == currency
    ]
    return min(offers, key=lambda offer: Fraction(offer.amount, offer.units), default=None)


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
