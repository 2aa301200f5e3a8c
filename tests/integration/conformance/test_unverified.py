"""Charges and earnings of unverified work where credits cost money, on both stores."""

import random
from typing import Final, get_args
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import (
    EarningMature,
    UnitComplete,
    UnitDeliver,
    UnitStart,
    UnitVerdict,
    VerdictOutcome,
)
from actors.ledger.messages import Posted
from rendertrust.verdict_reason import VerdictReason
from sql.account_names import PAYOUTS, REVENUE, operator_account
from tests.integration.conformance.earnings import WINDOW, approve, pay, payout_of, take
from tests.integration.conformance.stage import Stage, fresh_id
from tests.support.examples import series

OUTCOMES: Final = get_args(VerdictOutcome)
SHARE_PERCENT: Final = 70
UNITS: Final = 12


@attrs.frozen
class Unit:
    """A delivered unit; ``pays``: the operator earns even without a valid verdict."""

    outcome: VerdictOutcome
    pays: bool
    price: int

    @property
    def share(self) -> int:
        """The operator's earning."""
        is_open = self.outcome in ("unverified", "unverifiable")
        earns = self.outcome != "invalid" and (self.pays or not is_open)
        return self.price * SHARE_PERCENT // 100 if earns else 0

    @property
    def charge(self) -> int:
        """The creator's charge."""
        return self.price if self.share or self.outcome == "unverified" else 0


async def settle(stage: Stage, operator: UUID, unit: Unit) -> tuple[UUID, UUID]:
    """Deliver the unit and give its verdict; return its creator and its job."""
    user, node, job = await stage.dispatched(unit.price)
    await stage.own(node, operator)
    account = operator_account(operator)
    result = UnitComplete(
        *(job, 0, 1, node, "s3://rendertrust/x", b"s" * 32, 9),
        verified=True,
        operator=account,
        share_percent=SHARE_PERCENT,
        dispute_window=WINDOW,
    )
    why: VerdictReason | None = "checks-failed" if unit.outcome == "unverifiable" else None
    verdict = UnitVerdict(*(job, 0, 1, unit.outcome), operator=account, pays=unit.pays, reason=why)
    for effect in (UnitStart(job, 0, 1, node), UnitDeliver(result, "cpu"), verdict):
        assert isinstance(await stage.do(effect), Posted)
    return user, job


@pytest.mark.parametrize("seed", series(range(40), by_day=range(2)))
async def test_money_is_paid_out_for_nothing_that_is_unverified_and_not_to_be_paid(
    stage: Stage, seed: int
) -> None:
    chance, operator = random.Random(seed), await stage.user()
    units = [
        Unit(chance.choice(OUTCOMES), chance.random() < 0.3, chance.randint(2, 500))
        for _ in range(UNITS)
    ] + [Unit("unverified", False, 100), Unit("unverified", True, 100)]
    jobs = [await settle(stage, operator, unit) for unit in units]
    for unit, (user, job) in zip(units, jobs, strict=True):
        row = await stage.unit(job)
        ends = "FAILED" if unit.outcome == "invalid" else "COMPLETED"
        assert row.state == ends
        balance, held = await stage.of_user(user)
        assert (2 * unit.price - balance, held) == (unit.charge, 0), unit
    stage.clock.pass_by(WINDOW.total_seconds())
    for _, job in jobs:
        await stage.do(EarningMature(job, 0))
    payout = await take(stage, operator, "MONEY")
    assert payout is not None
    earned = sum(unit.share for unit in units)
    assert (await payout_of(stage, payout)).amount == earned
    assert isinstance(await approve(stage, payout, fresh_id()), Posted)
    assert isinstance(await pay(stage, payout), Posted)
    assert (await stage.money(PAYOUTS))[0] == earned
    assert (await stage.money(REVENUE))[0] == sum(unit.charge for unit in units) - earned
    assert await take(stage, operator, "MONEY") is None
    assert await stage.store.audit() == []
