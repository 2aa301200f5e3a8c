"""Operators' earnings on the in-memory store and on PostgreSQL."""

import asyncio
from datetime import timedelta
from uuid import UUID

from actors.ledger.effects import EarningClaim, EarningMature, PayoutTake, Transfer, UnitComplete
from actors.ledger.messages import (
    Commit,
    ExistsWithOtherAmount,
    GuardFailed,
    GuardReason,
    Posted,
    Replayed,
    RowState,
)
from sql.account_names import (
    PAYOUTS,
    REVENUE,
    SUSPENSE,
    operator_account,
    user_account,
    work_reference,
)
from sql.payout_rules import PayoutRule
from tests.integration.conformance.earnings import (
    WINDOW,
    approve,
    decide,
    dispute,
    dispute_of,
    mature,
    pay,
    payout_of,
    reject,
    ripened,
    share_of,
    take,
    worked,
)
from tests.integration.conformance.stage import Stage, dispatch, fresh_id

SECOND = timedelta(seconds=1)


async def of_operator(stage: Stage, operator: UUID) -> int:
    balance, held = await stage.money(operator_account(operator))
    assert held == 0
    return balance


async def sound(stage: Stage) -> bool:
    return await stage.store.audit() == []


# -- shares


async def test_a_verified_unit_earns_a_share_that_is_pending(stage: Stage) -> None:
    operator = await stage.user()
    work = await worked(stage, operator, price=33)
    share = await share_of(stage, work)
    assert (share.amount, share.state) == (23, "PENDING")  # 70 % of 33, rounded down
    assert (share.operator_id, share.node_id) == (operator, work.node)
    assert share.payable_at - share.earned_at == WINDOW
    assert await of_operator(stage, operator) == 23
    assert await sound(stage)


async def test_a_share_below_the_smallest_amount_is_none(stage: Stage) -> None:
    operator = await stage.user()
    await worked(stage, operator, price=1)
    assert await of_operator(stage, operator) == 0
    assert await sound(stage)


async def test_the_percentage_is_that_of_the_order(stage: Stage) -> None:
    user, operator, node, job = await stage.user(100), fresh_id(), await stage.node(), fresh_id()
    done = UnitComplete(
        *(job, 0, 1, node, "x"),
        verified=True,
        operator=operator_account(operator),
        share_percent=55,
    )
    await stage.commit(dispatch(user, job, 100, 1, node), Commit((), (done,)))
    assert await of_operator(stage, operator) == 55


async def test_a_share_is_payable_when_its_window_is_over_and_not_before(stage: Stage) -> None:
    work = await worked(stage, await stage.user())
    stage.clock.pass_by((WINDOW - SECOND).total_seconds())
    assert await stage.store.matured_earnings(10) == []
    assert await mature(stage, work) == GuardFailed("EarningMature", RowState.PENDING)
    stage.clock.pass_by(1)
    [ripe] = await stage.store.matured_earnings(10)
    assert (ripe.job, ripe.unit) == (work.job, 0)
    assert isinstance(await mature(stage, work), Posted)
    assert isinstance(await mature(stage, work), Replayed)
    assert (await share_of(stage, work)).state == "PAYABLE"
    assert await stage.store.matured_earnings(10) == []
    assert await sound(stage)


async def test_what_was_never_earned_does_not_become_payable(stage: Stage) -> None:
    assert await stage.do(EarningMature(fresh_id(), 0)) == GuardFailed(
        "EarningMature", GuardReason.ABSENT
    )


# -- payouts


async def test_credits_are_paid_out_at_once_and_whole(stage: Stage) -> None:
    operator = await stage.user()
    works = await ripened(stage, operator, 3)
    later = await worked(stage, operator)
    payout = await take(stage, operator)
    assert payout is not None
    found = await payout_of(stage, payout)
    assert (found.amount, found.units, found.state) == (210, 3, "PAID")
    assert await stage.of_user(operator) == (210, 0)
    assert await of_operator(stage, operator) == 70
    for work in works:
        share = await share_of(stage, work)
        assert (share.state, share.payout_id) == ("PAID", payout)
    assert (await share_of(stage, later)).state == "PENDING"
    assert await take(stage, operator) is None
    assert await sound(stage)


async def test_nothing_payable_is_no_payout(stage: Stage) -> None:
    operator = await stage.user()
    outcome = await stage.do(PayoutTake(fresh_id(), operator, "CREDITS"))
    assert outcome == GuardFailed("PayoutTake", GuardReason.NOTHING_PAYABLE)


async def test_less_than_the_minimum_is_not_paid_out(stage: Stage) -> None:
    operator = await stage.user()
    await ripened(stage, operator, 2)
    for kind in ("CREDITS", "MONEY"):
        outcome = await stage.do(PayoutTake(fresh_id(), operator, kind, 141))
        assert outcome == GuardFailed("PayoutTake", GuardReason.BELOW_MINIMUM)
    assert isinstance(await stage.do(PayoutTake(fresh_id(), operator, "MONEY", 140)), Posted)
    assert await sound(stage)


async def test_a_date_is_due_until_its_payout_or_while_too_little_is_payable(
    stage: Stage,
) -> None:
    operator, now = await stage.user(), stage.clock.now()
    rule = PayoutRule("weekly", "MONEY", 140, now - SECOND)
    await stage.set_payout_rule(operator, rule)

    async def due(least: int = 0, *, pays_money: bool = True) -> list[bool]:
        found = await stage.store.passed_payout_dates(10, least, pays_money=pays_money)
        return [each.is_due for each in found if each.operator == operator]

    await ripened(stage, operator)
    assert await due() == [False], "70 of 140"
    await ripened(stage, operator)
    assert (await due(), await due(141), await due(pays_money=False)) == ([True], [False], [False])
    [passed] = await stage.store.passed_payout_dates(10, 0, pays_money=True)
    assert (passed.date, passed.kind, passed.minimum) == (rule.next_at, "MONEY", 140)
    take = PayoutTake(passed.payout, operator, "MONEY", 140)
    assert isinstance(await stage.do(take), Posted)
    assert await due() == [False], "it was paid"
    await stage.store.move_payout_date(operator, now, None)
    assert await due() == [False], "the date was changed meanwhile"
    await stage.store.move_payout_date(operator, passed.date, passed.next_at)
    assert await due() == []


async def test_two_payouts_in_one_batch_pay_once(stage: Stage) -> None:
    operator = await stage.user()
    await ripened(stage, operator, 2)
    orders = [Commit((), (PayoutTake(fresh_id(), operator, "CREDITS"),)) for _ in range(3)]
    first, *others = await stage.commit(*orders)
    assert isinstance(first, Posted)
    assert others == [GuardFailed("PayoutTake", GuardReason.NOTHING_PAYABLE)] * 2
    assert await stage.of_user(operator) == (140, 0)
    assert await sound(stage)


async def test_payouts_of_two_gateways_at_once_pay_once(stage: Stage) -> None:
    operator = await stage.user()
    await ripened(stage, operator, 5)

    async def ask() -> bool:
        effect = PayoutTake(fresh_id(), operator, "CREDITS")
        [outcome] = await stage.ledger().commit([Commit((), (effect,))])
        return isinstance(outcome, Posted)

    won = await asyncio.gather(*(ask() for _ in range(8)))
    assert sum(won) == 1
    assert await stage.of_user(operator) == (350, 0)
    assert await sound(stage)


async def test_a_payout_that_is_asked_for_again_is_the_same(stage: Stage) -> None:
    operator = await stage.user()
    await ripened(stage, operator)
    order = Commit((), (PayoutTake(fresh_id(), operator, "CREDITS"),))
    assert isinstance((await stage.commit(order))[0], Posted)
    await ripened(stage, operator)
    assert isinstance((await stage.commit(order))[0], Replayed)
    assert await stage.of_user(operator) == (70, 0)


async def test_what_matures_beside_a_payout_is_for_the_next_one(stage: Stage) -> None:
    operator = await stage.user()
    await ripened(stage, operator)
    work = await worked(stage, operator)
    stage.clock.pass_by(WINDOW.total_seconds())
    payout = fresh_id()
    await stage.commit(
        Commit((), (EarningMature(work.job, 0),)),
        Commit((), (PayoutTake(payout, operator, "CREDITS"),)),
    )
    assert (await payout_of(stage, payout)).units == 1
    assert (await share_of(stage, work)).state == "PAYABLE"
    assert await sound(stage)
    assert await take(stage, operator) is not None
    assert await stage.of_user(operator) == (140, 0)


async def test_money_leaves_only_when_it_was_sent(stage: Stage) -> None:
    operator, batch = await stage.user(), fresh_id()
    [work] = await ripened(stage, operator)
    payout = await take(stage, operator, "MONEY")
    assert payout is not None
    assert (await payout_of(stage, payout)).state == "REQUESTED"
    assert (await share_of(stage, work)).state == "PAYABLE"
    assert await of_operator(stage, operator) == 70
    assert await take(stage, operator) is None  # the earning is in a payout already
    assert await pay(stage, payout) == GuardFailed("PayoutPay", RowState.REQUESTED)
    assert isinstance(await approve(stage, payout, batch), Posted)
    assert isinstance(await approve(stage, payout, batch), Replayed)
    assert await approve(stage, payout, fresh_id()) == GuardFailed(
        "PayoutApprove", RowState.APPROVED
    )
    assert isinstance(await pay(stage, payout), Posted)
    assert isinstance(await pay(stage, payout), Replayed)
    assert await pay(stage, payout, "wire 2") == GuardFailed("PayoutPay", RowState.PAID)
    assert (await share_of(stage, work)).state == "PAID"
    assert await of_operator(stage, operator) == 0
    assert await stage.money(PAYOUTS) == (70, 0)
    assert await sound(stage)


async def test_what_a_rejected_payout_was_to_pay_is_payable_again(stage: Stage) -> None:
    operator = await stage.user()
    await ripened(stage, operator, 2)
    payout = await take(stage, operator, "MONEY")
    assert payout is not None
    assert isinstance(await reject(stage, payout), Posted)
    assert isinstance(await reject(stage, payout), Replayed)
    assert await approve(stage, payout, fresh_id()) == GuardFailed(
        "PayoutApprove", RowState.REJECTED
    )
    assert await sound(stage)
    assert await take(stage, operator) is not None
    assert await stage.of_user(operator) == (140, 0)
    assert await sound(stage)


async def test_an_approved_payout_is_rejected_where_it_was_not_paid(stage: Stage) -> None:
    operator = await stage.user()
    await ripened(stage, operator)
    payout = await take(stage, operator, "MONEY")
    assert payout is not None
    await approve(stage, payout, fresh_id())
    assert await reject(stage, payout) == GuardFailed("PayoutReject", RowState.APPROVED)
    assert isinstance(await reject(stage, payout, not_paid=True), Posted)
    assert isinstance(await reject(stage, payout, not_paid=True), Replayed)
    assert await of_operator(stage, operator) == 70
    assert await sound(stage)


async def test_a_payout_that_is_not_there_is_not_approved(stage: Stage) -> None:
    nothing = fresh_id()
    assert await approve(stage, nothing, fresh_id()) == GuardFailed(
        "PayoutApprove", GuardReason.ABSENT
    )
    assert await reject(stage, nothing) == GuardFailed("PayoutReject", GuardReason.ABSENT)
    assert await pay(stage, nothing) == GuardFailed("PayoutPay", GuardReason.ABSENT)


# -- disputes


async def test_an_upheld_dispute_gives_the_charge_back_and_reverses_the_share(stage: Stage) -> None:
    operator = await stage.user()
    work = await worked(stage, operator)
    assert isinstance(await dispute(stage, work), Posted)
    assert (await dispute_of(stage, work)).charge == 100
    stage.clock.pass_by(2 * WINDOW.total_seconds())
    assert await stage.store.matured_earnings(10) == []
    assert await mature(stage, work) == GuardFailed("EarningMature", RowState.PENDING)
    assert isinstance(await decide(stage, work, upheld=True), Posted)
    assert isinstance(await decide(stage, work, upheld=True), Replayed)
    assert await decide(stage, work, upheld=False) == GuardFailed("DisputeDecide", RowState.UPHELD)
    assert (await share_of(stage, work)).state == "REVERSED"
    assert await stage.of_user(work.creator) == (100, 0)
    assert await of_operator(stage, operator) == 0
    assert await stage.money(REVENUE) == (0, 0)
    assert await sound(stage)


async def test_a_share_whose_dispute_is_rejected_waits_for_the_end_of_its_window(
    stage: Stage,
) -> None:
    operator = await stage.user()
    work = await worked(stage, operator)
    await dispute(stage, work)
    assert isinstance(await decide(stage, work, upheld=False), Posted)
    assert isinstance(await decide(stage, work, upheld=False), Replayed)
    assert (await share_of(stage, work)).state == "PENDING"
    assert await dispute(stage, work) == GuardFailed("DisputeOpen", GuardReason.DISPUTED)
    assert await take(stage, operator) is None
    assert await mature(stage, work) == GuardFailed("EarningMature", RowState.PENDING)
    stage.clock.pass_by(WINDOW.total_seconds())
    assert len(await stage.store.matured_earnings(10)) == 1
    assert isinstance(await mature(stage, work), Posted)
    assert (await share_of(stage, work)).state == "PAYABLE"
    assert await take(stage, operator) is not None
    assert await sound(stage)


async def test_a_dispute_that_is_rejected_after_the_window_makes_the_share_payable(
    stage: Stage,
) -> None:
    operator = await stage.user()
    work = await worked(stage, operator)
    await dispute(stage, work)
    stage.clock.pass_by(WINDOW.total_seconds())
    assert isinstance(await decide(stage, work, upheld=False), Posted)
    assert (await share_of(stage, work)).state == "PAYABLE"
    assert await stage.of_user(work.creator) == (0, 0)
    assert await take(stage, operator) is not None
    assert await sound(stage)


async def test_a_dispute_comes_within_the_window_and_once(stage: Stage) -> None:
    work = await worked(stage, await stage.user())
    late = await worked(stage, await stage.user())
    stage.clock.pass_by((WINDOW - SECOND).total_seconds())
    assert isinstance(await dispute(stage, work), Posted)
    assert await dispute(stage, work) == GuardFailed("DisputeOpen", GuardReason.DISPUTED)
    stage.clock.pass_by(1)
    assert await dispute(stage, late) == GuardFailed("DisputeOpen", GuardReason.WINDOW_CLOSED)
    assert isinstance(await mature(stage, late), Posted)
    assert await dispute(stage, late) == GuardFailed("DisputeOpen", GuardReason.WINDOW_CLOSED)
    assert await sound(stage)


async def test_no_share_that_is_payable_is_disputed_when_the_clock_is_set_back(
    stage: Stage,
) -> None:
    """A paid earning cannot be disputed either: a rejected dispute would make it payable again."""
    operator = await stage.user()
    (work,) = await ripened(stage, operator)
    stage.clock.pass_by(-1)
    assert await dispute(stage, work) == GuardFailed("DisputeOpen", GuardReason.WINDOW_CLOSED)
    assert await take(stage, operator) is not None
    assert await dispute(stage, work) == GuardFailed("DisputeOpen", GuardReason.WINDOW_CLOSED)
    assert (await share_of(stage, work)).state == "PAID"
    assert await sound(stage)


async def test_only_the_creator_of_charged_work_disputes_it(stage: Stage) -> None:
    work = await worked(stage, await stage.user())
    assert await dispute(stage, work, await stage.user()) == GuardFailed(
        "DisputeOpen", GuardReason.ABSENT
    )
    user, node, job = await stage.dispatched()
    running = type(work)(user, job, node)
    assert await dispute(stage, running) == GuardFailed("DisputeOpen", RowState.DISPATCHED)
    free = type(work)(*(await stage.user(), fresh_id(), node))
    done = UnitComplete(free.job, 0, 1, node, "x")
    await stage.commit(dispatch(free.creator, free.job, 0, 1, node), Commit((), (done,)))
    assert await dispute(stage, free) == GuardFailed("DisputeOpen", GuardReason.UNCHARGED)
    assert await decide(stage, work, upheld=True) == GuardFailed(
        "DisputeDecide", GuardReason.ABSENT
    )


async def test_work_that_earned_nobody_anything_can_be_disputed_too(stage: Stage) -> None:
    user, node, job = await stage.dispatched()
    await stage.do(UnitComplete(job, 0, 1, node, "x"))
    work = type(await worked(stage, None))(user, job, node)
    assert isinstance(await dispute(stage, work), Posted)
    assert isinstance(await decide(stage, work, upheld=True), Posted)
    assert await stage.of_user(user) == (200, 0)
    assert await sound(stage)


async def test_a_dispute_and_the_end_of_its_window_never_both_win(stage: Stage) -> None:
    works = [await worked(stage, await stage.user()) for _ in range(10)]
    stage.clock.pass_by(WINDOW.total_seconds())
    outcomes = await asyncio.gather(
        *(mature(stage, work) for work in works), *(dispute(stage, work) for work in works)
    )
    assert [type(outcome) for outcome in outcomes] == [Posted] * 10 + [GuardFailed] * 10
    assert await sound(stage)


async def test_what_an_admin_gave_back_before_is_not_given_back_again(stage: Stage) -> None:
    for by_hand in (30, 100):
        work = await worked(stage, await stage.user())
        creator = user_account(work.creator)
        reference = work_reference(work.job, 0)
        refund = Transfer(REVENUE, creator, creator, by_hand, "REFUND", reference)
        assert isinstance((await stage.commit(Commit((refund,))))[0], Posted)
        await dispute(stage, work)
        assert isinstance(await decide(stage, work, upheld=True), Posted)
        assert await stage.of_user(work.creator) == (100, 0)
        assert await stage.money(REVENUE) == (0, 0)
        assert await sound(stage)


async def test_what_a_dispute_gave_back_no_admin_gives_back_again(stage: Stage) -> None:
    work = await worked(stage, await stage.user())
    await dispute(stage, work)
    await decide(stage, work, upheld=True)
    creator, reference = user_account(work.creator), work_reference(work.job, 0)
    refund = Transfer(REVENUE, creator, creator, 30, "REFUND", reference)
    (outcome,) = await stage.commit(Commit((refund,)))
    assert outcome == ExistsWithOtherAmount(reference)


# -- suspense


async def test_the_share_of_an_unowned_node_waits_in_suspense_until_it_is_claimed(
    stage: Stage,
) -> None:
    owner, node = await stage.user(), await stage.node()
    first, second = await worked(stage, None, node=node), await worked(stage, None, node=node)
    assert await stage.money(SUSPENSE) == (140, 0)
    assert await stage.store.claimable_earnings(10) == []
    stage.clock.pass_by(WINDOW.total_seconds())
    await mature(stage, first)
    await stage.own(node, owner)
    found = await stage.store.claimable_earnings(10)
    assert {(share.job, share.owner) for share in found} == {
        (first.job, owner),
        (second.job, owner),
    }
    claims = [EarningClaim(share.job, share.unit, share.owner) for share in found]
    outcomes = await stage.commit(*(Commit((), (claim,)) for claim in claims * 2))
    assert [type(outcome) for outcome in outcomes] == [Posted] * 2 + [Replayed] * 2
    assert await stage.money(SUSPENSE) == (0, 0)
    assert await of_operator(stage, owner) == 140
    assert (await share_of(stage, first)).state == "PAYABLE"  # unchanged
    assert (await share_of(stage, second)).state == "PENDING"
    assert await stage.store.claimable_earnings(10) == []
    other = EarningClaim(first.job, 0, await stage.user())
    assert await stage.do(other) == GuardFailed("EarningClaim", RowState.PAYABLE)
    assert await take(stage, owner) is not None
    assert await stage.of_user(owner) == (70, 0)
    assert await sound(stage)


async def test_claims_of_two_gateways_at_once_move_a_share_once(stage: Stage) -> None:
    owner = await stage.user()
    work = await worked(stage, None)
    claim = Commit((), (EarningClaim(work.job, 0, owner),))
    outcomes = await asyncio.gather(*(stage.ledger().commit([claim]) for _ in range(8)))
    kinds = sorted(type(outcome).__name__ for [outcome] in outcomes)
    assert kinds == ["Posted"] + ["Replayed"] * 7
    assert await of_operator(stage, owner) == 70
    assert await sound(stage)


async def test_a_share_in_suspense_can_be_reversed(stage: Stage) -> None:
    node = await stage.node()
    work = await worked(stage, None, node=node)
    await dispute(stage, work)
    assert isinstance(await decide(stage, work, upheld=True), Posted)
    assert await stage.money(SUSPENSE) == (0, 0)
    await stage.own(node, await stage.user())
    assert await stage.store.claimable_earnings(10) == []
    assert await sound(stage)
