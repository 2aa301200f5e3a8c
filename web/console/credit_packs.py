"""Packs of credits as cards: the price of a credit, and what one saves."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import attrs

from rendertrust import money
from sql.skus import SkuRow

PLACES: Final = Decimal("0.0001")  # to which the price of a credit is rounded


@attrs.frozen
class CreditPack:
    """A pack of credits on sale.

    ``each``: the price of a credit, such as ``0.07``. ``saves``: in percent, compared with the pack
    in the same currency whose credits cost most.
    """

    sku: SkuRow
    each: str
    saves: int


def packs_of(skus: Sequence[SkuRow]) -> Sequence[CreditPack]:
    """Return the packs in the order of the SKUs."""
    rates = {sku.name: Fraction(sku.amount, sku.units) for sku in skus}
    dearest = defaultdict[str, Fraction](Fraction)
    for sku in skus:
        dearest[sku.currency] = max(dearest[sku.currency], rates[sku.name])
    return [
        CreditPack(sku, each_of(sku), int((1 - rates[sku.name] / dearest[sku.currency]) * 100))
        for sku in skus
    ]


def each_of(sku: SkuRow) -> str:
    """Return the price of a credit, with the decimals of the currency or more if needed."""
    whole = money.in_currency(sku.amount, sku.currency)
    exact = (whole * money.UNITS_PER_CREDIT / sku.units).quantize(PLACES)
    usual = exact.quantize(whole)
    return f"{usual if usual == exact else exact.normalize():f}"
