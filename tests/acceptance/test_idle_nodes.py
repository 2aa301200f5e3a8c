"""Work that waits at a busy node moves to an idle node that joins."""

import asyncio
from contextlib import AsyncExitStack

from rendertrust.protocol import JobDispatch
from rendertrust.testing import Behaviour, FakeNode, completes
from tests.acceptance.test_animation import check_books, units
from tests.support.api_clients import Creator, Json
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

ENDS = completes(b"a frame", progress=(0.5,))


gateway = gateway_with({"RENDERTRUST_SCHEDULING_STRAGGLER_TIMES": "0"}, prices={"echo": "1.5"})
"""Where an ``echo`` costs something, and nothing is tried twice because it is slow."""


def sits_on_it(until_then: asyncio.Event) -> Behaviour:
    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await until_then.wait()
        await ENDS(node, dispatch)

    return behave


def given(node: FakeNode) -> list[tuple[str, int | None, int | None]]:
    frames = [frame for frame in node.received if isinstance(frame, JobDispatch)]
    return [(frame.job_id, frame.unit, frame.attempt) for frame in frames]


async def check_backlog_moves(creator: Creator, at: Gateway, to: Gateway) -> None:
    """Check that of six jobs at one node, the five waiting jobs move to an idle node."""
    done = asyncio.Event()
    async with AsyncExitStack() as stack:
        busy = FakeNode(at.url, behave=sits_on_it(done), name="busy")
        await stack.enter_async_context(busy)
        jobs: list[str] = []
        for _ in range(6):
            status, answer = await creator.dispatch("echo")
            assert (status, answer["node_id"]) == (200, busy.node_id), answer
            jobs.append(str(answer["job_id"]))
        await until(lambda: len(given(busy)) == 1)
        at_work = given(busy)[0][0]
        idle = FakeNode(to.url, behave=ENDS, name="idle")
        await stack.enter_async_context(idle)
        others = [job for job in jobs if job != at_work]
        found = [await creator.job_within(job, "COMPLETED") for job in others]
        assert {job["node_id"] for job in found} == {idle.node_id}
        assert {job["retry_count"] for job in found} == {0}
        assert sorted(given(idle)) == sorted((job, 0, 2) for job in others)
        await check_books(at, creator, charged="7.5000", held="1.5000")
        done.set()
        last = await creator.job_within(at_work, "COMPLETED")
        assert (last["node_id"], last["retry_count"]) == (busy.node_id, 0)
        assert len(given(busy)) == 1
        await check_books(to, creator, charged="9.0000", held="0.0000")


async def test_the_backlog_of_a_busy_node_goes_to_one_that_joins(
    gateway: Gateway, creator: Creator
) -> None:
    await check_backlog_moves(creator, gateway, gateway)


async def test_a_frame_that_waits_behind_another_goes_to_a_node_that_joins(
    gateway: Gateway, creator: Creator
) -> None:
    done = asyncio.Event()
    async with AsyncExitStack() as stack:
        busy = FakeNode(gateway.url, behave=sits_on_it(done), name="busy")
        await stack.enter_async_context(busy)
        status, answer = await creator.dispatch("echo", frames="1-2")
        assert status in (200, 202), answer  # 202 if the node's hello is still on its way
        job = str(answer["job_id"])

        async def both_given() -> bool:
            return {unit["state"] for unit in await units(creator, job)} <= {
                "DISPATCHED",
                "RUNNING",
            }

        await until(both_given)
        await until(lambda: len(given(busy)) == 1)
        idle = FakeNode(gateway.url, behave=ENDS, name="idle")
        await stack.enter_async_context(idle)

        async def second() -> Json | None:
            found = (await units(creator, job))[1]
            return found if found["state"] == "COMPLETED" else None

        moved = await until(second) or {}
        assert (moved["attempt"], moved["node_id"]) == (2, idle.node_id)
        done.set()
        found = await creator.job_within(job, "COMPLETED")
        assert (found["charged"], found["retry_count"]) == ("3.0000", 0)
        await check_books(gateway, creator, charged="3.0000", held="0.0000")
