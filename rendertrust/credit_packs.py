"""The cheapest packs of credits that have enough credits (pure)."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Protocol

import attrs

from rendertrust import money

AMOUNT_MAX: Final = 99_999_999  # of one payment, in the currency's smallest unit
PACKS_MAX: Final = 100  # packs in one purchase
KINDS_MAX: Final = 10  # kinds of packs in one purchase
TRIES_MAX: Final = 10_000  # numbers of packs that one search tries


class Pack(Protocol):
    """A pack of credits on sale. ``units``: credits in units; ``amount``: money, in the currency's
    smallest unit.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def units(self) -> int: ...
    @property
    def amount(self) -> int: ...
    @property
    def currency(self) -> str: ...


@attrs.frozen
class PackCount:
    """A number of packs of one kind."""

    pack: Pack
    quantity: int


@attrs.frozen
class PackOrder:
    """A purchase of packs of one currency, those with most credits first."""

    packs: tuple[PackCount, ...]

    @property
    def units(self) -> int:
        """The credits of the purchase."""
        return sum(each.pack.units * each.quantity for each in self.packs)

    @property
    def amount(self) -> int:
        """The price, in the currency's smallest unit."""
        return sum(each.pack.amount * each.quantity for each in self.packs)

    @property
    def quantity(self) -> int:
        """The number of packs."""
        return sum(each.quantity for each in self.packs)

    @property
    def currency(self) -> str:
        """The currency of the price."""
        return self.packs[0].pack.currency

    @property
    def title(self) -> str:
        """The title of the purchase, as the buyer pays it."""
        return self.packs[0].pack.title if self.quantity == 1 else title_of(self.units)

    @property
    def rank(self) -> tuple[int, int, int]:
        """The least is best: of equal prices more credits, of these fewer packs."""
        return self.amount, -self.units, self.quantity

    @property
    def more(self) -> list[dict[str, str | int]]:
        """The packs after the first, as the API takes them."""
        return [{"sku": each.pack.name, "quantity": each.quantity} for each in self.packs[1:]]


def title_of(units: int) -> str:
    """Return the title of a purchase of several packs: its credits."""
    return money.credit_count(units)


def enough_of(packs: Sequence[Pack], units: int) -> Sequence[PackOrder]:
    """Return the cheapest purchase of at least ``units`` in each currency.

    A currency in which one payment cannot be so large has none.
    """
    currencies = dict.fromkeys(pack.currency for pack in packs)
    searches = (
        PackSearch([pack for pack in packs if pack.currency == each]) for each in currencies
    )
    return [found for search in searches if (found := search.cheapest(max(units, 1))) is not None]


class PackSearch:
    """Search for the cheapest packs of one currency that have enough credits.

    Branch and bound: packs are tried by their price per credit, and a branch ends when the rest,
    at the price of the next pack, would cost more than the best purchase. After TRIES_MAX steps the
    best purchase so far counts, which is at least the cheapest of one kind.
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = sorted(
            packs, key=lambda pack: (Fraction(pack.amount, pack.units), -pack.units)
        )
        self._best: PackOrder | None = None
        self._limit = AMOUNT_MAX
        self._tries = 0

    def cheapest(self, units: int) -> PackOrder | None:
        """Return the best purchase of at least ``units``; None if no payment can be so large."""
        for pack in self._packs:
            self._offer((PackCount(pack, -(-units // pack.units)),))
        self._fill(0, units, ())
        return self._best

    def _fill(self, start: int, units: int, taken: tuple[PackCount, ...]) -> None:
        """Complete an order that lacks ``units`` with packs from the position ``start`` on."""
        paid = sum(each.pack.amount * each.quantity for each in taken)
        room = PACKS_MAX - sum(each.quantity for each in taken)
        for at in range(start, len(self._packs)):
            pack = self._packs[at]
            if paid + least_of(pack, units) > self._limit:
                return
            for quantity in range(min(-(-units // pack.units), room), 0, -1):
                self._tries += 1
                if self._tries > TRIES_MAX:
                    return
                order, rest = (*taken, PackCount(pack, quantity)), units - pack.units * quantity
                if rest <= 0:
                    self._offer(order)
                    continue
                later = self._packs[at + 1 :][:1] if len(order) < KINDS_MAX else []
                least = sum(least_of(each, rest) for each in later) + pack.amount * quantity
                if not later or paid + least > self._limit:
                    break
                self._fill(at + 1, rest, order)

    def _offer(self, packs: tuple[PackCount, ...]) -> None:
        """Remember the order if it can be paid at once and is the best so far."""
        order = PackOrder(tuple(sorted(packs, key=lambda each: -each.pack.units)))
        if order.quantity > PACKS_MAX or order.amount > self._limit:
            return
        if self._best is None or order.rank < self._best.rank:
            self._best, self._limit = order, order.amount


def least_of(pack: Pack, units: int) -> int:
    """Return what ``units`` cost at least at the price per credit of a pack."""
    return -(-units * pack.amount // pack.units)
