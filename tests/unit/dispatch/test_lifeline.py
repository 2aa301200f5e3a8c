"""The Lifeline requeues the units of silent nodes."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import UnitFail, UnitRequeue
from actors.ledger.messages import Commit, GuardFailed, Posted, RowState
from actors.lifeline.actor import STEP_SECONDS, Clocks, LifelineActor, rescue, stepped
from actors.notifier.messages import UnitsMoved
from actors.scheduler.messages import NodeGone, UnitsChanged
from sql.database import Conflict
from sql.unit_retry_policy import TRIES_MOST
from tests.twins.clock import EPOCH
from tests.twins.ports import twin_ports
from tests.unit.dispatch.stage import JOB, NODE, Cast, decide, on_stage, open_unit, state_of
from tests.unit.simulated_time import simulated

LOST = open_unit(state="RUNNING", attempt=1, node=NODE, lease_until=EPOCH)


@asynccontextmanager
async def sweeping() -> AsyncGenerator[Cast]:
    cast = Cast()
    ledger, scheduler, notifier = cast.ledger.ref, cast.scheduler.ref, cast.notifier.ref

    def make() -> LifelineActor:
        return LifelineActor(twin_ports(store=cast.store), ledger, scheduler, notifier)

    async with on_stage("lifeline", make):
        yield cast


@simulated
async def test_a_lost_unit_is_queued_again_and_everybody_hears_of_it() -> None:
    async with sweeping() as cast:
        cast.store.lost = [LOST]
        commit = await cast.ledger.expect(Commit, within=40.0)
        [effect] = commit.effects
        assert isinstance(effect, UnitRequeue)
        assert (effect.job, effect.attempt) == (JOB, 1)
        cast.store.lost = []
        state = state_of("QUEUED")
        decide(commit, Posted(units=(state,)))
        assert (await cast.scheduler.expect(UnitsChanged)).units == (state,)
        assert (await cast.notifier.expect(UnitsMoved)).units == (state,)


@simulated
async def test_a_unit_that_came_back_meanwhile_is_left_alone() -> None:
    async with sweeping() as cast:
        cast.store.lost = [LOST]
        commit = await cast.ledger.expect(Commit, within=40.0)
        cast.store.lost = []
        decide(commit, GuardFailed("UnitRequeue", RowState.COMPLETED))
        await asyncio.sleep(20)
        assert cast.scheduler.ref.depth == 0


@simulated
async def test_after_a_start_nodes_get_time_to_come_back() -> None:
    async with sweeping() as cast:
        cast.store.lost = [LOST]
        await asyncio.sleep(34)
        assert (cast.store.reads, cast.ledger.ref.depth) == (0, 0)


@simulated
async def test_after_the_database_was_away_nodes_get_time_to_renew_their_leases() -> None:
    async with sweeping() as cast:
        cast.store.lost = [LOST]
        cast.store.away = True
        await asyncio.sleep(36)
        cast.store.away = False
        await asyncio.sleep(30)
        assert cast.ledger.ref.depth == 0
        await cast.ledger.expect(Commit, within=20.0)


@simulated
async def test_a_deadlock_in_the_database_is_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    async with sweeping() as cast:
        cast.store.lost, cast.store.away, cast.store.error = [LOST], True, Conflict
        await asyncio.sleep(36)
        cast.store.away = False
        await cast.ledger.expect(Commit, within=50.0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@simulated
async def test_a_silent_node_is_reported() -> None:
    async with sweeping() as cast:
        cast.store.silent = [NODE]
        await asyncio.sleep(36)
        cast.store.silent = []
        assert (await cast.scheduler.expect(NodeGone)).node == NODE


@simulated
async def test_units_that_were_never_sent_have_45_seconds() -> None:
    async with sweeping() as cast:
        await asyncio.sleep(37)
        assert cast.store.asked == [timedelta(seconds=45)]


@simulated
async def test_more_lost_units_than_the_ledger_takes_are_left_for_the_next_sweep() -> None:
    async with sweeping() as cast:
        cast.store.lost = [LOST] * 2000
        await asyncio.sleep(37)
        assert cast.ledger.ref.depth == 1024


@simulated
async def test_a_unit_that_waited_too_long_fails_and_everybody_hears_of_it() -> None:
    async with sweeping() as cast:
        cast.store.waiting = [open_unit(state="QUEUED", attempt=2)]
        commit = await cast.ledger.expect(Commit, within=40.0)
        [effect] = commit.effects
        assert isinstance(effect, UnitFail)
        assert (effect.attempt, effect.node, effect.retry_at) == (2, None, None)
        assert effect.error_code == "no_node"
        assert "within 7 days" in effect.error
        state = state_of("FAILED")
        decide(commit, Posted(units=(state,)))
        assert (await cast.scheduler.expect(UnitsChanged)).units == (state,)


def test_a_unit_is_queued_again_however_often_it_was_lost() -> None:
    often = open_unit(state="RUNNING", attempt=2 * TRIES_MOST, node=NODE, lease_until=EPOCH)
    assert rescue(often).lost_by == NODE


def test_a_unit_that_was_never_sent_may_be_moved_as_often_as_it_takes() -> None:
    unsent = open_unit(state="DISPATCHED", attempt=TRIES_MOST + 9, node=NODE)
    assert rescue(unsent).unsent


@simulated
async def test_after_the_databases_clock_was_set_ahead_nodes_get_time_to_renew_their_leases() -> (
    None
):
    async with sweeping() as cast:
        await asyncio.sleep(36)
        cast.store.clock.skew += 61
        cast.store.lost = [LOST]
        await asyncio.sleep(33)
        assert cast.ledger.ref.depth == 0
        await cast.ledger.expect(Commit, within=20.0)


SECONDS = st.floats(0, 1e6)


@given(SECONDS, SECONDS, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_clock_was_set_ahead_where_it_gained_on_the_steady_one(
    steady: float, passed: float, skew: float, moved: float
) -> None:
    before = Clocks(EPOCH + timedelta(seconds=steady + skew), steady)
    now = Clocks(before.database + timedelta(seconds=passed + moved), steady + passed)
    assert not stepped(None, now)
    if abs(moved - STEP_SECONDS) > 0.001:  # within the precision of the numbers
        assert stepped(before, now) == (moved > STEP_SECONDS)
