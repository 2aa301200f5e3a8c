"""A node that is caught later: what it has pending of what nobody had looked at waits again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from actors.ledger.messages import Commit, GuardFailed
from actors.node_session.messages import RunCheck
from actors.paymaster.messages import EarningMature
from actors.verifier.messages import Caught
from rendertrust.node.inside.placing import picked
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, NODE, PRICE, Checker, Play, apart, verifying

OWN = UUID(int=20)
SHARE = PRICE * 70 // 100
PAY = PRICE * 5 // 100  # of who looked
LOOKED = {"looked": True}
EXACT_ONE = {**EXACT, "crops": EXACT["crops"][:1]}
CHUNK = {**EXACT, "crops": EXACT["crops"][:2]}
OFF = {**EXACT, "crops": [{"equal": False, "off": 0.9}]}


async def settled_unlooked(play: Play, ours: Checker, **params: Any) -> UUID:
    """A unit of a known node that nobody was drawn to check."""
    job = await play.delivered(**params)
    await play.checks(ours, LOOKED)
    await play.ends(job, "COMPLETED")
    assert play.verdict(job) == "unchecked"
    return job


def is_caught(play: Play) -> None:
    """As by its session."""
    play.known("m")
    assert play.verifier.tell(Caught(NODE))


async def is_held(play: Play, job: UUID) -> None:
    await until(lambda: (job, 0) in play.store.disputes, within=60)
    assert play.store.disputes[job, 0].state == "OPEN"
    mature = await play.ledger.ask(Commit(effects=(EarningMature(job, 0),)), within=60)
    assert isinstance(mature, GuardFailed)


@simulated
@pytest.mark.parametrize(
    ("report", "state", "share"), [(EXACT, "REJECTED", SHARE), (apart(0.9), "UPHELD", 0)]
)
async def test_it_is_checked_and_given_back_if_it_is_a_lie(
    report: dict[str, Any], state: str, share: int
) -> None:
    async with verifying(own=frozenset({OWN}), least_odds=0.0) as play:
        play.known("v" * 1000)
        ours = play.checker(20, None)
        job = await settled_unlooked(play, ours)
        assert (play.charged(), play.earned()) == (PRICE, SHARE)
        is_caught(play)
        order = await play.asked(ours)
        assert (order.unit.job, len(order.draws)) == (job, 3)
        await is_held(play, job)
        play.says(ours, order, report)
        if report is not EXACT:
            await play.renders_whole(ours, report)
        await until(lambda: play.store.disputes[job, 0].state == state, within=60)
        assert (await play.store.audit(), play.earned()) == ([], share)
        assert play.store.units[job, 0].state == "COMPLETED"


@simulated
async def test_it_is_held_back_across_a_restart_and_until_somebody_can_look() -> None:
    """A gateway that died as its node was caught finds it."""
    async with verifying(own=frozenset({OWN}), least_odds=0.0) as play:
        play.known("v" * 1000)
        job = await settled_unlooked(play, play.checker(20, None))
        play.known("m")
        await play.restarts()
        await is_held(play, job)
        await play.restarts()
        ours = play.checker(20, None)
        order = await play.checks(ours, EXACT)
        assert order.unit.job == job
        await until(lambda: play.store.disputes[job, 0].state == "REJECTED", within=60)
        assert (play.earned(), await play.store.audit()) == (SHARE, [])


@simulated
async def test_strangers_are_not_asked_and_what_nobody_looks_at_is_given_back() -> None:
    """As what else a node that lied delivers, and nobody looks at."""
    async with verifying(own=frozenset({OWN}), least_odds=0.0) as play:
        play.known("v" * 1000)
        play.window = timedelta(minutes=10)
        ours = play.checker(20, None)
        job = await settled_unlooked(play, ours)
        play.goes(ours)
        stranger = play.checker(30, 3)
        is_caught(play)
        await is_held(play, job)
        opened = play.store.disputes[job, 0].opened_at
        await until(lambda: play.store.disputes[job, 0].state == "UPHELD", within=1200)
        assert play.clock.now() - opened >= play.window
        assert (play.earned(), await play.store.audit()) == (0, [])
        assert stranger.probe.ref.depth == 0


@simulated
async def test_what_is_fresh_is_checked_before_it() -> None:
    """Else who has a thousand small frames pending would keep the verifier by one lie."""
    async with verifying(own=frozenset({OWN}), least_odds=0.0) as play:
        play.known("v" * 1000)
        ours = play.checker(20, None)
        jobs = {await settled_unlooked(play, ours) for _ in range(3)}
        is_caught(play)
        first = await play.asked(ours)
        assert first.unit.job in jobs
        fresh = await play.delivered(UUID(int=11))
        play.says(ours, first, EXACT)
        assert (await play.checks(ours, EXACT)).unit.job == fresh
        assert {(await play.checks(ours, EXACT)).unit.job for _ in range(2)} < jobs


@simulated
async def test_chunks_are_checked_again() -> None:
    async with verifying(own=frozenset({OWN}), least_odds=0.0) as play:
        play.known("v" * 1000)
        ours = play.checker(20, None)
        job = await settled_unlooked(play, ours, frame=None, frames=[1, 2])
        is_caught(play)
        for _ in range(2):
            order = await play.checks(ours, EXACT)
            assert (order.draws, len(order.shown)) == ((), 1)
        await until(lambda: play.store.disputes[job, 0].state == "REJECTED", within=60)


async def vouched(
    play: Play, ours: Checker, stranger: Checker, said: Any = EXACT, **params: Any
) -> RunCheck:
    """What a stranger was asked about a unit of a node that nobody knows, and called exact."""
    job = await play.delivered(**params)
    await play.checks(ours, LOOKED)
    order = await play.checks(stranger, said)
    await play.ends(job, "COMPLETED")
    assert (play.verdict(job), play.earned()) == ("exact", SHARE)
    return order


def misjudged(play: Play, who: Checker) -> int:
    """How often it was found to have called valid what is not."""
    tests = play.store.verifier_tests.values()
    return sum(one.node_id == who.node and not one.passed for one in tests)


@simulated
@pytest.mark.parametrize("params", [{}, {"frame": None, "frames": [1, 2]}])
async def test_what_only_a_stranger_called_valid_is_checked_again_where_he_looked(
    params: dict[str, Any],
) -> None:
    """He may be the liar's friend: then it is given back, and he has a strike."""
    async with verifying(own=frozenset({OWN})) as play:
        ours, friend = play.checker(20, None), play.checker(30, 3)
        order = await vouched(play, ours, friend, **params)
        is_caught(play)
        await is_held(play, order.unit.job)
        await play.restarts()
        ours, friend = play.comes_back(ours), play.comes_back(friend)
        again = await play.asked(ours)
        assert (again.unit.job, again.draws, again.shown) == (
            order.unit.job,
            order.draws,
            order.shown,
        )
        play.says(ours, again, apart(0.9) if order.draws else OFF)
        if order.draws:
            await play.renders_whole(ours, apart(0.9))
        dispute = (order.unit.job, 0)
        await until(lambda: play.store.disputes[dispute].state == "UPHELD", within=60)
        assert (play.earned(), misjudged(play, friend)) == (0, 1)
        assert play.earned(UUID(int=3)) == 0, "nor is his word paid"
        assert [one.state for one in play.store.check_pay.values()] == ["REVERSED"]
        assert play.store.accounts["revenue"].balance == 0
        assert await play.store.audit() == []


@simulated
@pytest.mark.parametrize("report", [EXACT, {"fault": "its file says nothing that can be read"}])
async def test_who_saw_what_is_there_has_no_strike(report: dict[str, Any]) -> None:
    async with verifying(own=frozenset({OWN})) as play:
        ours, stranger = play.checker(20, None), play.checker(30, 3)
        order = await vouched(play, ours, stranger)
        is_caught(play)
        assert (await play.checks(ours, report)).unit.job == order.unit.job
        state = "REJECTED" if report is EXACT else "UPHELD"
        dispute = (order.unit.job, 0)
        await until(lambda: play.store.disputes[dispute].state == state, within=60)
        assert (misjudged(play, stranger), await play.store.audit()) == (0, [])
        assert play.earned(UUID(int=3)) == PAY, "he did his work"


@simulated
async def test_who_looked_at_a_frame_that_is_right_is_paid_though_another_is_not() -> None:
    async with verifying(own=frozenset({OWN})) as play:
        ours, stranger = play.checker(20, None), play.checker(30, 3)
        order = await vouched(play, ours, stranger, CHUNK, frame=None, frames=[*range(1, 10)])
        is_caught(play)
        again = await play.checks(ours, CHUNK)
        assert again.shown == order.shown
        play.says(ours, await play.asked(ours), {**OFF, "crops": OFF["crops"] * 2})
        dispute = (order.unit.job, 0)
        await until(lambda: play.store.disputes[dispute].state == "UPHELD", within=60)
        assert (misjudged(play, stranger), await play.store.audit()) == (0, [])
        assert (play.earned(), play.earned(UUID(int=3))) == (0, PAY)


@simulated
async def test_who_vouched_is_paid_where_nobody_could_look_again() -> None:
    async with verifying(own=frozenset({OWN})) as play:
        play.window = timedelta(minutes=10)
        ours, stranger = play.checker(20, None), play.checker(30, 3)
        order = await vouched(play, ours, stranger)
        play.goes(ours)
        is_caught(play)
        dispute = (order.unit.job, 0)
        await is_held(play, order.unit.job)
        await until(lambda: play.store.disputes[dispute].state == "UPHELD", within=1200)
        assert (play.earned(), play.earned(UUID(int=3))) == (0, PAY)
        assert await play.store.audit() == []


@simulated
async def test_what_the_gateways_own_called_valid_stays_as_it_is() -> None:
    async with verifying(own=frozenset({OWN})) as play:
        ours = play.checker(20, None)
        job = await play.delivered()
        await play.checks(ours, EXACT)
        await play.ends(job, "COMPLETED")
        is_caught(play)
        fresh = await play.delivered(UUID(int=11))
        assert (await play.checks(ours, EXACT)).unit.job == fresh
        await play.ends(fresh, "COMPLETED")
        assert play.store.disputes == {}


@simulated
async def test_of_chunks_every_frame_is_looked_at_again_whoever_had_looked() -> None:
    """One in eight had been: a lie among the others is found now, and the chunk given back."""
    async with verifying(own=frozenset({OWN}), least_odds=0.0) as play:
        ours, numbers = play.checker(20, None), [*range(1, 10)]
        job = await play.delivered(frame=None, frames=numbers)
        await play.checks(ours, CHUNK)
        await play.ends(job, "COMPLETED")
        is_caught(play)
        seen: list[int] = []
        for _ in range(4):
            order = await play.checks(ours, CHUNK)
            assert order.unit.job == job
            seen += picked([*order.shown], 9)
        order = await play.asked(ours)
        assert sorted([*seen, *picked([*order.shown], 9)]) == [*range(9)]
        play.says(ours, order, OFF)
        await until(lambda: play.store.disputes[job, 0].state == "UPHELD", within=60)
        assert (play.earned(), await play.store.audit()) == (0, [])


@simulated
async def test_what_was_right_of_a_chunk_when_time_is_up_holds() -> None:
    async with verifying(own=frozenset({OWN}), least_odds=0.0) as play:
        play.window = timedelta(minutes=10)
        ours = play.checker(20, None)
        job = await play.delivered(frame=None, frames=[*range(1, 9)])
        await play.checks(ours, EXACT_ONE)
        await play.ends(job, "COMPLETED")
        is_caught(play)
        await play.checks(ours, EXACT_ONE)
        await play.asked(ours)
        play.goes(ours)
        await until(lambda: play.store.disputes[job, 0].state == "REJECTED", within=1200)
        assert (play.earned(), await play.store.audit()) == (SHARE, [])
