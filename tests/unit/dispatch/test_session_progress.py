"""A unit without progress is taken from its node; a unit with slow progress stays."""

import asyncio
from datetime import timedelta
from typing import Any

import attrs
import pytest

from actors.ledger.effects import UnitFail
from actors.ledger.messages import Posted
from actors.node_session.messages import PongSeen
from actors.node_session.progress_watchdog import ProgressTracker
from config.settings import Leases
from rendertrust.protocol import (
    Hello,
    JobCancel,
    PartsWanted,
    Running,
    Urls,
    UrlsRequest,
    WantedPart,
)
from sql.job_plan import InputFile, Inputs
from sql.units import UnitDuration
from tests.twins.clock import EPOCH, TwinClock
from tests.unit.dispatch.session_stage import Play, running, session, status
from tests.unit.dispatch.stage import JOB, assignment, state_of
from tests.unit.simulated_time import simulated

STILL = 100.0
PATIENT: dict[str, Any] = {"stall_seconds": STILL, "pong_seconds": 1e6, "leases": Leases(80_000.0)}


async def began(play: Play, **fields: Any) -> None:
    await play.working(assignment(**fields))
    play.hear(status(progress=0.0))
    await play.effect(Posted(units=(state_of("RUNNING"),)))


async def wait_until_taken_back(play: Play, code: str = "stalled") -> str:
    """Wait until the unit fails and the node is told to stop; return the error."""
    effect = await play.effect(within=60.0)
    assert isinstance(effect, UnitFail)
    assert (effect.error_class, effect.error_code) == ("node", code)
    told = await play.socket.expect(JobCancel)
    assert (told.job_id, told.attempt, told.reason) == (str(JOB), 1, effect.error)
    return effect.error


async def report_progress(play: Play, seconds: float, *progress: float) -> None:
    """Report progress every ten seconds, and check that the unit is not taken back."""
    steps = int(seconds // 10)
    for step in range(steps):
        await asyncio.sleep(10)
        play.hear(status(progress=progress[step * len(progress) // steps]))
        play.ref.tell(PongSeen())
    await asyncio.sleep(1)
    assert not [item for item in play.cast.ledger.ref.mailbox.items if "UnitFail" in repr(item)]


@simulated
async def test_words_without_progress_hold_a_unit_no_longer() -> None:
    async with session(**PATIENT) as play:
        await began(play)
        await report_progress(play, STILL, 0.3)
        play.hear(status(progress=0.3))
        await asyncio.sleep(20)
        said = await wait_until_taken_back(play)
        assert "30 %" in said


@simulated
async def test_a_unit_begins_once_its_blender_is_installed_within_an_hour() -> None:
    clock, limit = TwinClock(), 10 * STILL
    async with session(clock=clock, **PATIENT, runtime_seconds_most=limit) as play:
        await play.working(assignment())
        for _ in range(30):  # far longer than the unit may take
            play.hear(status(progress=0.0, preparing=True, detail="installing Blender 4.2"))
            play.ref.tell(PongSeen())
            await asyncio.sleep(100)
        assert not [item for item in play.cast.ledger.ref.mailbox.items if "Unit" in repr(item)]
        play.hear(status(progress=0.0))
        await play.effect(Posted(units=(state_of("RUNNING"),)))
        await report_progress(play, limit - 160, *(number / 100 for number in range(90)))
    async with session(**PATIENT) as play:
        await play.working(assignment())
        for _ in range(36):
            play.hear(status(progress=0.0, preparing=True))
            play.ref.tell(PongSeen())
            await asyncio.sleep(100)
        play.hear(status(progress=0.0, preparing=True))  # after an hour, it has begun
        await play.effect(Posted(units=(state_of("RUNNING"),)))
        await asyncio.sleep(2 * STILL - 20)
        assert "0 %" in await wait_until_taken_back(play)


@simulated
async def test_less_than_a_hundredth_is_no_progress() -> None:
    async with session(**PATIENT) as play:
        await began(play)
        await report_progress(play, STILL, 0.3, 0.302, 0.305, 0.309)
        await asyncio.sleep(30)
        assert "30 %" in await wait_until_taken_back(play)


@simulated
async def test_a_slow_node_that_gets_on_keeps_its_unit() -> None:
    async with session(**PATIENT) as play:
        await began(play)
        await report_progress(play, 20 * STILL, *(number / 40 for number in range(40)))


@simulated
async def test_what_is_fetched_first_and_sent_last_has_twice_the_time() -> None:
    async with session(**PATIENT) as play:
        await began(play)
        await report_progress(play, 2 * STILL - 20, 0.0)
        await report_progress(play, STILL - 20, 0.5)
        await report_progress(play, 2 * STILL - 20, 1.0)
        await asyncio.sleep(60)
        assert "100 %" in await wait_until_taken_back(play)


@simulated
async def test_large_inputs_may_come_over_a_slow_line() -> None:
    async with session(**PATIENT) as play:
        large = Inputs(InputFile("uploads/x", "x.blend", "0" * 64, 100 << 20))
        await began(play, inputs=large, payload_ref="s3://rendertrust/uploads/x")
        await report_progress(
            play, 4 * STILL, 0.0
        )  # 400 s more for the download at 256 KiB a second
        await asyncio.sleep(260)
        assert "0 %" in await wait_until_taken_back(play)


@simulated
async def test_parts_that_are_wanted_give_time_to_put_them_once() -> None:
    async with session(**PATIENT, part_bytes=10 << 20) as play:
        await began(play)
        play.hear(status(progress=1.0))
        parts = (WantedPart(number=1, sha256="1" * 64), WantedPart(number=2, sha256="2" * 64))
        wanted = PartsWanted(what="result", size=20 << 20, parts=parts)
        for _ in range(3):  # repeated requests do not extend the time
            play.hear(UrlsRequest(job_id=str(JOB), wanted=wanted))
            await play.socket.expect(Urls)
        await report_progress(play, 2 * STILL + 60, 1.0)
        await asyncio.sleep(60)
        assert "100 %" in await wait_until_taken_back(play)


@simulated
async def test_connecting_anew_is_no_progress() -> None:
    async with session(**PATIENT) as play:
        await began(play)
        await report_progress(play, STILL - 20, 0.3)
        progress = play.progress
    async with session(**PATIENT, progress=progress, clock=play.clock) as again:
        again.hear(Hello(version="1", running=(running(),)))
        again.assign(assignment(state="RUNNING"))
        await again.welcome()
        again.hear(status(progress=0.3))
        await asyncio.sleep(40)
        assert "30 %" in await wait_until_taken_back(again)


@simulated
async def test_a_plain_node_is_not_asked_how_far_it_is() -> None:
    async with session(**PATIENT) as play:
        play.assign(assignment())
        await asyncio.sleep(5)
        play.socket.sent.clear()
        for _ in range(60):
            await asyncio.sleep(10)
            play.ref.tell(PongSeen())
        assert not [i for i in play.cast.ledger.ref.mailbox.items if "UnitFail" in repr(i)]


@simulated
async def test_many_times_as_long_as_the_others_is_too_long_whatever_is_said() -> None:
    async with session(**PATIENT, expected_times=20.0) as play:
        play.cast.store.done = [UnitDuration(JOB, "7", False, 10.0) for _ in range(3)]
        await began(play, assigned_at=play.clock.now() - timedelta(seconds=1))
        await report_progress(play, 190.0, *(number / 40 for number in range(19)))
        await asyncio.sleep(30)
        assert "20 times" in await wait_until_taken_back(play, "too_slow")


@simulated
async def test_whoever_is_not_that_slow_keeps_it() -> None:
    async with session(**PATIENT, expected_times=20.0) as play:
        play.cast.store.done = [UnitDuration(JOB, "7", False, 10.0) for _ in range(3)]
        frames = {"frames": list(range(10))}
        await began(play, params=frames)
        await report_progress(play, 1900.0, *(number / 100 for number in range(100)))


@simulated
@pytest.mark.parametrize("skew", [86400.0, -86400.0], ids=["ahead", "behind"])
@pytest.mark.parametrize("is_given_here", [True, False], ids=["given here", "read"])
async def test_how_long_a_node_has_a_unit_is_not_told_by_the_gateways_time_of_day(
    skew: float, is_given_here: bool
) -> None:
    clock, limit = TwinClock(), 1000.0
    clock.skew = skew
    limits: dict[str, Any] = {**PATIENT, "stall_seconds": 2 * limit, "runtime_seconds_most": limit}
    async with session(clock=clock, **limits) as play:
        await asyncio.sleep(limit - 100)
        began_at = clock.monotonic() - (limit - 100)
        unit = assignment(state="RUNNING", assigned_at=EPOCH + timedelta(seconds=began_at))
        if is_given_here:
            unit = attrs.evolve(unit, assigned_at=EPOCH, given_at=began_at)
        play.hear(Hello(version="1", running=(running(),)))
        play.assign(unit)
        await play.welcome()
        await report_progress(play, 60.0, 0.5)
        await asyncio.sleep(60)
        assert await wait_until_taken_back(play, "too_slow")


@simulated
@pytest.mark.parametrize("says", [None, (running(),), ()], ids=["nothing", "it", "no unit"])
async def test_a_node_that_alternates_between_gateways_holds_no_unit_for_ever(
    says: tuple[Running, ...] | None,
) -> None:
    """The node sends no hello, or only hellos that name the unit, or only hellos without a unit."""
    clock, gateways, limit = TwinClock(), (ProgressTracker(), ProgressTracker()), 1000.0
    begun = clock.now()
    unit = assignment(assigned_at=begun)
    for turn in range(10):
        limits: dict[str, Any] = {
            **PATIENT,
            "stall_seconds": 2 * limit,
            "runtime_seconds_most": limit,
        }
        async with session(progress=gateways[turn % 2], clock=clock, **limits) as play:
            if says is not None:
                play.hear(Hello(version="1", running=says))
            play.assign(unit)
            for _ in range(30):
                await asyncio.sleep(10)
                play.ref.tell(PongSeen())
            commits = [i for i in play.cast.ledger.ref.mailbox.items if "UnitFail" in repr(i)]
            if commits:
                break
    held = (clock.now() - begun).total_seconds()
    assert limit < held <= limit + 600, "the unit ends within the next session at the same gateway"
