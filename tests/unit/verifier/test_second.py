"""What a stranger alone called valid: one of the gateway's own looks there, too, in time."""

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from actors.ledger.messages import Commit, UnitAssign
from actors.node_session.messages import RunCheck
from actors.paymaster.messages import DisputeOpen
from sql.sampling import ALWAYS_UNTIL
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import CREATOR, EXACT, NODE, PRICE, Checker, Play, apart, verifying

OWN = UUID(int=20)
OTHER = UUID(int=11)
SHARE = PRICE * 70 // 100
LOOKED = {"looked": True}
LIE = apart(0.9)


async def vouched(play: Play, ours: Checker, friend: Checker, **params: Any) -> RunCheck:
    """What a stranger was asked about a unit of a node that nobody knows, and called exact."""
    job = await play.delivered(**params)
    await play.checks(ours, LOOKED)
    order = await play.checks(friend, EXACT)
    await play.ends(job, "COMPLETED")
    assert play.earned() == SHARE
    return order


async def looks_again(play: Play, ours: Checker) -> RunCheck:
    """What one of the gateway's own is asked in its spare time."""
    await until(lambda: ours.probe.ref.depth > 0, within=600)
    return await play.asked(ours)


def is_upheld(play: Play, job: UUID) -> bool:
    return play.store.disputes[job, 0].state == "UPHELD"


async def strikes(play: Play, node: UUID = NODE) -> int:
    return sum(one.reputation.strikes for one in await play.store.records([node]))


def misjudged(play: Play, who: Checker) -> int:
    tests = play.store.verifier_tests.values()
    return sum(one.node_id == who.node and not one.passed for one in tests)


@simulated
async def test_who_leaves_after_one_lie_that_a_friend_calls_valid_is_not_paid() -> None:
    async with verifying(own=frozenset({OWN}), own_odds=0.0) as play:
        ours, friend = play.checker(20, None), play.checker(30, 3)
        order = await vouched(play, ours, friend)
        seen = await looks_again(play, ours)
        assert (seen.unit.job, seen.draws) == (order.unit.job, order.draws), "just where he looked"
        assert play.store.disputes == {}, "nobody's share is held for that"
        play.says(ours, seen, LIE)
        await play.confirms(ours, LIE)
        await until(partial(is_upheld, play, order.unit.job), within=60)
        assert (play.earned(), play.earned(UUID(int=3)), misjudged(play, friend)) == (0, 0, 1)
        await until(lambda: bool(play.store.second_looks), within=60)
        assert (await strikes(play), await play.store.audit()) == (1, [])


@simulated
async def test_what_else_he_has_is_held_back_then() -> None:
    async with verifying(own=frozenset({OWN}), own_odds=0.0) as play:
        ours, friend = play.checker(20, None), play.checker(30, 3)
        orders = [await vouched(play, ours, friend)]
        job = await play.delivered()
        await play.checks(ours, LOOKED)
        orders.append(await play.checks(friend, EXACT))
        await play.ends(job, "COMPLETED")
        play.says(ours, await looks_again(play, ours), LIE)
        for _ in orders:
            await play.confirms(ours, LIE)
        for order in orders:
            job = order.unit.job
            await until(partial(is_upheld, play, job), within=60)
        assert (play.earned(), await play.store.audit()) == (0, [])


@simulated
@pytest.mark.parametrize(
    ("report", "held"), [(EXACT, True), ({"unable": "it has a simulation", "uncut": True}, None)]
)
async def test_what_holds_is_left_alone_and_is_looked_at_once(
    report: dict[str, Any], held: bool | None
) -> None:
    """Its creator may still dispute it."""
    async with verifying(own=frozenset({OWN}), own_odds=0.0) as play:
        ours, friend = play.checker(20, None), play.checker(30, 3)
        order = await vouched(play, ours, friend)
        play.says(ours, await looks_again(play, ours), report)
        await until(lambda: bool(play.store.second_looks), within=60)
        assert [one.held for one in play.store.second_looks.values()] == [held]
        await play.restarts()
        ours = play.comes_back(ours)
        fresh = await play.delivered(OTHER)
        assert (await looks_again(play, ours)).unit.job == fresh
        opened = DisputeOpen(UUID(int=7), order.unit.job, 0, CREATOR, "it is noisy", play.window)
        await play.ledger.ask(Commit(effects=(opened,)), within=60)
        assert (order.unit.job, 0) in play.store.disputes
        assert (play.earned(), await strikes(play), misjudged(play, friend)) == (SHARE, 0, 0)


@simulated
async def test_a_check_that_comes_to_nothing_is_made_again() -> None:
    async with verifying(own=frozenset({OWN}), own_odds=0.0) as play:
        ours, friend = play.checker(20, None), play.checker(30, 3)
        order = await vouched(play, ours, friend)
        await looks_again(play, ours)
        ours = play.comes_back(ours)
        assert (await looks_again(play, ours)).unit.job == order.unit.job


@simulated
async def test_of_who_was_seen_right_often_enough_nothing_is_looked_at_twice() -> None:
    async with verifying(own=frozenset({OWN}), own_odds=0.0, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)  # by none but the gateway's own
        ours, friend = play.checker(20, None), play.checker(30, 3)
        job = await play.delivered()
        await play.checks(friend, EXACT)
        await play.ends(job, "COMPLETED")
        before = play.clock.now()
        fresh = await play.delivered(OTHER)
        await until(lambda: (play.clock.now() - before).total_seconds() > 900, within=1000)
        assert (await looks_again(play, ours)).unit.job == fresh
        assert play.store.second_looks == {}


@simulated
async def test_no_stranger_is_asked_about_who_has_a_strike() -> None:
    """His friend may be waiting for just that; it waits until one of the gateway's own is free."""
    async with verifying(own=frozenset({OWN}), own_odds=0.0) as play:
        play.known("m")
        ours, friend = play.checker(20, None), play.checker(30, 3)
        jobs = {await play.delivered(), await play.delivered()}
        asked = {(await play.checks(ours, EXACT)).unit.job for _ in range(2)}
        assert asked == jobs
        assert friend.probe.ref.depth == 0


@simulated
async def test_nor_about_a_unit_of_which_a_check_found_something_wrong() -> None:
    """Whoever delivers it next may be who delivered it first."""
    async with verifying(own=frozenset({OWN}), own_odds=0.0) as play:
        ours, friend = play.checker(20, None), play.checker(30, 3)
        job = await play.delivered()
        await play.checks(ours, LOOKED)
        at = await play.asked(friend)
        play.says(friend, at, LIE)
        confirms = await play.checks(ours, LIE)
        assert confirms.draws[3:] == at.draws
        await play.renders_whole(ours, {**LIE, "crops": 2 * LIE["crops"]})
        await play.ends(job, "QUEUED")
        play.store.add_node(OTHER, ("render",), owner=UUID(int=4))
        await play.do(UnitAssign(job, 0, 2, OTHER))
        await play.again(job, OTHER, 2, UUID(int=4))
        order = await play.checks(ours, EXACT)
        assert (order.unit.job, len(order.draws)) == (job, 3)
        await play.ends(job, "COMPLETED")
        assert friend.probe.ref.depth == 0


@simulated
async def test_where_the_gateway_has_none_a_stranger_is_asked_about_anybody() -> None:
    async with verifying() as play:
        play.known("m")
        friend = play.checker(30, 3)
        job = await play.delivered()
        await play.checks(friend, EXACT)
        await play.ends(job, "COMPLETED")
