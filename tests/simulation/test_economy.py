"""No strategy of lying has a positive gain, neither computed nor simulated."""

from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.economy import expected, expected_of, line_of, odds
from tests.simulation.strategies import HONEST, LIE, LIMITS, SHARE, STRATEGIES, Life, Step, Strategy
from tests.support.examples import examples

NAMES: Final = [strategy.name for strategy in STRATEGIES]
ROUNDING: Final = 1e-9


@pytest.mark.parametrize("strategy", STRATEGIES, ids=NAMES)
def test_a_strategy_gains_nothing_and_the_simulation_agrees(strategy: Strategy) -> None:
    line = line_of(strategy, units=1_000, runs=8, seed=1)
    assert line.agrees, line
    assert line.expected <= ROUNDING or strategy in LIMITS


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", STRATEGIES, ids=NAMES)
def test_ten_thousand_units_of_each_strategy_agree(strategy: Strategy) -> None:
    assert line_of(strategy, units=10_000, runs=40, seed=1000).is_right


@pytest.mark.parametrize("strategy", [one for one in STRATEGIES if one.rule], ids=lambda s: s.name)
def test_without_its_rule_a_strategy_would_gain(strategy: Strategy) -> None:
    """The test fails for a rule without which no strategy gains: nothing would show its need."""
    gain = sum(expected_of(life).gain for life in strategy.unruled)
    assert gain > sum(expected_of(life).gain for life in strategy.lives)
    lies = [tuple(attrs.evolve(s, is_own=False) for s in life) for life in strategy.unruled]
    assert expected(attrs.evolve(strategy, lives=tuple(lies))) > 0


STEPS: Final = st.builds(
    Step,
    is_lie=st.booleans(),
    share=st.sampled_from([1, SHARE // 10, SHARE, 50 * SHARE]),
    is_overloaded=st.booleans(),
    matures_first=st.integers(0, 20).map(lambda one: one == 0),
)


@given(st.lists(STEPS, max_size=60).map(tuple))
def test_no_plan_of_lies_gains_whatever_its_order_and_its_shares(life: Life) -> None:
    """Shares are whole numbers, so a fine may be too low by half of the smallest amount."""
    assert expected_of((*([HONEST] * 12), *life)).gain <= len(life)


@examples(0.4)
@given(st.integers(10, 60), st.integers(1, 12))
def test_lies_at_the_same_instant_gain_nothing_by_sharing_a_stake(honest: int, lies: int) -> None:
    """Lies that are decided after the last found lie count as paid: the liar's best case."""
    assert expected_of((*([HONEST] * honest), attrs.evolve(LIE, at_once=lies))).gain < 0


@given(st.integers(0, 200), st.integers(0, 10**6), STEPS, st.integers(0, 10**6))
def test_odds_are_never_below_what_the_stake_asks_for(
    valid: int, work: int, step: Step, stake: int
) -> None:
    chance = odds((valid, work), step, stake)
    assert chance == 1 or chance * (step.share + stake) >= 2 * step.share * (1 - ROUNDING)
