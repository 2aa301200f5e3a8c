"""The order of checks and their time: nobody keeps others waiting for long."""

import asyncio
from uuid import UUID

import pytest

from actors.ledger.messages import UnitStart
from actors.node_session.messages import DropCheck
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, NODE, PRICE, verifying

CHECK_SECONDS = 20.0


@simulated
async def test_creators_share_the_verifiers_time_alike() -> None:
    """One who has a hundred frames that take long keeps nobody else waiting."""
    other = UUID(int=77)
    async with verifying() as play:
        jobs = [await play.delivered() for _ in range(5)]
        theirs = await play.delivered(UUID(int=11), user=other)
        checker = play.inspector()
        first = await play.asked(checker)
        assert first.unit.job in jobs
        await asyncio.sleep(100)
        play.says(checker, first, EXACT)
        assert (await play.checks(checker, EXACT)).unit.job == theirs
        assert (await play.asked(checker)).unit.job in jobs


# ── checks that come to nothing ──────────────────────────────────────────────────────────────────


@simulated
@pytest.mark.parametrize("at_once", [256, 4])
async def test_a_flood_of_several_pages_takes_no_more_turns(at_once: int) -> None:
    async with verifying(at_once=at_once) as play:
        for _ in range(20):
            await play.delivered()
        checker = play.inspector()
        order = await play.asked(checker)
        mine, before = await play.delivered(user=UUID(int=77)), 0
        await asyncio.sleep(10)
        while order.unit.job != mine:
            before += 1
            play.says(checker, order, EXACT)
            order = await play.asked(checker)
            await asyncio.sleep(10)
        assert before <= 2


@simulated
async def test_a_result_whose_check_failed_is_checked_again_when_nobody_else_waits() -> None:
    async with verifying(again_seconds=1.0) as play:
        checker = play.inspector()
        slow, others = await play.delivered(), list[UUID]()
        play.says(checker, await play.asked(checker), None, "no time")
        for _ in range(4):
            others.append(await play.delivered(user=UUID(int=77)))
            await asyncio.sleep(2)
        for job in others:
            order = await play.asked(checker)
            assert order.unit.job == job
            await asyncio.sleep(60)
            play.says(checker, order, EXACT)
        assert (await play.asked(checker)).unit.job == slow


@simulated
@pytest.mark.parametrize(
    ("of_scene", "known", "paid"),
    [(3, True, True), (3, False, False), (2, True, False), (0, True, False)],
)
async def test_a_scene_that_verifiers_cannot_render_is_charged_if_the_node_is_known(
    of_scene: int, known: bool, paid: bool
) -> None:
    """Failures while a delivered file is read are never paid."""
    async with verifying() as play:
        play.known("v" * (1000 if known else 9))
        play.store.covers = False  # it is drawn
        job, checker = await play.delivered(), play.inspector()
        for number in range(3):
            order = await play.asked(checker)
            play.says(checker, order, None, "no memory", is_scene=number < of_scene)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverifiable"
        assert (play.charged(), play.earned()) == ((PRICE, PRICE * 7 // 10) if paid else (0, 0))


@simulated
async def test_a_first_check_has_ten_times_as_long_as_its_unit_took() -> None:
    """But not less than two minutes. It is repeated with more time."""
    async with verifying() as play:
        checker = play.inspector()
        for took, seconds in ((1.0, 120.0), (30.0, 300.0), (300.0, 1200.0)):
            job = await play.assigned(NODE)
            await play.do(UnitStart(job, 0, 1, NODE))
            await asyncio.sleep(took)
            await play.again(job, NODE, 1)
            for least in (seconds, 900.0 + took):
                order, begun = await play.asked(checker), play.clock.monotonic()
                assert order.seconds == pytest.approx(0.75 * least, abs=9)
                await checker.probe.expect(DropCheck, within=2000)
                assert play.clock.monotonic() - begun == pytest.approx(least, abs=9)
            await play.checks(checker, EXACT)
            await play.ends(job, "COMPLETED")


@simulated
async def test_a_check_that_takes_too_long_is_taken_back_and_made_again() -> None:
    async with verifying(check_seconds=CHECK_SECONDS) as play:
        job, first = await play.delivered(), play.inspector()
        order = await play.asked(first)
        await play.dropped(first, order)
        await play.checks(play.inspector(21), EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_a_check_has_the_time_that_its_unit_took_besides() -> None:
    async with verifying(check_seconds=CHECK_SECONDS) as play:
        checker = play.inspector()
        job = await play.assigned(NODE)
        await play.do(UnitStart(job, 0, 1, NODE))
        await asyncio.sleep(10 * CHECK_SECONDS)
        await play.again(job, NODE, 1)
        order = await play.asked(checker)
        await asyncio.sleep(5 * CHECK_SECONDS)
        play.says(checker, order, EXACT)
        await play.ends(job, "COMPLETED")
