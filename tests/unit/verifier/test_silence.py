"""Verifiers that take checks and come to nothing cost a wait that has a bound, and nobody's pay."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from actors.ledger.messages import UnitStart
from actors.node_session.messages import RunCheck
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, NODE, PRICE, Checker, Play, verifying

OURS = UUID(int=20)
SHARE = PRICE * 70 // 100
CHECK_SECONDS, WAIT_SECONDS = 900.0, 3600.0
ANSWER_SECONDS = 20.0
LOOKED = {"looked": True}


@asynccontextmanager
async def among(silent: int, **settings: Any) -> AsyncGenerator[Play]:
    """With so many accounts of which each has a node that takes checks and says nothing."""
    given = {"own": frozenset({OURS}), "own_odds": 0.2, "look_seconds": 5.0, **settings}
    async with verifying(**given) as play:
        for number in range(silent):
            play.checker(100 + number, 200 + number)
        yield play


@asynccontextmanager
async def answering(play: Play, checker: Checker) -> AsyncGenerator[None]:
    """It finds right whatever it is asked about, a little later."""

    async def answer() -> None:
        while True:
            order = await checker.probe.expect(RunCheck, within=1e9)
            await asyncio.sleep(ANSWER_SECONDS)
            is_glance = not (order.draws or order.shown)
            play.says(checker, order, LOOKED if is_glance else _exact(order))

    task = asyncio.create_task(answer())
    yield
    task.cancel()


def _exact(order: RunCheck) -> dict[str, Any]:
    return {**EXACT, "crops": [{"equal": True, "off": None}] * len(order.draws)}


async def decided(play: Play, job: UUID) -> float:
    """How many seconds its verdict took from now."""
    begun = play.clock.monotonic()
    await until(lambda: play.verdict(job), within=1e6)
    return play.clock.monotonic() - begun


async def rendered(play: Play, took: float, count: int = 1) -> list[UUID]:
    """Units that their node had for so many seconds."""
    jobs = [await play.assigned(NODE) for _ in range(count)]
    for job in jobs:
        await play.do(UnitStart(job, 0, 1, NODE))
    await asyncio.sleep(took)
    for job in jobs:
        await play.again(job, NODE, 1)
    return jobs


@simulated
@pytest.mark.parametrize("silent", [4, 20])
async def test_who_delivered_is_paid_after_one_of_them_said_nothing(silent: int) -> None:
    """Four of them were enough that no honest new node was paid, and all its pictures free."""
    async with among(silent) as play, answering(play, play.checker(20, None)):
        for _ in range(3):
            job = await play.delivered()
            assert await decided(play, job) < CHECK_SECONDS + 10 * ANSWER_SECONDS
            assert play.verdict(job) == "exact"
        assert (play.charged(), play.earned()) == (3 * PRICE, 3 * SHARE)


@simulated
async def test_what_was_long_to_render_waits_half_of_its_time_for_them_at_most() -> None:
    """A check has as long as its unit took besides: one of them would be enough."""
    async with among(1, own_odds=0.0) as play, answering(play, play.checker(20, None)):
        [job] = await rendered(play, took=3 * WAIT_SECONDS)
        assert await decided(play, job) < WAIT_SECONDS / 2 + 10 * ANSWER_SECONDS
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)


@simulated
@pytest.mark.parametrize("part", [0.7, 1.5])
async def test_who_is_long_at_it_is_left_at_it_while_our_own_are_busy(part: float) -> None:
    """And where they are free afterwards they look, however late that is."""
    async with among(0, own_odds=0.0) as play:
        ours, slow = play.checker(20, None), play.checker(30, 3)
        job, other = await rendered(play, 3 * WAIT_SECONDS, count=2)
        await play.checks(ours, LOOKED)
        order = await play.asked(slow)
        await play.checks(ours, LOOKED)
        held = order.unit.job
        busy = await play.asked(ours)
        assert {held, busy.unit.job} == {job, other}
        await asyncio.sleep(part * WAIT_SECONDS)
        assert slow.probe.ref.depth == 0, "it was not taken back"
        play.says(ours, busy, EXACT)
        await play.dropped(slow, order)
        assert (await play.checks(ours, EXACT)).unit.job == held
        await until(lambda: play.verdict(held), within=60)
        assert (play.verdict(held), play.earned()) == ("exact", 2 * SHARE)


@simulated
@pytest.mark.parametrize("how", ["silent", "gone", "failed"])
async def test_who_kept_a_check_for_nothing_is_asked_last_about_others_too(how: str) -> None:
    """However it ends: who says at last that he failed, or goes, kept it as long."""
    async with among(0, own=frozenset(), again_seconds=1.0) as play:
        idle = play.checker(30, 3)
        first = await play.delivered()
        order = await play.asked(idle)
        honest = play.checker(31, 4)
        await asyncio.sleep(CHECK_SECONDS / 2)
        if how == "failed":
            play.says(idle, order, None)
        elif how == "gone":
            idle = play.comes_back(idle)
        async with answering(play, honest):
            await until(lambda: play.verdict(first), within=CHECK_SECONDS)
            for _ in range(8):
                assert await decided(play, await play.delivered()) < 2 * ANSWER_SECONDS


@simulated
async def test_after_nine_times_as_long_he_is_asked_as_others_are() -> None:
    """His machine was at work, or his line was cut."""
    async with among(0, own=frozenset(), again_seconds=1.0) as play:
        idle = play.checker(30, 3)
        await play.delivered()
        order = await play.asked(idle)
        await asyncio.sleep(10)
        play.says(idle, order, None)
        async with answering(play, play.checker(31, 4)):
            await asyncio.sleep(95)
            for _ in range(9):
                await decided(play, await play.delivered())
        assert idle.probe.ref.depth


@simulated
async def test_our_own_that_went_once_is_asked_before_the_next_of_them() -> None:
    """Else each of them holds the case before it: who went while he looked is asked last."""
    async with among(4, own_odds=0.0) as play:
        ours = play.checker(20, None)
        job = await play.delivered()
        await play.checks(ours, LOOKED)
        await asyncio.sleep(CHECK_SECONDS + 60)
        assert (await play.asked(ours)).draws
        async with answering(play, play.comes_back(ours)):
            assert await decided(play, job) < 2 * ANSWER_SECONDS
        assert play.verdict(job) == "exact"
