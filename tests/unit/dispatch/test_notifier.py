"""Tests of the Notifier, which keeps the newest progress and passes events on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import attrs
import orjson

from actors.kernel import Ref
from actors.notifier.actor import PUBLISHED_MOST, NotifierActor, NotifierSettings
from actors.notifier.log_hints import being
from actors.notifier.messages import (
    Progress,
    ProgressOf,
    ProgressOfUnits,
    TailOf,
    ToOthers,
    UnitLogLines,
    UnitsMoved,
)
from actors.scheduler.messages import GatewayMembership, JobPaused, Scheduler
from tests.support.probe import Probe
from tests.support.until import until
from tests.twins.bus import TwinBus
from tests.unit.dispatch.stage import JOB, JOB2, NODE, on_stage, state_of
from tests.unit.simulated_time import simulated


@asynccontextmanager
async def notifying(bus: TwinBus | None = None, **settings: Any) -> AsyncGenerator[Ref[Any]]:
    def make() -> NotifierActor:
        scheduler = Ref[Scheduler]("scheduler")
        return NotifierActor(bus or TwinBus(), scheduler, UUID(int=1), NotifierSettings(**settings))

    async with on_stage("notifier", make) as ref:
        yield ref


def progress(value: float, job: UUID = JOB) -> Progress:
    return Progress(job, 0, 1, value)


@simulated
async def test_the_newest_progress_is_kept_until_the_job_ends() -> None:
    async with notifying() as ref:
        assert await ref.ask(ProgressOf(JOB), within=1.0) is None
        ref.tell(progress(0.1))
        ref.tell(progress(0.2))
        assert await ref.ask(ProgressOf(JOB), within=1.0) == progress(0.2)
        ref.tell(UnitsMoved((state_of("COMPLETED"),)))
        assert await ref.ask(ProgressOf(JOB), within=1.0) is None


@simulated
async def test_what_was_delivered_is_done_and_what_waits_again_is_not_begun() -> None:
    async with notifying() as ref:
        ref.tell(progress(0.2))
        delivered = attrs.evolve(state_of("VERIFYING"), job_status="RUNNING")
        ref.tell(UnitsMoved((delivered,)))
        assert await ref.ask(ProgressOf(JOB), within=1.0) == Progress(JOB, 0, 1, 1.0)
        waits = attrs.evolve(state_of("QUEUED"), job_status="RUNNING")
        ref.tell(UnitsMoved((waits,)))
        assert await ref.ask(ProgressOf(JOB), within=1.0) is None


@simulated
async def test_the_progress_of_the_longest_silent_job_gives_way() -> None:
    async with notifying(progress_most=2) as ref:
        for number in range(3):
            ref.tell(progress(0.1, UUID(int=number)))
        kept = [await ref.ask(ProgressOf(UUID(int=n)), within=1.0) for n in range(3)]
        assert [found is not None for found in kept] == [False, True, True]


@simulated
async def test_each_unit_says_how_far_it_is_until_it_has_ended() -> None:
    async with notifying(progress_most=3) as ref:
        told = [Progress(JOB, 0, 1, 0.1), Progress(JOB, 1, 1, 0.2), Progress(JOB, 1, 2, 0.3)]
        for each in (Progress(JOB, 1, 1, 0.1), *told):
            ref.tell(each)
            found = await ref.ask(ProgressOfUnits(JOB), within=1.0)
            assert each in found
        found = await ref.ask(ProgressOfUnits(JOB), within=1.0)
        assert sorted(found, key=lambda each: each.value) == told
        ref.tell(UnitsMoved((attrs.evolve(state_of("COMPLETED"), unit=1, job_status="RUNNING"),)))
        found = await ref.ask(ProgressOfUnits(JOB), within=1.0)
        assert list(found) == told[:1]
        for unit in range(2, 5):
            ref.tell(Progress(JOB2, unit, 1, 0.5))
        found = await ref.ask(ProgressOfUnits(JOB), within=1.0)
        assert not found, "the progress of the job that was silent longest gives way"
        found = await ref.ask(ProgressOfUnits(JOB2), within=1.0)
        assert len(found) == 3


@simulated
async def test_the_last_lines_of_a_job_are_kept_when_it_has_ended() -> None:
    async with notifying(tails_most=2) as ref:
        ref.tell(Progress(JOB, 0, 1, 0.1, "Sample 1/8"))
        ref.tell(Progress(JOB, 0, 1, 0.1, "Sample 1/8"))
        ref.tell(UnitLogLines(JOB, 0, 1, "Error: no camera\n\n  \n" + "x" * 1000))
        ref.tell(UnitsMoved((state_of("FAILED"),)))
        lines = await ref.ask(TailOf(JOB), within=1.0)
        assert [line.text for line in lines] == ["Error: no camera", "x" * 400, "Sample 1/8"]
        for number in range(200):
            ref.tell(UnitLogLines(JOB, 0, 2, f"line {number}"))
        lines = await ref.ask(TailOf(JOB), within=1.0)
        assert (len(lines), lines[-2].text, lines[-2].attempt) == (81, "line 199", 2)
        ref.tell(UnitLogLines(JOB2, 0, 1, "another"))
        ref.tell(UnitLogLines(NODE, 0, 1, "a third"))
        assert await ref.ask(TailOf(JOB), within=1.0) == ()


@simulated
async def test_units_that_work_at_once_leave_what_was_said_in_the_tail() -> None:
    """Progress of each unit is shown once, after the lines, however often it is reported."""
    async with notifying() as ref:
        ref.tell(UnitLogLines(JOB, 0, 1, "Warning: an image is missing"))
        ref.tell(UnitLogLines(JOB, 1, 1, "Read blend"))
        for number in range(200):
            for unit in (0, 1):
                ref.tell(UnitLogLines(JOB, unit, 1, "Saved"))
                ref.tell(Progress(JOB, unit, 1, 0.1, f"Sample {number}/300"))
        lines = await ref.ask(TailOf(JOB), within=1.0)
        assert [(line.unit, line.text) for line in lines] == [
            (0, "Warning: an image is missing"),
            (1, "Read blend"),
            (0, "Saved"),
            (1, "Saved"),
            (0, "Sample 199/300"),
            (1, "Sample 199/300"),
        ]
        for unit in range(200):
            ref.tell(Progress(JOB, unit, 1, 0.1, "Sample 1/300"))
        lines = await ref.ask(TailOf(JOB), within=1.0)
        assert [line.unit for line in lines[4:]] == list(range(180, 200))


class StoredId(UUID):
    """An id as the database driver returns it, in a class of its own."""


@simulated
async def test_the_jobs_of_moved_units_are_published_once_each() -> None:
    bus, heard = TwinBus(), list[bytes]()
    bus.subscribe("jobs", heard.append)
    async with notifying(bus) as ref:
        stored = StoredId(int=JOB2.int)
        ref.tell(UnitsMoved((state_of("RUNNING"), state_of("FAILED"), state_of("RUNNING", stored))))
        await until(lambda: heard)
    assert orjson.loads(heard[0]) == [{"job": str(JOB)}, {"job": str(JOB2)}]


@simulated
async def test_jobs_that_change_soon_after_others_are_published_together() -> None:
    bus, heard = TwinBus(), list[bytes]()
    bus.subscribe("jobs", heard.append)
    async with notifying(bus) as ref:
        for pause in (0.01, 0.01, 0.2, 0.2):
            ref.tell(UnitsMoved((state_of("RUNNING"),)))
            ref.tell(UnitsMoved((state_of("RUNNING", JOB2),)))
            await asyncio.sleep(pause)
    both = [{"job": str(JOB)}, {"job": str(JOB2)}]
    assert [orjson.loads(hint) for hint in heard] == [both] * 3


@simulated
async def test_how_far_units_are_is_published_once_a_second_newest_only() -> None:
    bus, heard = TwinBus(), list[bytes]()
    bus.subscribe("progress", heard.append)
    async with notifying(bus) as ref:
        for value in (0.1, 0.2, 0.3):
            ref.tell(progress(value))
            await asyncio.sleep(0.1)
        ref.tell(progress(0.5, JOB2))
        await asyncio.sleep(2.0)
        ref.tell(progress(0.4))
        await asyncio.sleep(2.0)
    told = [[(one["job"], one["progress"]) for one in orjson.loads(hint)] for hint in heard]
    assert told == [[(str(JOB), 0.3), (str(JOB2), 0.5)], [(str(JOB), 0.4)]]


@simulated
async def test_the_newest_progress_of_a_unit_is_published_however_many_others_report() -> None:
    bus, heard = TwinBus(), list[bytes]()
    bus.subscribe("progress", heard.append)
    async with notifying(bus) as ref:
        for value in (0.1, 0.2):
            for number in range(PUBLISHED_MOST + 1):
                ref.tell(Progress(JOB, number, 1, value))
                if number % 500 == 0:
                    await asyncio.sleep(0.01)
        await asyncio.sleep(2.0)
    [hint] = heard
    assert [one["progress"] for one in orjson.loads(hint)] == [0.2] * PUBLISHED_MOST


@simulated
async def test_the_schedulers_of_all_gateways_hear_of_a_pause_at_once() -> None:
    bus = TwinBus()
    here, there = Probe[Any]("here"), Probe[Any]("there")

    def of(scheduler: Probe[Any], number: int) -> NotifierActor:
        return NotifierActor(bus, scheduler.ref, UUID(int=number))

    async with (
        on_stage("notifier", lambda: of(here, 1)) as notifier,
        on_stage("other", lambda: of(there, 2)),
    ):
        notifier.tell(ToOthers(JobPaused(JOB)))
        for scheduler in (here, there):
            assert await scheduler.expect(JobPaused, within=0.1) == JobPaused(JOB)
    assert not bus.subscriptions


@simulated
async def test_what_was_said_elsewhere_is_known_here_once() -> None:
    bus = TwinBus()

    def make(number: int) -> NotifierActor:
        return NotifierActor(bus, Ref[Scheduler]("scheduler"), UUID(int=number + 1))

    async def tail(of: Ref[Any]) -> list[str]:
        return [line.text for line in await of.ask(TailOf(JOB), within=1.0)]

    async with on_stage("one", lambda: make(0)) as one, on_stage("two", lambda: make(1)) as two:
        one.tell(UnitLogLines(JOB, 0, 1, "a\nb"))
        one.tell(attrs.evolve(progress(0.5), detail="Sample 1/2"))
        await asyncio.sleep(2.5)
        assert await tail(one) == await tail(two) == ["a", "b", "Sample 1/2"]
        two.tell(UnitLogLines(JOB, 0, 1, "c"))
        async with on_stage("three", lambda: make(2)) as three:
            await asyncio.sleep(2.5)
            for each in (one, two, three):
                assert await tail(each) == ["a", "b", "c", "Sample 1/2"]


@simulated
async def test_of_much_that_is_said_the_others_hear_the_last() -> None:
    bus, heard = TwinBus(), list[bytes]()
    bus.subscribe("said", heard.append)
    async with notifying(bus) as ref:
        for number in range(40):
            ref.tell(
                UnitLogLines(UUID(int=number), 0, 1, "\n".join(["x" * 400] * 2 + ["y" * 400] * 50))
            )
            ref.tell(
                UnitLogLines(UUID(int=number), 0, 1, "\n".join(str(n) * 100 for n in range(79)))
            )
        await asyncio.sleep(1.5)
        [told] = [payload for payload in heard if b"told" in payload]
        assert len(told) < 400_000
        assert str(UUID(int=39)).encode() in told


@simulated
async def test_what_no_gateway_said_is_passed_over() -> None:
    bus = TwinBus()
    async with notifying(bus) as ref:
        for payload in (b"", b"x" * 16, b"x" * 16 + b"[]", b"x" * 16 + b'{"told":[1],"asked":3}'):
            await bus.publish("said", payload)
        await asyncio.sleep(0.5)
        assert await ref.ask(TailOf(JOB), within=1.0) == ()


@simulated
async def test_what_no_gateway_said_makes_no_gateway() -> None:
    bus, scheduler = TwinBus(), Probe[Any]("scheduler")
    async with on_stage("notifier", lambda: NotifierActor(bus, scheduler.ref, UUID(int=1))):
        for payload in (b"", b"x", b"x" * 16, b"x" * 16 + b"[]", b"x" * 16 + b'{"told":[1]}'):
            await bus.publish("said", payload)
        await asyncio.sleep(2.0)
        assert scheduler.ref.depth == 0
        await bus.publish("said", being(UUID(int=2)))
        assert await scheduler.expect(GatewayMembership) == GatewayMembership(0, 2)
