"""Exceptions in actors: the supervisor restarts them, and no client is disconnected."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.support.api_clients import Creator, FaithfulNode, faithful_node
from tests.support.examples import series
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

RESTART, ABNORMAL = 1012, 1
JOBS = 5
POINTS = (
    "scheduler.Dispatch:2",
    "scheduler.Decided:2",
    "ledger.Commit:3",
    "after_commit.UnitComplete:1",
    "after_commit.JobInsert:2",
    "notifier.UnitsMoved:2",
    "revocations.Tick:2",
)
BY_DAY = ("scheduler.Dispatch:2", "after_commit.UnitComplete:1", "notifier.UnitsMoved:2")


gateway = gateway_with()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(gateway: Gateway) -> AsyncIterator[FaithfulNode]:
    async with aiohttp.ClientSession() as http, faithful_node(http, gateway.url) as faithful:
        yield faithful


async def restart(gateway: Gateway, node: FaithfulNode, point: str) -> None:
    """Restart the gateway with an exception at this point, and wait until the node is connected
    again.
    """
    await gateway.stop()
    before = node.sockets
    await gateway.start(RENDERTRUST_RAISE_AT=point)
    await until(lambda: node.sockets > before)


async def dispatch_jobs(creator: Creator) -> list[str]:
    """Submit some jobs one after another, and return their ids."""
    jobs: list[str] = []
    for _ in range(JOBS):
        status, answer = await creator.dispatch("render")
        assert status == 200, answer
        jobs.append(answer["job_id"])
    return jobs


@pytest.mark.parametrize("point", series(POINTS, BY_DAY))
async def test_a_crash_of_scheduler_ledger_or_notifier_closes_no_socket_and_loses_nothing(
    gateway: Gateway, creator: Creator, node: FaithfulNode, point: str
) -> None:
    await restart(gateway, node, point)
    sockets = node.sockets
    jobs = await dispatch_jobs(creator)
    for job in jobs:
        await creator.job_within(job, "COMPLETED")
    await until(lambda: not node.results)
    assert node.sockets == sockets
    # A thread writes the log, so the log may lag.
    await until(lambda: "FailPointReached" in gateway.log.read_text())
    code, said = await gateway.fsck()
    assert code == 0, said


async def test_a_crash_of_a_session_closes_its_own_socket_with_1012_and_the_work_goes_on(
    gateway: Gateway, creator: Creator, node: FaithfulNode, http: aiohttp.ClientSession
) -> None:
    # the first such message is the node's report that the unit runs
    await restart(gateway, node, "node.Received:2")
    async with faithful_node(http, gateway.url, "inference") as other:
        await until(lambda: other.sockets == 1)
        sockets, closes = node.sockets, len(node.closes)
        status, answer = await creator.dispatch("render")
        assert status == 200, answer
        found = await creator.job_within(answer["job_id"], "COMPLETED")
        assert found["retry_count"] == 0
        assert node.sockets == sockets + 1
        assert node.closes[closes:] == [RESTART]
        assert (other.sockets, other.closes) == (1, [])


async def test_more_crashes_than_the_intensity_end_the_process_which_says_why(
    gateway: Gateway, creator: Creator, node: FaithfulNode
) -> None:
    await restart(gateway, node, "scheduler.Dispatch:1-10000")
    said_before = len(gateway.log.read_text())
    ended = asyncio.ensure_future(gateway.ended(within=90))

    async def one_more() -> bool:
        try:
            body = {"job_type": "render", "payload_ref": "s3://elsewhere/input/scene.blend"}
            status, _ = await creator.once("POST", "/jobs/dispatch", body)
            assert status == 503
        except aiohttp.ClientError:  # the HTTP listener restarts, too
            pass
        return ended.done()

    await until(one_more, within=90)
    assert await ended == ABNORMAL
    last = [
        line
        for line in gateway.log.read_text()[said_before:].splitlines()
        if line.startswith("rendertrust: ")
    ]
    assert len(last) == 1, last
    assert "scheduler" in last[0]
    assert "FailPointReached" in last[0]
    await gateway.start()
    status, answer = await creator.dispatch("render", queue=True)
    assert status in {200, 202}, answer
