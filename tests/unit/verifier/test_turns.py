"""The order of checks and their time: no account keeps another account waiting for long."""

import asyncio
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.kernel import Message
from actors.ledger.effects import UnitStart
from actors.node_session.messages import DropCheck, RunCheck
from actors.verifier.case import Case, Step
from actors.verifier.settings import VerifierSettings
from rendertrust.verdict_reason import VerdictReason, explain
from sql.checks import Pending
from sql.job_plan import Pricing
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    CREATOR,
    EXACT,
    NODE,
    PRICE,
    Inspector,
    Play,
    apart,
    pending,
    verifying,
)
from tests.unit.verifier.test_several import another_gateway

CHECK_SECONDS = 20.0
OTHER = UUID(int=77)


@simulated
async def test_creators_share_the_verifiers_time_alike() -> None:
    """A creator with a hundred slow frames keeps no other creator waiting."""
    async with verifying() as play:
        jobs = [await play.delivered() for _ in range(5)]
        theirs = await play.delivered(UUID(int=11), user=OTHER)
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
        mine, before = await play.delivered(user=OTHER), 0
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
            others.append(await play.delivered(user=OTHER))
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
    """Other failures of its checks are never paid."""
    async with verifying() as play:
        play.known("v" * (1000 if known else 9))
        play.store.covers = False  # no earnings cover a fine, so the result is drawn
        job, checker = await play.delivered(), play.inspector()
        for number in range(3):
            order = await play.asked(checker)
            play.says(checker, order, None, "no memory", is_scene=number < of_scene)
        await play.ends(job, "COMPLETED")
        row = play.store.checks[job, 0, 1]
        reason: VerdictReason = "scene-fails" if of_scene == 3 else "checks-failed"
        assert (row.verdict, row.reason) == ("unverifiable", reason)
        assert row.said == explain(reason, "no memory")
        assert (play.charged(), play.earned()) == ((PRICE, PRICE * 7 // 10) if paid else (0, 0))


@simulated
@pytest.mark.parametrize("of_scene", [0, 2])
async def test_files_with_which_alone_verifiers_crash_are_refused_without_a_strike(
    of_scene: int,
) -> None:
    async with verifying() as play:
        play.known("v" * 1000)
        play.store.covers = False
        job, checker = await play.delivered(), play.inspector()
        for number in range(3):
            order, is_scene = await play.asked(checker), number < of_scene
            play.says(checker, order, None, "it died", is_scene=is_scene, by_files=not is_scene)
        unit = await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.strike, row.said) == ("invalid", False, "it died")
        assert (unit.failures, play.charged(), play.earned()) == (1, 0, 0)
        assert row.verifier_id is not None, "it ends the node's valid results in a row"


@simulated
async def test_a_first_check_has_ten_times_as_long_as_its_unit_took() -> None:
    """The limits are two and fifteen minutes. A second check of the result gets more time."""
    async with verifying() as play:
        checker = play.inspector()
        for took, seconds in ((1.0, 120.0), (30.0, 300.0), (300.0, 900.0)):
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
async def test_a_whole_frame_has_the_time_that_its_unit_took_besides() -> None:
    async with verifying(check_seconds=CHECK_SECONDS) as play:
        checker = play.inspector()
        job = await long(play, NODE, took=10 * CHECK_SECONDS)
        await play.checks(checker, apart(0.9))
        order = await play.asked(checker)
        await asyncio.sleep(5 * CHECK_SECONDS)
        play.says(checker, order, {**EXACT, "whole": True})
        await play.ends(job, "COMPLETED")


# ── long checks ──────────────────────────────────────────────────────────────────────────────────

WAIT = 300.0


async def long(play: Play, node: UUID, *, took: float = 3600.0, user: UUID = CREATOR) -> UUID:
    """Return a job whose unit the node has delivered after ``took`` seconds of work."""
    job = await play.assigned(node, user=user)
    await play.do(UnitStart(job, 0, 1, node))
    await asyncio.sleep(took)
    await play.again(job, node, 1)
    return job


async def next_order(checker: Inspector) -> RunCheck:
    """Return the verifier's next order to run a check; skip orders to drop one."""
    while True:
        found: Any = await checker.probe.expect(Message, within=10_000)
        if isinstance(found, RunCheck):
            return found


@simulated
async def test_a_check_of_a_slow_unit_gives_way_to_a_result_that_waits_for_it() -> None:
    """The stopped check is repeated once nobody else waits, and has as much time as before."""
    async with verifying(wait_seconds=WAIT) as play:
        checker, slow = play.inspector(), await long(play, NODE)
        play.says(checker, await play.asked(checker), apart(0.9))
        assert (await play.asked(checker)).whole
        begun, theirs = play.clock.monotonic(), await play.delivered(user=OTHER)
        order = await next_order(checker)
        assert order.unit.job == theirs
        assert play.clock.monotonic() - begun == pytest.approx(WAIT, abs=5)
        play.says(checker, order, EXACT)
        order = await next_order(checker)
        assert (order.unit.job, order.seconds) == (slow, 0.75 * (900 + 3600))
        await asyncio.sleep(3300)
        play.says(checker, order, {**EXACT, "whole": True})
        await play.ends(slow, "COMPLETED")
        assert play.verdict(slow) == "exact"


@simulated
async def test_slow_units_of_many_accounts_keep_nobody_waiting_for_longer() -> None:
    """Somebody who delivers every two minutes waits for one check at most."""
    async with verifying(wait_seconds=WAIT) as play:
        jobs = [
            await play.assigned(UUID(int=11), user=UUID(int=500 + number)) for number in range(4)
        ]
        for job in jobs:
            await play.do(UnitStart(job, 0, 1, UUID(int=11)))
        await asyncio.sleep(3600)
        for job in jobs:
            await play.again(job, UUID(int=11), 1)
        checker, waits, tried = play.inspector(), list[float](), 0
        order = await play.asked(checker)
        for _ in range(7):  # together less than an hour
            theirs, begun = await play.delivered(user=OTHER), play.clock.monotonic()
            while order.unit.job != theirs:
                tried += 1
                order = await next_order(checker)
            waits.append(play.clock.monotonic() - begun)
            play.says(checker, order, EXACT)
            order = await next_order(checker)
            await asyncio.sleep(120)
        assert tried > len(jobs)
        assert max(waits[len(jobs) :]) < WAIT + 5
        assert max(waits) < len(jobs) * (WAIT + 5), (
            "before that, the first check of each account may go first"
        )


@simulated
async def test_a_long_check_is_made_though_others_always_wait() -> None:
    """After twelve times the longest wait since the delivery, the long check runs to its end."""
    async with verifying(wait_seconds=60.0, look_seconds=5.0) as play:
        checker, slow = play.inspector(), await long(play, NODE, took=700.0)
        begun = play.clock.monotonic()
        for _ in range(3):
            await play.delivered(user=OTHER)
        while play.verdict(slow) is None:
            assert play.clock.monotonic() - begun < 3600, "the long check is never made"
            order = await next_order(checker)
            if order.unit.job != slow:
                await play.delivered(user=OTHER)
            await serve(play, checker, order, 700 if order.unit.job == slow else 60)
        assert play.clock.monotonic() - begun > 12 * 60


@simulated
async def test_overdue_checks_take_at_most_a_quarter_of_the_time() -> None:
    """Other accounts' results get the remaining time, however many long checks are overdue."""
    async with verifying(wait_seconds=60.0, look_seconds=5.0) as play:
        checker, begun = play.inspector(), play.clock.monotonic()
        for number in range(9):
            await long(play, NODE, took=1.0, user=UUID(int=500 + number))
        spent = {True: 0.0, False: 0.0}
        for _ in range(3):
            await play.delivered(user=OTHER)
        while (now := play.clock.monotonic()) - begun < 2 * 3600:
            order = await next_order(checker)
            is_other = play.store.jobs[order.unit.job].user_id == OTHER
            if is_other:
                await play.delivered(user=OTHER)
            await serve(play, checker, order, 40 if is_other else 115)
            if now - begun > 1800:
                spent[is_other] += play.clock.monotonic() - now
        assert 0.08 < spent[False] / sum(spent.values()) < 0.27


@simulated
@pytest.mark.parametrize("gateways", [1, 2])
async def test_long_checks_do_not_stop_each_other(gateways: int) -> None:
    """A long check gives way to the first check of another result, but not to a repeated check."""
    async with verifying(wait_seconds=WAIT) as play, another_gateway(play) as second:
        stages = (play, second)[:gateways]
        checkers = [one.inspector(20 + number) for number, one in enumerate(stages)]
        await asyncio.sleep(30)
        begun, jobs = play.clock.monotonic(), list[UUID]()
        for number in range(4):
            job = await play.assigned(NODE, user=UUID(int=500 + number))
            await play.do(UnitStart(job, 0, 1, NODE))
            jobs.append(job)
        await asyncio.sleep(100)
        for job in jobs:
            await play.again(job, NODE, 1)
        serving = [
            asyncio.create_task(serves(one, checker, 700))
            for one, checker in zip(stages, checkers, strict=True)
        ]
        await until(lambda: None not in map(play.verdict, jobs), within=20_000)
        for task in serving:
            task.cancel()
        assert {play.verdict(job) for job in jobs} == {"exact"}
        assert play.clock.monotonic() - begun < 3 * len(jobs) * 1000


async def serves(play: Play, checker: Inspector, needs: int) -> None:
    """Serve all checks of a verifier, each in ``needs`` seconds."""
    while True:
        await serve(play, checker, await next_order(checker), needs)


async def serve(play: Play, checker: Inspector, order: RunCheck, needs: int) -> None:
    """Report after ``needs`` seconds that the result is exact, unless a message comes before."""
    for _ in range(0, needs, 5):
        await asyncio.sleep(5)
        if checker.probe.ref.depth:
            return
    play.says(checker, order, EXACT)


@simulated
async def test_long_checks_of_twenty_new_creators_come_after_a_short_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first long check has begun when the short result is delivered."""
    async with verifying() as play:
        read, honest = play.store.pending_checks, UUID(int=999)

        async def read_with_times(*given: Any) -> list[Pending]:
            found = await read(*given)
            return [attrs.evolve(one, took=2.0 if one.user == honest else 900.0) for one in found]

        monkeypatch.setattr(play.store, "pending_checks", read_with_times)
        for number in range(20):
            of = UUID(int=500 + number), UUID(int=600 + number)
            await play.delivered(*of, user=UUID(int=700 + number))
        checker = play.inspector()
        await play.asked(checker)
        job, begun = await play.delivered(user=honest), play.clock.monotonic()
        await checker.probe.expect(DropCheck, within=1000)
        order = await play.asked(checker)
        assert order.unit.job == job
        assert play.clock.monotonic() - begun < 400


@pytest.mark.parametrize(("step", "took"), [("regions", 400.0), ("whole", 1.0), ("more", 1.0)])
def test_a_quick_lie_does_not_shorten_the_later_checks(step: Step, took: float) -> None:
    """The price was measured: the unit, a quarter of the job's price, takes 400 seconds."""
    pricing = Pricing(work=1_600_000_000, price=PRICE // 4, pays_for=100)
    delivery = pending(drawn=True, took=took)
    case = Case.opened(attrs.evolve(delivery, plan=attrs.evolve(delivery.plan, pricing=pricing)))
    case.step = step
    first, later = 900.0, 900.0 + 400.0
    assert VerifierSettings().seconds_of(case) == (first if step == "regions" else later)
