"""The Paymaster, which finds what is due and leaves the decision to the Ledger."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import attrs
import pytest

from actors.kernel import Ref
from actors.ledger.effects import EarningClaim, EarningMature, PayoutTake
from actors.ledger.messages import Commit
from actors.paymaster.actor import PaymasterActor, PaymasterSettings
from actors.paymaster.messages import FindClaimable, Paymaster
from config.settings import Earnings
from sql.database import Conflict, Unavailable
from sql.earnings import ClaimableEarning, MaturedEarning
from sql.payout_rules import PassedDate
from tests.unit.dispatch.stage import JOB, OWNER, Cast, on_stage
from tests.unit.simulated_time import simulated

RIPE = MaturedEarning(JOB, 0)
SETTINGS = PaymasterSettings(
    Earnings(sweep_seconds=5.0, payout_minimum=2.0), claims_seconds=30.0, at_once=3
)


@asynccontextmanager
async def looking() -> AsyncGenerator[tuple[Cast, Ref[Paymaster]]]:
    cast = Cast()

    def make() -> PaymasterActor:
        return PaymasterActor(cast.ledger.ref, cast.store.port, settings=SETTINGS)

    async with on_stage("paymaster", make) as ref:
        yield cast, ref


@simulated
async def test_each_ripe_share_is_asked_for_by_itself() -> None:
    async with looking() as (cast, _):
        cast.store.ripe = [RIPE, MaturedEarning(JOB, 1)]
        first = await cast.ledger.expect(Commit, within=10.0)
        second = await cast.ledger.expect(Commit)
        assert first.effects == (EarningMature(JOB, 0),)
        assert second.effects == (EarningMature(JOB, 1),)


DATE = datetime(2026, 12, 7, 6, tzinfo=UTC)
PASSED = PassedDate(OWNER, "weekly", "MONEY", 5, DATE, DATE + timedelta(seconds=9), is_due=True)


@simulated
async def test_a_due_payout_is_asked_for_until_it_is_booked_and_its_date_moves_on() -> None:
    async with looking() as (cast, _):
        cast.store.passed = [PASSED]
        asked = {(await cast.ledger.expect(Commit, within=40.0)).effects for _ in range(2)}
        assert asked == {(PayoutTake(PASSED.payout, OWNER, "MONEY", 20_000),)}
        assert cast.store.moved == []
        cast.store.passed = [attrs.evolve(PASSED, is_due=False)]
        await asyncio.sleep(40)
        assert cast.ledger.ref.depth == 0
        assert cast.store.moved[0] == (OWNER, DATE, DATE + timedelta(days=7))


@simulated
async def test_what_the_ledger_did_not_do_is_asked_for_again() -> None:
    async with looking() as (cast, _):
        cast.store.ripe = [RIPE]
        await cast.ledger.expect(Commit, within=10.0)
        assert cast.ledger.ref.depth == 0
        await cast.ledger.expect(Commit, within=10.0)


@simulated
async def test_where_there_may_be_more_it_looks_again_at_once() -> None:
    async with looking() as (cast, _):
        cast.store.ripe = [MaturedEarning(JOB, number) for number in range(7)]
        for _ in range(3):
            await cast.ledger.expect(Commit, within=10.0)
        cast.store.ripe = cast.store.ripe[3:]
        for _ in range(3):
            await cast.ledger.expect(Commit, within=0.5)


@simulated
@pytest.mark.parametrize("error", [Unavailable, Conflict])
async def test_a_database_that_is_away_is_asked_later(
    caplog: pytest.LogCaptureFixture, error: type[Unavailable | Conflict]
) -> None:
    async with looking() as (cast, _):
        cast.store.ripe, cast.store.away, cast.store.error = [RIPE], True, error
        await asyncio.sleep(40)
        assert cast.ledger.ref.depth == 0
        cast.store.away = False
        await cast.ledger.expect(Commit, within=10.0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@simulated
async def test_a_claim_is_looked_for_when_somebody_says_so_and_now_and_then() -> None:
    async with looking() as (cast, paymaster):
        cast.store.claimable = [ClaimableEarning(JOB, 0, OWNER)]
        paymaster.tell(FindClaimable())
        told = await cast.ledger.expect(Commit, within=1.0)
        assert told.effects == (EarningClaim(JOB, 0, OWNER),)
        await asyncio.sleep(20)
        assert cast.ledger.ref.depth == 0  # the message starts no second timer
        await cast.ledger.expect(Commit, within=15.0)
        await cast.ledger.expect(Commit, within=35.0)


@simulated
async def test_a_full_ledger_is_left_alone() -> None:
    async with looking() as (cast, _):
        cast.store.ripe = [MaturedEarning(UUID(int=number), 0) for number in range(3)]
        await asyncio.sleep(4000)
        assert cast.ledger.ref.depth == 1024
