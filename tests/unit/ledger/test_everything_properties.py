"""Every operation in any order and in any batch, over the twin."""

import asyncio
from typing import get_args

import pytest
from hypothesis import settings

from actors.ledger.messages import Effect, Posting
from tests.integration.conformance import purchases, stage
from tests.integration.conformance.conftest import twin_stage
from tests.unit.ledger import delivering, everyday, everything
from tests.unit.ledger.delivering import Delivering

pytestmark = pytest.mark.heavy  # sums, which no version of Python changes


class OverTheTwin(Delivering):
    """In a loop of its own."""

    def __init__(self) -> None:
        super().__init__(twin_stage(), asyncio.new_event_loop())

    def teardown(self) -> None:
        super().teardown()
        self.loop.close()


TestEverything = OverTheTwin.TestCase
TestEverything.settings = settings(max_examples=80, stateful_step_count=100, deadline=None)


def test_no_posting_and_no_effect_is_left_out() -> None:
    """What the Ledger can be asked is a closed set, and the machine asks all of it."""
    modules = (stage, purchases, everyday, everything, delivering)
    known = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    assert set(get_args(Posting)) <= known
    assert set(get_args(Effect)) <= known
    assert len(get_args(Effect)) == 26
