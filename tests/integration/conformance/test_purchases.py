"""Purchases, refunds, disputes and debts, on the in-memory store and on PostgreSQL."""

import asyncio
from collections import Counter
from typing import Any

import attrs
import pytest

from actors.ledger.effects import JobCancel, PurchaseOpen, PurchaseSession, Transfer, UnitComplete
from actors.ledger.messages import Commit, GuardFailed, Posted, Replayed, RowState
from sql.account_names import ADJUSTMENTS, user_account
from tests.integration.conformance.purchases import (
    CREDIT,
    Bought,
    buy,
    credits_of,
    event,
    new_purchase,
    platform,
    tell,
)
from tests.integration.conformance.stage import Stage, dispatch, fresh_id, grant


async def test_a_paid_session_credits_once_whatever_comes_again(stage: Stage) -> None:
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    assert await credits_of(stage, user) == (0, 0, 0)
    first = event(bought.said(), "evt_first")
    outcomes = await stage.commit(first, first, event(bought.said()))
    assert [type(outcome) for outcome in outcomes] == [Posted, Replayed, Posted]
    assert await stage.commit(first) == [Replayed()]
    assert await stage.commit(bought.opened()) == [Replayed()]
    assert await credits_of(stage, user) == (100, 0, 0)
    assert await platform(stage) == (-100, 0)
    assert await stage.store.audit() == []


async def test_fifty_copies_at_two_gateways_are_one_credit(stage: Stage) -> None:
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    ledgers = [stage.ledger(), stage.ledger()]
    copy = event(bought.said(), "evt_copy")
    found = await asyncio.gather(*(ledgers[n % 2].commit([copy]) for n in range(50)))
    words = Counter(type(outcome) for (outcome,) in found)
    assert words == {Posted: 1, Replayed: 49}
    assert await credits_of(stage, user) == (100, 0, 0)
    assert await stage.store.audit() == []


@pytest.mark.parametrize(
    "wrong",
    [{"amount": 99}, {"amount": 101}, {"currency": "eur"}, {"amount": None}, {"session": "cs_x"}],
)
async def test_what_was_not_asked_for_is_not_credited(stage: Stage, wrong: dict[str, Any]) -> None:
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    await tell(stage, bought.said(**wrong))
    assert await credits_of(stage, user) == (0, 0, 0)
    await tell(stage, bought.said())
    assert await credits_of(stage, user) == (100, 0, 0)


async def test_a_payment_that_comes_later_is_credited_then(stage: Stage) -> None:
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    for state in ("unpaid", "failed", "expired"):
        await tell(stage, bought.said(state))
        assert await credits_of(stage, user) == (0, 0, 0)
    await tell(stage, bought.said())
    await tell(stage, bought.said("expired"))
    assert await credits_of(stage, user) == (100, 0, 0)


async def test_a_purchase_keeps_its_terms_and_its_session(stage: Stage) -> None:
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    other = type(bought)(bought.purchase, user, 99)
    (refused,) = await stage.commit(other.opened())
    assert refused == GuardFailed("PurchaseOpen", RowState.OPEN)


async def test_the_session_of_one_purchase_pays_no_other(stage: Stage) -> None:
    """Neither order of the events matters, and other commits of the batch are not affected."""
    user, beside = await stage.user(), await stage.user()
    first = await new_purchase(stage, user, 100)
    other = Bought(fresh_id(), user, 100)
    await stage.commit(Commit((), (opening(other),)))
    strange = event(attrs.evolve(other.said(), session=first.session))
    orders = [Commit((grant(beside, 1, "one"),)), strange, Commit((grant(beside, 1, "two"),))]
    assert [type(outcome) for outcome in await stage.commit(*orders)] == [Posted] * 3
    assert await credits_of(stage, user) == (0, 0, 0)
    again = event(attrs.evolve(other.said(), session=first.session))
    outcomes = await stage.commit(event(first.said()), again)
    assert [type(outcome) for outcome in outcomes] == [Posted] * 2
    assert await credits_of(stage, user) == (100, 0, 0)
    await tell(stage, other.said())
    assert await credits_of(stage, user) == (200, 0, 0)
    assert await stage.store.audit() == []


async def test_a_session_is_that_of_one_purchase(stage: Stage) -> None:
    user = await stage.user()
    first, other = await new_purchase(stage, user, 100), Bought(fresh_id(), user, 100)
    third, fourth = Bought(fresh_id(), user, 100), Bought(fresh_id(), user, 100)
    await stage.commit(*(Commit((), (opening(each),)) for each in (other, third, fourth)))
    taken = (
        PurchaseSession(other.purchase, first.session, "https://pay"),
        PurchaseSession(third.purchase, "cs_new", "https://pay"),
        PurchaseSession(fourth.purchase, "cs_new", "https://pay"),
    )
    refused = GuardFailed("PurchaseSession", RowState.OPEN)
    outcomes = await stage.commit(*(Commit((), (effect,)) for effect in taken))
    assert outcomes == [refused, Posted(), refused]


def opening(bought: Bought) -> PurchaseOpen:
    """Return the effect that opens a purchase without a session, as before Stripe's answer."""
    terms = (bought.user, "cred10", bought.credits * CREDIT, bought.credits, "usd")
    return PurchaseOpen(bought.purchase, *terms)


async def test_refunds_are_counted_by_what_they_sum_up_to(stage: Stage) -> None:
    """Stripe reports single refunds and totals, repeatedly and late; each refund counts once."""
    user = await stage.user()
    bought = await buy(stage, user, 100)
    for fact, left in (
        (bought.reversal("ch_1", "CHARGE", 30), 70),
        (bought.reversal("re_1", "REFUND", 30), 70),
        (bought.reversal("re_2", "REFUND", 20), 50),
        (bought.reversal("ch_1", "CHARGE", 50), 50),
        (bought.reversal("ch_1", "CHARGE", 30), 50),
        (bought.reversal("re_3", "REFUND", 10, "PENDING"), 50),
        (bought.reversal("re_2", "REFUND", 20, "VOID"), 70),
        (bought.reversal("ch_1", "CHARGE", 80), 40),
    ):
        await tell(stage, fact)
        assert await credits_of(stage, user) == (left, 0, 0), fact
        assert await platform(stage) == (-left, 0)
    assert await stage.store.audit() == []


async def test_what_comes_before_its_purchase_is_kept_and_taken_later(stage: Stage) -> None:
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    await tell(stage, bought.reversal("re_1", "REFUND", 25))
    await tell(stage, bought.reversal("du_1", "DISPUTE", 50))
    await tell(stage, bought.reversal("du_1", "DISPUTE", 50, "VOID"))
    assert await platform(stage) == (0, 0)
    await tell(stage, bought.said())
    assert await credits_of(stage, user) == (75, 0, 0)
    assert await platform(stage) == (-75, 0)
    assert await stage.store.audit() == []


async def test_an_early_refund_and_its_purchase_in_one_batch(stage: Stage) -> None:
    user = await stage.user()
    bought = await new_purchase(stage, user, 100)
    await stage.commit(event(bought.reversal("re_1", "REFUND", 25)), event(bought.said()))
    assert await credits_of(stage, user) == (75, 0, 0)
    assert await stage.store.audit() == []


async def test_a_dispute_after_the_credits_were_spent_then_a_purchase_then_the_dispute_is_won(
    stage: Stage,
) -> None:
    user, account = await stage.user(), ""
    account = user_account(user)
    spend = Transfer(account, ADJUSTMENTS, account, 70 * CREDIT, "DEDUCTION", "spent")
    # Expected values: the user's balance, held and debt; the platform's purchases and disputes.
    expected = [
        ("bought 100", (100, 0, 0), (-100, 0)),
        ("spent 70", (30, 0, 0), (-100, 0)),
        ("all of it is disputed", (0, 0, 70), (-100, 100)),
        ("bought 50: all pays debt", (0, 0, 20), (-150, 100)),
        ("bought 50: 20 pay the rest", (30, 0, 0), (-200, 100)),
        ("the dispute is won", (130, 0, 0), (-200, 0)),
        ("and told again", (130, 0, 0), (-200, 0)),
    ]
    seen = []

    async def note(words: str) -> None:
        seen.append((words, await credits_of(stage, user), await platform(stage)))

    first = await buy(stage, user, 100)
    await note("bought 100")
    await stage.do(transfers=(spend,))
    await note("spent 70")
    await tell(stage, first.reversal("du_1", "DISPUTE", 100))
    await note("all of it is disputed")
    await buy(stage, user, 50)
    await note("bought 50: all pays debt")
    await buy(stage, user, 50)
    await note("bought 50: 20 pay the rest")
    await tell(stage, first.reversal("du_1", "DISPUTE", 100, "VOID"))
    await note("the dispute is won")
    await tell(stage, first.reversal("du_1", "DISPUTE", 100))
    await note("and told again")
    assert seen == expected
    assert await stage.store.audit() == []


async def test_a_dispute_that_is_won_pays_what_is_still_owed_first(stage: Stage) -> None:
    user = await stage.user()
    account = user_account(user)
    first, second = await buy(stage, user, 100), await buy(stage, user, 60)
    spend = Transfer(account, ADJUSTMENTS, account, 120 * CREDIT, "DEDUCTION", "spent")
    await stage.do(transfers=(spend,))
    await tell(stage, first.reversal("du_1", "DISPUTE", 100))
    await tell(stage, second.reversal("du_2", "DISPUTE", 60))
    assert await credits_of(stage, user) == (0, 0, 120)
    await tell(stage, first.reversal("du_1", "DISPUTE", 100, "VOID"))
    assert await credits_of(stage, user) == (0, 0, 20)
    await tell(stage, second.reversal("du_2", "DISPUTE", 60, "VOID"))
    assert await credits_of(stage, user) == (40, 0, 0)
    assert await stage.store.audit() == []


async def test_holds_run_on_and_what_they_release_pays_debt(stage: Stage) -> None:
    user, node = await stage.user(), await stage.node()
    bought = await buy(stage, user, 100)
    kept, gone = fresh_id(), fresh_id()
    await stage.commit(
        dispatch(user, kept, 20 * CREDIT, 1, node), dispatch(user, gone, 30 * CREDIT)
    )
    await tell(stage, bought.reversal("du_1", "DISPUTE", 100))
    assert await credits_of(stage, user) == (50, 50, 50)
    assert isinstance(await stage.do(JobCancel(gone, user)), Posted)
    assert await credits_of(stage, user) == (20, 20, 20)
    done = UnitComplete(kept, 0, 1, node, "s3://elsewhere/x.png")
    assert isinstance(await stage.do(done), Posted)
    assert await credits_of(stage, user) == (0, 0, 20)
    assert await stage.money("revenue") == (20 * CREDIT, 0)
    (gift,) = await stage.commit(Commit((grant(user, 5 * CREDIT),)))
    assert isinstance(gift, Posted)
    assert await credits_of(stage, user) == (0, 0, 15)
    assert await stage.store.audit() == []


async def test_a_refund_of_what_was_spent_is_owed_and_one_that_fails_is_given_again(
    stage: Stage,
) -> None:
    user = await stage.user()
    account = user_account(user)
    bought = await buy(stage, user, 100)
    spend = Transfer(account, ADJUSTMENTS, account, 90 * CREDIT, "DEDUCTION", "spent")
    await stage.do(transfers=(spend,))
    await tell(stage, bought.reversal("re_1", "REFUND", 100))
    assert await credits_of(stage, user) == (0, 0, 90)
    await tell(stage, bought.reversal("re_1", "REFUND", 100, "VOID"))
    assert await credits_of(stage, user) == (10, 0, 0)
    assert await stage.store.audit() == []


async def test_refunds_and_disputes_take_no_more_than_was_bought(stage: Stage) -> None:
    user = await stage.user(1000 * CREDIT)
    bought = await buy(stage, user, 100)
    await tell(stage, bought.reversal("du_1", "DISPUTE", 100))
    await tell(stage, bought.reversal("re_1", "REFUND", 60))
    assert await credits_of(stage, user) == (1000, 0, 0)
    assert await platform(stage) == (-40, 40)
    await tell(stage, bought.reversal("du_1", "DISPUTE", 100, "VOID"))
    assert await credits_of(stage, user) == (1040, 0, 0)
    assert await stage.store.audit() == []


async def test_a_dispute_in_another_currency_is_of_the_whole_payment(stage: Stage) -> None:
    user = await stage.user()
    bought = await buy(stage, user, 100)
    fact = bought.reversal("du_1", "DISPUTE", 93)
    await tell(stage, type(fact)("du_1", "DISPUTE", bought.intent, 93, "eur", "COUNTS"))
    assert await credits_of(stage, user) == (0, 0, 0)
    assert await platform(stage) == (-100, 100)


async def test_two_gateways_hear_of_a_payment_and_its_refund_at_once(stage: Stage) -> None:
    """The refund counts even if its event comes before the payment's."""
    for round_ in range(10):
        user = await stage.user()
        bought = await new_purchase(stage, user, 100)
        one, other = stage.ledger(), stage.ledger()
        await asyncio.gather(
            one.commit([event(bought.said())]),
            other.commit([event(bought.reversal(f"re_{round_}", "REFUND", 40))]),
        )
        assert await credits_of(stage, user) == (60, 0, 0)
    assert await stage.store.audit() == []


async def test_a_purchase_is_opened_paid_spent_and_taken_back_in_one_batch(stage: Stage) -> None:
    """The batch must lock the account of debts although the purchase is new in this batch."""
    user = await stage.user()
    account, bought = user_account(user), Bought(fresh_id(), user, 100)
    spend = Transfer(account, ADJUSTMENTS, account, 70 * CREDIT, "DEDUCTION", "spent")
    taken = event(bought.reversal("re_1", "REFUND", 50))
    orders = (bought.opened(), event(bought.said()), Commit((spend,)), taken)
    assert [type(outcome) for outcome in await stage.commit(*orders)] == [Posted] * 4
    assert await credits_of(stage, user) == (0, 0, 20)
    assert await stage.store.audit() == []


async def test_what_went_back_before_the_purchase_was_opened_counts_in_its_batch(
    stage: Stage,
) -> None:
    user = await stage.user()
    bought = Bought(fresh_id(), user, 100)
    await tell(stage, bought.reversal("du_1", "DISPUTE", 100))
    outcomes = await stage.commit(bought.opened(), event(bought.said()))
    assert [type(outcome) for outcome in outcomes] == [Posted] * 2
    assert await credits_of(stage, user) == (0, 0, 0)
    assert await platform(stage) == (-100, 100)
    assert await stage.store.audit() == []
