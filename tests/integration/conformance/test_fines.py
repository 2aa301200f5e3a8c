"""What an invalid result costs beside its own pay: over the twin and PostgreSQL."""

from datetime import timedelta
from uuid import UUID

import attrs
import pytest

from actors.ledger.messages import (
    REVENUE,
    GuardFailed,
    Posted,
    UnitAssign,
    UnitStart,
    operator_account,
)
from actors.paymaster.messages import DisputeDecide, DisputeOpen, EarningMature, ShareForfeit
from actors.verifier.messages import UnitDeliver, UnitVerdict
from sql.sampling import Stake
from tests.integration.conformance.stage import Stage, fresh_id

WINDOW = timedelta(hours=1)


@attrs.frozen
class Settled:
    """A unit of ``price`` that a node delivered, and its creator."""

    user: UUID
    node: UUID
    job: UUID


async def settled(
    stage: Stage, owner: UUID, outcome: str, *, price: int = 100, odds: float = 0.25
) -> Settled:
    """A unit that a node of this owner's delivered, with its verdict."""
    user, node, job = await stage.dispatched(price)
    await stage.own(node, owner)
    await stage.do(UnitStart(job, 0, 1, node))
    operator = operator_account(owner)
    delivery = UnitDeliver(
        *(job, 0, 1, node, "cpu", "s3://rendertrust/x", b"s" * 32, 9),
        verified=True,
        operator=operator,
        dispute_window=WINDOW,
        drawn=True,
        odds=odds,
    )
    await stage.do(delivery)
    verdict = UnitVerdict(job, 0, 1, outcome, operator=operator, strike=outcome == "invalid")  # type: ignore[arg-type]
    again = attrs.evolve(verdict, retry_at=stage.clock.now())
    assert isinstance(await stage.do(again), Posted)
    stage.clock.pass_by(1)
    return Settled(user, node, job)


async def test_what_is_at_stake_is_what_an_owner_has_pending(stage: Stage) -> None:
    owner, other = await stage.user(), await stage.user()
    first, second = await settled(stage, owner, "exact"), await settled(stage, owner, "exact")
    await settled(stage, other, "exact")
    _, node, job = await stage.dispatched(1000)
    assert await stage.store.stake(job, 0, node, 70) == Stake(700, 0)
    await stage.own(node, owner)
    assert await stage.store.stake(job, 0, node, 70) == Stake(700, 140)
    opened = DisputeOpen(fresh_id(), first.job, 0, first.user, "black", timedelta(0))
    assert isinstance(await stage.do(opened), Posted)
    assert await stage.store.stake(job, 0, node, 70) == Stake(700, 70), "what is disputed may go"
    stage.clock.pass_by(WINDOW.total_seconds())
    assert isinstance(await stage.do(EarningMature(second.job, 0)), Posted)
    assert await stage.store.stake(job, 0, node, 70) == Stake(700, 0)


async def test_how_long_the_oldest_delivery_waits_is_known(stage: Stage) -> None:
    _, node, job = await stage.dispatched(100)
    assert (await stage.store.stake(job, 0, node, 70)).waited == 0
    await stage.do(UnitStart(job, 0, 1, node))
    await stage.do(UnitDeliver(job, 0, 1, node, "cpu", "s3://rendertrust/x", b"s" * 32, 9))
    stage.clock.pass_by(90)
    assert (await stage.store.stake(job, 0, node, 70)).waited == pytest.approx(90)


async def test_a_fine_takes_pending_shares_to_revenue_once(stage: Stage) -> None:
    owner = await stage.user()
    honest = [await settled(stage, owner, "exact") for _ in range(3)]
    lie = await settled(stage, owner, "invalid", price=40)
    [due] = await stage.store.fines_due(10)
    assert (due.invalid, due.share, due.odds, due.fined) == ((lie.job, 0, 1), 28, 0.25, 0)
    assert due.pending == tuple((one.job, 0, 70) for one in reversed(honest))
    revenue = (await stage.money(REVENUE))[0]
    forfeit = ShareForfeit(honest[2].job, 0, due.invalid)
    for _ in range(2):
        await stage.do(forfeit)
        assert await stage.money(operator_account(owner)) == (140, 0)
        assert (await stage.money(REVENUE))[0] == revenue + 70
        assert await stage.store.audit() == []
    [due] = await stage.store.fines_due(10)
    assert (due.fined, len(due.pending)) == (70, 2)
    stage.clock.pass_by(WINDOW.total_seconds())
    outcome = await stage.do(EarningMature(honest[2].job, 0))
    assert isinstance(outcome, GuardFailed), "it is nobody's any more"


@pytest.mark.parametrize("state", ["disputed", "payable"])
async def test_what_is_not_pending_is_not_taken(stage: Stage, state: str) -> None:
    owner = await stage.user()
    honest, lie = await settled(stage, owner, "exact"), await settled(stage, owner, "invalid")
    if state == "disputed":
        opened = DisputeOpen(fresh_id(), honest.job, 0, honest.user, "black", timedelta(0))
        assert isinstance(await stage.do(opened), Posted)
    else:
        stage.clock.pass_by(WINDOW.total_seconds())
        assert isinstance(await stage.do(EarningMature(honest.job, 0)), Posted)
    [due] = await stage.store.fines_due(10)
    assert due.pending == ()
    assert isinstance(await stage.do(ShareForfeit(honest.job, 0, (lie.job, 0, 1))), GuardFailed)
    assert await stage.store.audit() == []


async def test_what_was_compared_for_certain_or_is_no_strike_is_not_fined(stage: Stage) -> None:
    owner = await stage.user()
    await settled(stage, owner, "invalid", odds=1.0)
    await settled(stage, owner, "unverifiable")
    assert await stage.store.fines_due(10) == []
    await settled(stage, owner, "invalid")
    stage.clock.pass_by(86_400)
    assert await stage.store.fines_due(10) == [], "a day later it is over"


async def test_what_is_the_scenes_fault_after_all_is_not_fined(stage: Stage) -> None:
    lie = await settled(stage, await stage.user(), "invalid")
    assert len(await stage.store.fines_due(10)) == 1
    node = await stage.node()
    await stage.own(node, await stage.user())
    await stage.do(UnitAssign(lie.job, 0, 2, node))
    await stage.do(UnitStart(lie.job, 0, 2, node))
    delivery = UnitDeliver(
        *(lie.job, 0, 2, node, "cpu", "s3://rendertrust/x", b"s" * 32, 9), verified=True
    )
    await stage.do(delivery)
    verdict = UnitVerdict(lie.job, 0, 2, "invalid", withdrawn=True)
    assert isinstance(await stage.do(verdict), Posted)
    assert await stage.store.fines_due(10) == []


async def test_the_creator_of_a_forfeited_share_is_given_his_charge_back_if_he_is_right(
    stage: Stage,
) -> None:
    owner = await stage.user()
    honest, lie = await settled(stage, owner, "exact"), await settled(stage, owner, "invalid")
    await stage.do(ShareForfeit(honest.job, 0, (lie.job, 0, 1)))
    opened = DisputeOpen(fresh_id(), honest.job, 0, honest.user, "black", WINDOW)
    assert isinstance(await stage.do(opened), Posted)
    decided = DisputeDecide(honest.job, 0, honest.user, True, "it is")
    assert isinstance(await stage.do(decided), Posted)
    assert await stage.of_user(honest.user) == (200, 0)
    assert await stage.store.audit() == []
