"""The worth of credits in money, for people who read amounts of credits."""

from typing import TYPE_CHECKING, Self

import attrs

from rendertrust import money
from rendertrust.cli import value_text
from rendertrust.cli.output import Printer
from rendertrust.cli.session import CliSession
from rendertrust.money import CreditPrice

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient


@attrs.frozen
class MoneyWorth:
    """The price at which credits are shown as money; None if the gateway sells none."""

    output: Printer
    price: CreditPrice | None

    @classmethod
    def ask(cls, session: CliSession) -> Self:
        """Ask the gateway for the price, unless programs read the result."""
        return cls(session.output, None if session.output.json else session.run(_price))

    def of(self, amount: str) -> str:
        """Return what an amount of the API is worth, for a table: ``≈ 3.10 USD``."""
        return "-" if self.price is None else value_text.harmless(self.price.text(_units(amount)))

    def beside(self, amount: str) -> str:
        """Return an amount of the API with its worth: ``31 (≈ 3.10 USD)``."""
        return f"{self.output.amount(amount)}{self._bracket(amount)}"

    def counted(self, amount: str) -> str:
        """Return the same with its noun: ``31 credits (≈ 3.10 USD)``."""
        return f"{money.credit_count(amount)}{self._bracket(amount)}"

    def _bracket(self, amount: str) -> str:
        return "" if self.price is None or not _units(amount) else f" ({self.of(amount)})"


def _units(amount: str) -> int:
    units = money.parse(amount.removeprefix("-"), zero=True)
    return -units if amount.startswith("-") else units


async def _price(client: "AsyncClient") -> CreditPrice | None:
    found = await client.offers()
    for offer in found.skus:
        if offer.sku == found.cheapest:
            return CreditPrice(offer.amount, money.parse(offer.credits), offer.currency)
    return None
