"""Expected gain of nodes that lie, with sampling, fines and clawback.

    python -m tests.simulation.economy [--units 10000] [--runs 20] [--seed 1] [--markdown]

Prints what one lie gains under each strategy: computed from odds, fines and clawback, and simulated
over runs. ``gain`` is what the lies earned, less the fines on honest shares and the gateway's part
of an owner's own orders. ``gain`` is measured per lie, in shares of a usual unit. Earnings of
honest work are left out. A lie costs nothing to make.
"""

import argparse
import math
import random
import sys
from collections import defaultdict, deque
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from sql.reputation_rules import Record
from sql.sampling import OVERLOADED_SECONDS, covered_odds, fine_of, odds_of
from tests.simulation.strategies import (
    GATEWAYS_PART,
    SHARE,
    STRATEGIES,
    WINDOW,
    Life,
    Step,
    Strategy,
)

LEAST_ODDS: Final = 0.05
CLASS: Final = "cpu/avx2/5.2"
ERRORS: Final = 4.5  # standard errors by which simulation and computation may differ
NEGLIGIBLE: Final = 1e-12


ENOUGH: Final = 20  # valid results in a row; further valid results do not lower the odds
WORK_MOST: Final = ENOUGH * 50 * SHARE  # bound of the sum of shares; enough for the largest unit
Valid: TypeAlias = tuple[int, int]  # number of valid results in a row, and the sum of their shares


@cache
def record_odds(valid: Valid, share: int, *, is_overloaded: bool) -> float:
    """Return the odds that the record alone gives, without regard to what is at stake."""
    waited = 2 * OVERLOADED_SECONDS if is_overloaded else 0.0
    number, work = valid
    records = [Record(UUID(int=1), CLASS, False, "", "v" * number, work)]
    return odds_of(records, CLASS, waited, LEAST_ODDS, share)


def odds(valid: Valid, step: Step, pending: int) -> float:
    """Return the odds at which a delivery is drawn."""
    of_record = record_odds(valid, step.share, is_overloaded=step.is_overloaded)
    return max(of_record, covered_odds(step.share, pending))


def raised(valid: Valid, share: int) -> Valid:
    """Return the record after one more valid result."""
    number, work = valid
    return min(number + 1, ENOUGH), min(work + share, WORK_MOST)


@attrs.frozen
class Pending:
    """A share that has not matured; ``lie`` is the part of it that a lie earned."""

    amount: int
    lie: float
    number: int  # number of the delivery within the account's life


def lost_with(pending: list[Pending], step: Step, drawn_at: float) -> tuple[float, list[Pending]]:
    """Return the amount that an account loses when a lie is found, and the shares that stay
    pending.

    The fine takes the newest shares until it is paid; the clawback refunds the other lies. Fines
    for the other lies are ignored, so a lie gains at most the computed amount.
    """
    left, due, lost = [*pending], fine_of(step.share, drawn_at) if step.is_covered else 0, 0.0
    while due > 0 and left:
        one = left.pop()
        due -= one.amount
        lost += one.lie or one.amount
    lost += sum(one.lie for one in left)
    return lost, [one for one in left if not one.lie]


def cost_of(step: Step) -> float:
    """Return the cost of an owner's own order, beyond the share that the order earns back."""
    return step.share * GATEWAYS_PART / (1 - GATEWAYS_PART) if step.is_own else 0.0


# ── simulated ────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class Account:
    """One account of the owner who lies; its nodes are all of one device class."""

    valid: Valid = (0, 0)
    delivered: int = 0
    pending: deque[Pending] = attrs.field(factory=deque[Pending])
    stake: int = 0  # sum of the pending shares

    def mature(self, *, all_of_it: bool = False) -> None:
        """Pay out the shares whose dispute window is over, or all shares."""
        while self.pending and (all_of_it or self.pending[0].number < self.delivered - WINDOW):
            self.stake -= self.pending.popleft().amount

    def keep(self, step: Step) -> None:
        """Add the share of an accepted delivery to the pending shares."""
        lie = step.part * step.share if step.is_lie else 0.0
        self.pending.append(Pending(step.share, lie, self.delivered))
        self.stake += step.share


@attrs.define
class Market:
    """The gateway, and one owner with any number of accounts."""

    chance: random.Random
    units: int = 0
    lies: int = 0
    found: int = 0
    gain: float = 0.0

    def lead(self, life: Life) -> Iterator[None]:
        """Deliver the steps of an account's life one by one, until one of its lies is a strike."""
        account = Account()
        for step in life:
            account.delivered += 1
            account.mature(all_of_it=step.matures_first)
            chance = odds(account.valid, step, account.stake)
            if step.is_seen:
                chance = 1.0
            struck = False
            for _ in range(step.at_once):
                struck |= self._deliver(account, step, chance)
                yield
            if struck:
                return

    def _deliver(self, account: Account, step: Step, chance: float) -> bool:
        """Draw a delivery and decide it; return whether it is a strike."""
        self.units += 1
        self.gain -= cost_of(step)
        self.lies += step.is_lie
        drawn = self.chance.random() < chance
        is_found = drawn and self.chance.random() < step.found
        if step.is_lie and is_found:
            self.found += 1
            self.gain -= (1 - step.part) * step.share
            if step.is_strike:
                lost, left = lost_with([*account.pending], step, chance)
                self.gain -= lost
                account.pending = deque(left)
                account.stake = sum(one.amount for one in left)
            else:
                account.valid = (0, 0)
            return step.is_strike
        if drawn:
            account.valid = raised(account.valid, step.share)
        account.keep(step)
        self.gain += step.part * step.share if step.is_lie else 0.0
        return False


def simulate(strategy: Strategy, units: int, seed: int) -> Market:
    """Return the market after at least ``units`` units, taking the strategy's lives in turn."""
    market = Market(random.Random(seed))
    lives = [market.lead(life) for life in strategy.lives]
    for turn in count():
        number = turn % len(lives)
        try:
            next(lives[number])
        except StopIteration:
            if market.units >= units:
                return market
            lives[number] = market.lead(strategy.lives[number])
    raise AssertionError("there is always another turn")


@attrs.frozen
class Simulated:
    """Gain per lie, measured in shares, and its standard error over the runs."""

    gain: float
    error: float
    found: float  # fraction of the lies that were found


def simulated(strategy: Strategy, units: int, runs: int, seed: int) -> Simulated:
    """Return the mean gain over several runs."""
    markets = [simulate(strategy, units, seed + run) for run in range(runs)]
    lies = sum(one.lies for one in markets)
    gain = sum(one.gain for one in markets) / lies
    spread = sum((one.gain - gain * one.lies) ** 2 for one in markets) / max(runs - 1, 1)
    error = math.sqrt(spread * runs) / lies
    return Simulated(gain / SHARE, error / SHARE, sum(one.found for one in markets) / lies)


# ── computed ─────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class Sums:
    """Expected sums over the life of an account."""

    units: float = 0.0
    lies: float = 0.0
    gain: float = 0.0


def expected(strategy: Strategy) -> float:
    """Return the expected gain per lie, in shares.

    The gain is computed without random draws from the odds of each delivery, the probability of
    each record, and the loss if a lie is found. Each account is replaced when its life ends. So the
    gain per lie is a quotient of expected sums, in which each life is weighted by how often it
    begins.
    """
    sums = [expected_of(life) for life in strategy.lives]
    gain = sum(one.gain / one.units for one in sums)  # the accounts deliver units in turns
    return gain / sum(one.lies / one.units for one in sums) / SHARE


def expected_of(life: Life) -> Sums:
    """Return the expected sums over a life, which ends as soon as a lie is a strike."""
    # ``records``: the probability that the account is still in use, by its record
    sums, records = Sums(), {(0, 0): 1.0}
    pending: deque[Pending] = deque()
    for number, step in enumerate(life, 1):
        while pending and (step.matures_first or pending[0].number < number - WINDOW):
            pending.popleft()
        stake = sum(one.amount for one in pending)
        following, found_out = defaultdict[Valid, float](float), dict[float, float]()
        bursts = defaultdict[float, float](float)
        for valid, likely in records.items():
            if likely < NEGLIGIBLE:
                continue
            chance = 1.0 if step.is_seen else odds(valid, step, stake)
            if step.at_once > 1:
                bursts[chance] += likely
                continue
            if step.is_lie and step.is_strike and chance not in found_out:
                found_out[chance] = lost_with([*pending], step, chance)[0]
            lost = found_out.get(chance, 0.0)
            _deliver(sums, (valid, likely), step, (chance, lost), following)
        for chance, likely in bursts.items():
            _burst(sums, likely, step, chance, len(pending))
        records = following
        pending.append(Pending(step.share, _earned(step), number))
    return sums


def _earned(step: Step) -> float:
    return step.part * step.share if step.is_lie else 0.0


def _deliver(
    sums: Sums,
    of: tuple[Valid, float],
    step: Step,
    risk: tuple[float, float],
    following: defaultdict[Valid, float],
) -> None:
    """Add a delivery, weighted with the probability that the account has this record.

    ``of`` is the record and its probability. ``risk`` is the odds of a draw, and the loss beyond
    the share if the lie is a strike.
    """
    (valid, likely), (chance, lost) = of, risk
    sums.units += likely
    sums.gain -= likely * cost_of(step)
    found = 0.0
    if step.is_lie:
        found = chance * step.found
        sums.lies += likely
        sums.gain += likely * (1 - found) * _earned(step)
        sums.gain -= likely * found * (lost + (1 - step.part) * step.share)
    following[raised(valid, step.share)] += likely * (chance - found)
    following[valid] += likely * (1 - chance)
    if not step.is_strike:
        following[0, 0] += likely * found


def _burst(sums: Sums, likely: float, step: Step, chance: float, pending: int) -> None:
    """Add lies that are delivered at the same stake and decided one after the other.

    Lies that are decided after the last found lie keep their shares.
    """
    sums.units += likely * step.at_once
    sums.lies += likely * step.at_once
    sums.gain += likely * step.at_once * (1 - chance) * step.share
    shares = -(-fine_of(step.share, chance) // step.share)  # all shares are equal
    # Probability of each number of pending honest shares and pending lies.
    states = {(pending, 0): likely}
    for _ in range(step.at_once):
        following = defaultdict[tuple[int, int], float](float)
        for (honest, lies), share in states.items():
            taken = min(max(shares - lies, 0), honest)
            following[honest - taken, 0] += share * chance
            following[honest, lies + 1] += share * (1 - chance)
            sums.gain -= share * chance * (taken + lies) * step.share
        states = following


# ── the table ────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Line:
    """A strategy with its computed and simulated gain."""

    strategy: Strategy
    expected: float
    simulated: Simulated
    without: float | None  # computed gain without the strategy's rule

    @property
    def agrees(self) -> bool:
        """Return whether simulation and computation differ by no more than chance allows."""
        return abs(self.simulated.gain - self.expected) <= ERRORS * self.simulated.error + 1e-9

    @property
    def is_right(self) -> bool:
        """Return whether both gains agree, and a lie gains nothing or the gain is a known limit."""
        return self.agrees and (self.expected <= 1e-9 or bool(self.strategy.gains))

    def cells(self) -> tuple[str, ...]:
        """Return the cells of this strategy's row in the table."""
        found = self.simulated
        note = self.strategy.gains
        if self.without is not None:
            note = f"{self.without:+.2f} unless {self.strategy.rule}"
        shown = f"{found.gain:+.2f} ± {2 * found.error:.2f}"
        return self.strategy.name, f"{found.found:.0%}", f"{self.expected:+.2f}", shown, note


HEAD: Final = ("strategy", "lies found", "computed", "simulated", "note")


def line_of(strategy: Strategy, units: int, runs: int, seed: int) -> Line:
    """Compute and simulate the gain of one strategy."""
    without = expected(attrs.evolve(strategy, lives=strategy.unruled)) if strategy.rule else None
    return Line(strategy, expected(strategy), simulated(strategy, units, runs, seed), without)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    lines = [line_of(one, given.units, given.runs, given.seed) for one in STRATEGIES]
    rows = [HEAD, *(line.cells() for line in lines)]
    if given.markdown:
        rows.insert(1, ("---",) * len(HEAD))
    widths = [0 if given.markdown else max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("| " + " | ".join(cells) + " |" if given.markdown else "  ".join(cells))  # noqa: T201
    return 0 if all(line.is_right for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
