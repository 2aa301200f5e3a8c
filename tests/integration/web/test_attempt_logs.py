"""Logs of failed attempts in the node's own words, kept for the job's owner."""

import aiohttp
import pytest

from rendertrust.client import AsyncClient, NotFound, Tokens
from rendertrust.protocol import JobDispatch, JobResult, JobStatus, Log
from rendertrust.testing import FakeNode, completes
from sql.attempt_logs import DONE_LINES, DONE_MOST, LOGS_MOST, SHOWN_MOST
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_clients import Creator
from tests.support.attempts import attempt_of
from tests.support.databases import fetch
from tests.support.until import until
from tests.support.whole_gateway import Whole


def said(dispatch: JobDispatch, text: str) -> Log:
    return Log(
        **attempt_of(dispatch),
        sequence=0,
        offset=0,
        text=text,
    )


async def kept(database: PostgresEndpoint) -> list[int]:
    return [row["unit"] for row in await fetch(database.owner_dsn, "SELECT unit FROM attempt_logs")]


async def fails_after_words(node: FakeNode, dispatch: JobDispatch) -> None:
    words = "Read blend: shot.blend\n\nSaved: '/job/out/raw.exr'\nno camera"
    await node.send(said(dispatch, words))
    await node.send(
        JobResult(
            **attempt_of(dispatch),
            status="failed",
            failure="scene",
            error="the scene has no camera",
            detail="Traceback: camera",
        )
    )


async def fails_first_frame(node: FakeNode, dispatch: JobDispatch) -> None:
    """Fail the first of two frames, and stay at work on the other."""
    if dispatch.unit == 0:
        await fails_after_words(node, dispatch)
        return
    await node.send(JobStatus(**attempt_of(dispatch), progress=0.1))
    await node.send(said(dispatch, "Saved: '/job/out/raw.exr'\nFra:2 Mem:100M"))


async def test_its_owner_reads_why_a_frame_failed_whenever_he_asks(
    gateway: Whole, http: aiohttp.ClientSession, database: PostgresEndpoint
) -> None:
    jane = Creator(http, gateway.url, "jane@example.org")
    await jane.register()
    async with AsyncClient(gateway.url, tokens=Tokens(jane.token, "")) as client:
        async with FakeNode(gateway.url, slots=2, behave=fails_first_frame) as node:
            _, placed = await jane.dispatch("render", frames="1-2")
            job = placed["job_id"]

            async def both_told() -> bool:
                told = await client.job_log(job)
                return len(told) == 2 and told[0].ended_at is not None

            await until(both_told)
            failed, working = await client.job_log(job)
            assert (failed.unit, failed.frames, failed.attempt) == (0, "1", 1)
            assert failed.lines == ("Read blend: shot.blend", "no camera", "Traceback: camera")
            assert (failed.error_class, failed.error) == ("scene", "the scene has no camera")
            assert failed.node_id == node.node_id
            assert failed.ended_at is not None
            assert (working.unit, working.ended_at) == (1, None)
            assert working.lines == ("Fra:2 Mem:100M",)
            assert [one.unit for one in await client.job_log(job, unit=0)] == [0]
        rows = await kept(database)
        assert len(rows) == 1, "the log of an attempt that has not ended is not kept"
    eve = Creator(http, gateway.url, "eve@example.org")
    await eve.register()
    async with AsyncClient(gateway.url, tokens=Tokens(eve.token, "")) as stranger:
        with pytest.raises(NotFound):
            await stranger.job_log(job)


async def talks_and_completes(node: FakeNode, dispatch: JobDispatch) -> None:
    """Fail the first frame, and complete the other frames after many log lines."""
    if dispatch.unit == 0:
        await fails_after_words(node, dispatch)
        return
    lines = "\n".join(f"line {number}" for number in range(DONE_LINES + 5))
    await node.send(said(dispatch, lines))
    await completes(b"a picture")(node, dispatch)


async def test_what_was_said_of_a_frame_that_came_well_is_kept_beside_what_failed(
    gateway: Whole, http: aiohttp.ClientSession, database: PostgresEndpoint
) -> None:
    jane = Creator(http, gateway.url, "jane@example.org")
    await jane.register()
    frames = DONE_MOST + 4
    async with FakeNode(gateway.url, slots=8, behave=talks_and_completes):
        _, placed = await jane.dispatch("echo", frames=f"1-{frames}")
        job = placed["job_id"]
        await jane.job_within(job, "FAILED")

        async def is_bounded() -> bool:
            rows = await kept(database)
            return len(rows) == 1 + DONE_MOST and frames - 1 in rows

        await until(is_bounded)
    assert 0 in await kept(database), "many that went well replace none that failed"
    async with AsyncClient(gateway.url, tokens=Tokens(jane.token, "")) as client:
        (last,) = await client.job_log(job, unit=frames - 1)
        assert (last.completed, last.error, last.frames) == (True, None, str(frames))
        assert last.ended_at is not None
        assert last.lines == tuple(f"line {number}" for number in range(5, DONE_LINES + 5))
        told = await client.job_log(job)
        assert {one.unit for one in told if one.ended_at and not one.completed} == {0}
        assert sum(one.completed for one in told) == SHOWN_MOST


async def test_of_a_job_a_bounded_number_is_kept_and_goes_with_its_results(
    gateway: Whole, http: aiohttp.ClientSession, database: PostgresEndpoint
) -> None:
    jane = Creator(http, gateway.url, "jane@example.org")
    await jane.register()
    async with FakeNode(gateway.url, slots=8, behave=fails_after_words):
        _, placed = await jane.dispatch("echo", frames=f"1-{LOGS_MOST + 5}")
        await jane.job_within(placed["job_id"], "FAILED")
    rows = await kept(database)
    assert len(rows) == LOGS_MOST
    logs, clock = gateway.gateway.tables.attempt_logs, gateway.gateway.ports.clock
    assert await logs.expire(clock.now(), 10)
    assert await kept(database) == []
