"""All operations of the ledger in any order and batch, over the in-memory database."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RULE_MARKER, rule

from actors.ledger.effects import Effect, Transfer
from tests.integration.conformance import purchases, stage
from tests.integration.conformance.conftest import twin_stage
from tests.support.examples import examples
from tests.unit.ledger import delivery_model, money_model, work_model
from tests.unit.ledger.delivery_model import DeliveryModel

pytestmark = pytest.mark.heavy  # the results do not depend on the version of Python


class OverTheTwin(DeliveryModel):
    """The state machine with an event loop of its own."""

    def __init__(self) -> None:
        super().__init__(twin_stage(), asyncio.new_event_loop())

    def teardown(self) -> None:
        super().teardown()
        self.loop.close()


class Racing(OverTheTwin):
    """A state machine that begins with a unit with two attempts, and mostly changes that unit."""

    def __init__(self) -> None:
        super().__init__()
        self.race(250_001)

    @rule(price=st.sampled_from([0, 250_001]))
    def race(self, price: int) -> None:
        before = len(self.jobs)
        self.submit(person=0, price=price, node=0, key=None)
        if len(self.jobs) > before:
            self.copies(self.jobs[-1], 2, 1, beside=1)


RACES = {
    *("race", "start", "assign", "fail", "requeue", "stop", "flush", "again"),
    *("complete", "deliver", "judge"),
}


def _as_before(name: str) -> Callable[..., None]:
    """Return a method that still works but is no rule of the state machine."""

    def method(self: Racing, *args: Any, **named: Any) -> None:
        getattr(OverTheTwin, name)(self, *args, **named)

    return method


for each, found in inspect.getmembers(OverTheTwin, inspect.isfunction):
    if hasattr(found, RULE_MARKER) and each not in RACES:
        setattr(Racing, each, _as_before(each))

TestEverything = OverTheTwin.TestCase
TestRacing = Racing.TestCase
TestRacing.settings = examples(2, stateful_step_count=40)
TestEverything.settings = examples(2, stateful_step_count=100)


def test_no_effect_is_left_out() -> None:
    """Effects are a closed set, and the state machine uses all of them, and transfers."""
    modules = (stage, purchases, work_model, money_model, delivery_model)
    known = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    assert {Transfer, *get_args(Effect)} <= known
    assert len(get_args(Effect)) == 26
