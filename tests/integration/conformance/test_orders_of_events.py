"""Orders of Stripe's events: repeated, batched or late, the events lead to the same balances.

The tests use the in-memory store only, because there are many orders.
"""

import random
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import TypeAlias

import pytest

from actors.ledger.effects import ReversalFact, SessionFact, Transfer
from actors.ledger.messages import Commit, Posted
from sql.account_names import ADJUSTMENTS, user_account
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.purchases import (
    CREDIT,
    Bought,
    credits_of,
    event,
    new_purchase,
    platform,
)

Facts: TypeAlias = Sequence[SessionFact | ReversalFact]
SPENT = 25
# Events about a purchase of 100 credits, and the final balances of buyer, purchases and disputes.
TOLD: dict[str, tuple[Callable[[Bought], Facts], tuple[float, float, float]]] = {
    "refunds, one by one and summed up": (
        lambda b: [
            b.said(),
            b.reversal("ch", "CHARGE", 30),
            b.reversal("ch", "CHARGE", 50),
            b.reversal("re_1", "REFUND", 30),
            b.reversal("re_2", "REFUND", 20),
        ],
        (50, -50, 0),
    ),
    "a refund that fails": (
        lambda b: [
            b.said(),
            b.reversal("ch", "CHARGE", 50),
            b.reversal("re_1", "REFUND", 30),
            b.reversal("re_2", "REFUND", 20, "PENDING"),
            b.reversal("re_2", "REFUND", 20, "VOID"),
        ],
        (70, -70, 0),
    ),
    "a dispute that is won": (
        lambda b: [
            b.said(),
            b.reversal("du", "DISPUTE", 100),
            b.reversal("du", "DISPUTE", 100, "VOID"),
            b.reversal("re_1", "REFUND", 30),
            b.said("unpaid"),
        ],
        (70, -70, 0),
    ),
    "two disputes and a refund, of which one is won": (
        lambda b: [
            b.said(),
            b.reversal("du_1", "DISPUTE", 60),
            b.reversal("du_2", "DISPUTE", 60),
            b.reversal("re_1", "REFUND", 60),
            b.reversal("du_2", "DISPUTE", 60, "VOID"),
        ],
        (0, -40, 40),
    ),
    "a payment that failed before it came": (
        lambda b: [
            b.said("expired"),
            b.said(),
            b.said("failed"),
            b.reversal("re_1", "REFUND", 99),
            b.said("unpaid"),
        ],
        (1, -1, 0),
    ),
    "more than was bought": (
        lambda b: [
            b.said(),
            b.reversal("du", "DISPUTE", 100, "PENDING"),
            b.reversal("du", "DISPUTE", 100),
            b.reversal("re_1", "REFUND", 300),
            b.reversal("ch", "CHARGE", 300),
        ],
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize("told", TOLD)
async def test_any_order_of_events_comes_to_the_same(told: str) -> None:
    facts, expected = TOLD[told]
    for order in permutations(range(5)):
        assert await end_of(facts, order) == expected, order


async def end_of(facts: Callable[[Bought], Facts], order: Sequence[int]) -> tuple[float, ...]:
    """Return the final balances of buyer and platform as if nothing had been spent."""
    chance, stage = random.Random(str(order)), twin_stage()
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    known = facts(bought)
    coming = [known[place] for place in order]
    for _ in range(2):
        coming.insert(chance.randrange(len(coming) + 1), chance.choice(coming))
    spend_at, spent = chance.randrange(len(coming)), 0
    account = user_account(user)
    spend = Commit((Transfer(account, ADJUSTMENTS, account, SPENT * CREDIT, "DEDUCTION", "s"),))
    while coming:
        together = chance.choice((1, 1, 2, 3))
        if not spent and len(coming) <= spend_at:
            spent = SPENT * isinstance((await stage.commit(spend))[0], Posted)
        await stage.commit(*(event(fact) for fact in coming[:together]))
        del coming[:together]
    balance, _, debt = await credits_of(stage, user)
    assert not (balance and debt), "no user has both a balance and a debt"
    assert await stage.store.audit() == []
    return (balance - debt + spent, *await platform(stage))
