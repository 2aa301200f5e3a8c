"""What a node that lies gains, by the rules of sampling, fines and clawback alone.

    python -m tests.simulation.economy [--units 10000] [--runs 20] [--seed 1]

Each strategy delivers so many units, one after the other, in several runs; a lie costs its author
nothing, and is found whenever it is compared. ``gain`` is what he was paid for lies, less his fines
and, where he ordered work of himself, what that cost him; in shares of a usual unit, for each lie.
Honest work is paid beside it, as it is to everybody, and is left out. Who is always compared gains
nothing; whoever is not gains less than nothing.
"""

import argparse
import random
import sys
from collections import deque
from collections.abc import Callable
from typing import Final
from uuid import UUID

import attrs

from sql.reputation import STRIKES_MOST, Record
from sql.sampling import OVERLOADED_SECONDS, covered_odds, fine_of, odds_of

LEAST_ODDS: Final = 0.05
MATURES_AFTER: Final = 300  # units of his own, until a share is payable
SHARE: Final = 1000
GATEWAYS_PART: Final = 0.3  # of a price: what one's own orders cost
CLASS: Final = "cpu"


@attrs.define
class Pending:
    """A share that has not matured."""

    amount: int
    is_lie: bool
    was_compared: bool
    delivered: int


@attrs.define
class Account:
    """An owner with one node."""

    letters: str = ""
    pending: deque[Pending] = attrs.field(factory=deque[Pending])

    @property
    def records(self) -> list[Record]:
        return [Record(UUID(int=1), CLASS, False, "", self.letters)]

    @property
    def is_out(self) -> bool:
        return self.letters.count("m") >= STRIKES_MOST


@attrs.define
class Market:
    """The gateway, and one person with any number of accounts; ``gain`` is of his lies."""

    chance: random.Random
    account: Account = attrs.field(factory=Account)
    delivered: int = 0
    lies: int = 0
    gain: float = 0.0
    is_overloaded: bool = False

    def begin_anew(self) -> None:
        """Leave the account: what is pending matures unless it was held back by then."""
        self.mature(all_of_it=True)
        self.account = Account()

    def deliver(self, *, lie: bool, share: int = SHARE, is_own: bool = False) -> None:
        """One more unit. Of his own orders a valid one is no sign of honesty."""
        if self.account.is_out:
            self.begin_anew()
        account = self.account
        self.mature()
        self.delivered += 1
        self.lies += lie
        waited = 2 * OVERLOADED_SECONDS if self.is_overloaded else 0.0
        pending = sum(one.amount for one in account.pending)
        record = odds_of(account.records, CLASS, waited, LEAST_ODDS)
        odds = max(record, covered_odds(share, pending))
        if is_own:
            self.gain -= share * GATEWAYS_PART / (1 - GATEWAYS_PART)
        compared = self.chance.random() < odds
        if compared and lie:
            self._find_out(share, odds)
            return
        if compared and not is_own:
            account.letters += "v"
        account.pending.append(Pending(share, lie, compared, self.delivered))

    def _find_out(self, share: int, odds: float) -> None:
        """The strike, the fine, and the clawback of every lie that is pending."""
        account = self.account
        account.letters += "m"
        left = fine_of(share, odds)
        while left > 0 and account.pending:
            one = account.pending.pop()
            left -= one.amount
            self.gain -= 0 if one.is_lie else one.amount
        account.pending = deque(one for one in account.pending if not one.is_lie)

    def mature(self, *, all_of_it: bool = False) -> None:
        """Pay the shares that are due, or all of them."""
        pending = self.account.pending
        while pending and (all_of_it or pending[0].delivered <= self.delivered - MATURES_AFTER):
            one = pending.popleft()
            self.gain += one.amount if one.is_lie else 0


Strategy = Callable[[Market, int], None]


def always(market: Market, units: int) -> None:
    """Every result is a lie; a new account after three strikes."""
    for _ in range(units):
        market.deliver(lie=True)


def now_and_then(market: Market, units: int) -> None:
    """One result of twenty is a lie."""
    for _ in range(units):
        market.deliver(lie=market.chance.random() < 0.05)


def once_after_ten(market: Market, units: int) -> None:
    """Ten honest results, then a lie, and so on."""
    for number in range(units):
        market.deliver(lie=number % 11 == 10)


def new_account_every_ten(market: Market, units: int) -> None:
    """Ten honest results that are all compared, then one lie, and the account is left."""
    for number in range(units):
        market.deliver(lie=number % 11 == 10)
        if number % 11 == 10:
            market.begin_anew()


def one_for_each_window(market: Market, units: int) -> None:
    """At most one lie is pending at a time, among much honest work."""
    for number in range(units):
        market.deliver(lie=number % MATURES_AFTER == MATURES_AFTER - 1)


def after_all_has_matured(market: Market, units: int) -> None:
    """Honest until nothing of a good record is pending, then lies: nothing is left to be fined."""
    for number in range(units):
        if number % 60 == 50:
            market.mature(all_of_it=True)
        market.deliver(lie=number % 60 >= 50)


def cheap_frames(market: Market, units: int) -> None:
    """Lies are told of frames alone that cost a tenth of the others."""
    for number in range(units):
        is_cheap = number % 3 == 2
        market.deliver(lie=is_cheap, share=SHARE // 10 if is_cheap else SHARE)


def dear_frames(market: Market, units: int) -> None:
    """Lies are told of frames alone that cost fifty times as much as the others."""
    for number in range(units):
        is_dear = number % 50 == 49
        market.deliver(lie=is_dear, share=SHARE * 50 if is_dear else SHARE)


def own_orders(market: Market, units: int) -> None:
    """A hundred cheap frames that he ordered himself, then lies about those of others."""
    for number in range(units):
        is_own = number % 120 < 100
        market.deliver(lie=not is_own, share=SHARE // 20 if is_own else SHARE, is_own=is_own)


def two_owners(market: Market, units: int) -> None:
    """Two accounts in turns, one of which lies until it has two strikes, and rests then."""
    accounts = [Account(), Account()]
    for number in range(units):
        market.account = accounts[number % 2]
        is_liar = number % 2 == 1 and market.account.letters.count("m") < STRIKES_MOST - 1
        market.deliver(lie=is_liar and market.chance.random() < 0.3)
        accounts[number % 2] = market.account


def flood(market: Market, units: int) -> None:
    """While the verifiers have far too much to do, one result of ten is a lie."""
    market.is_overloaded = True
    for _ in range(units):
        market.deliver(lie=market.chance.random() < 0.1)


STRATEGIES: Final[tuple[Strategy, ...]] = (
    *(always, now_and_then, once_after_ten, new_account_every_ten, one_for_each_window),
    *(after_all_has_matured, cheap_frames, dear_frames, own_orders, two_owners, flood),
)


def gain_of(strategy: Strategy, units: int, runs: int, seed: int) -> float:
    """Return what each lie gained, in shares of a usual unit."""
    markets = [Market(random.Random(seed + run)) for run in range(runs)]
    for market in markets:
        strategy(market, units)
        market.begin_anew()
    return sum(one.gain for one in markets) / SHARE / sum(one.lies for one in markets)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = {one: gain_of(one, given.units, given.runs, given.seed) for one in STRATEGIES}
    for strategy, gain in found.items():
        name = strategy.__name__.replace("_", " ")
        print(f"{name:24} {gain:8.3f} shares for each lie")  # noqa: T201 - its output
    return 0 if all(gain <= 0 for gain in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
