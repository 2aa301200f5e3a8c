"""Helpers that create earnings and move them through payouts and disputes."""

from datetime import timedelta
from uuid import UUID

import attrs

from actors.ledger.messages import Commit, Effect, Outcome, Posted, UnitComplete, operator_account
from actors.paymaster.messages import (
    DisputeDecide,
    DisputeOpen,
    EarningMature,
    PayoutApprove,
    PayoutKind,
    PayoutPay,
    PayoutReject,
    PayoutTake,
)
from sql.audit_log import Act
from sql.books import Keys
from sql.earnings import DisputeRow, EarningRow, PayoutRow
from tests.integration.conformance.stage import Stage, dispatch, fresh_id

WINDOW = timedelta(hours=1)


@attrs.frozen
class Work:
    """A verified unit for which ``creator`` paid 100; its operator earns 70."""

    creator: UUID
    job: UUID
    node: UUID


async def worked(
    stage: Stage, operator: UUID | None = None, *, node: UUID | None = None, price: int = 100
) -> Work:
    """Book a completed unit of a new creator; without an operator, its earning goes to suspense."""
    work = Work(await stage.user(price), fresh_id(), node or await stage.node())
    account = "suspense" if operator is None else operator_account(operator)
    done = UnitComplete(
        *(work.job, 0, 1, work.node, "x"),
        verified=True,
        operator=account,
        dispute_window=WINDOW,
    )
    outcomes = await stage.commit(
        dispatch(work.creator, work.job, price, 1, work.node), Commit((), (done,))
    )
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted]
    return work


async def ripened(stage: Stage, operator: UUID, count: int = 1) -> list[Work]:
    """Book completed units whose earnings have matured."""
    found = [await worked(stage, operator) for _ in range(count)]
    stage.clock.pass_by(WINDOW.total_seconds())
    for work in found:
        assert isinstance(await mature(stage, work), Posted)
    return found


async def mature(stage: Stage, work: Work) -> Outcome:
    return await stage.do(EarningMature(work.job, 0))


async def dispute(
    stage: Stage, work: Work, user: UUID | None = None, *, by_gateway: bool = False
) -> Outcome:
    of = (fresh_id(), work.job, 0, user or work.creator, "all black", WINDOW)
    return await stage.do(DisputeOpen(*of, by_gateway))


async def decide(stage: Stage, work: Work, *, upheld: bool) -> Outcome:
    effect = DisputeDecide(work.job, 0, work.creator, upheld, "looked at it")
    return await judged(stage, effect, "dispute.decide")


async def take(stage: Stage, operator: UUID, kind: PayoutKind = "CREDITS") -> UUID | None:
    """Take a payout and return its id, or None if nothing was payable."""
    payout = fresh_id()
    outcome = await stage.do(PayoutTake(payout, operator, kind))
    return payout if isinstance(outcome, Posted) else None


async def approve(stage: Stage, payout: UUID, batch: UUID) -> Outcome:
    return await judged(stage, PayoutApprove(payout, batch), "payout.approve")


async def reject(stage: Stage, payout: UUID, *, not_paid: bool = False) -> Outcome:
    return await judged(stage, PayoutReject(payout, not_paid), "payout.reject")


async def pay(stage: Stage, payout: UUID, reference: str = "wire 1") -> Outcome:
    return await judged(stage, PayoutPay(payout, reference), "payout.pay")


async def judged(stage: Stage, effect: Effect, name: str) -> Outcome:
    """Commit an effect as an act of an admin."""
    act = Act(stage.clock.now(), None, "console:ann", name, "a:1", "because", "", {"a": 1})
    (outcome,) = await stage.commit(Commit((), (effect,), act=act))
    return outcome


async def share_of(stage: Stage, work: Work) -> EarningRow:
    async with stage.store.transaction() as books:
        rows = await books.lock(Keys(earnings=frozenset({(work.job, 0)})))
    return rows.earnings[work.job, 0]


async def dispute_of(stage: Stage, work: Work) -> DisputeRow:
    async with stage.store.transaction() as books:
        rows = await books.lock(Keys(earnings=frozenset({(work.job, 0)})))
    return rows.disputes[work.job, 0]


async def payout_of(stage: Stage, payout: UUID) -> PayoutRow:
    async with stage.store.transaction() as books:
        return (await books.lock(Keys(payouts=frozenset({payout})))).payouts[payout]
