"""The price of credits: that of the cheapest package on sale in the farm's currency."""

from rendertrust.money import CreditPrice
from sql.skus import cheapest
from web.gateway import Gateway


async def credit_price(gateway: Gateway) -> CreditPrice | None:
    """Return the price of credits; None if nothing is sold in the currency of
    ``pricing.currency``.
    """
    settings = gateway.settings
    if not settings.takes_payments:
        return None
    sku = cheapest(await gateway.tables.skus.all(), settings.pricing.currency)
    return None if sku is None else CreditPrice(sku.amount, sku.units, sku.currency)
