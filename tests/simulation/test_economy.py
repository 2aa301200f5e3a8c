"""No strategy gains by lies: new accounts cost nothing, and what is not compared is paid."""

import pytest

from tests.simulation.economy import STRATEGIES, Strategy, gain_of

# Of these every result is compared: whoever lies at once, or has nothing pending.
ALWAYS_COMPARED = ("always", "after_all_has_matured", "cheap_frames", "two_owners")


def name_of(strategy: Strategy) -> str:
    return strategy.__name__


@pytest.mark.parametrize("strategy", STRATEGIES, ids=name_of)
def test_lies_gain_nothing_and_cost_where_not_all_is_compared(strategy: Strategy) -> None:
    gain = gain_of(strategy, units=3_000, runs=6, seed=1)
    assert gain == 0 if strategy.__name__ in ALWAYS_COMPARED else gain < 0


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", STRATEGIES, ids=name_of)
def test_ten_thousand_units_of_each_strategy_agree(strategy: Strategy) -> None:
    gain = gain_of(strategy, units=10_000, runs=40, seed=1000)
    assert gain == 0 if strategy.__name__ in ALWAYS_COMPARED else gain < 0
