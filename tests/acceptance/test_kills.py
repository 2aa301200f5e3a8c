"""The gateway is killed at the worst moments; the job is still done, and paid once."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.support.api_clients import Creator, PlainNode, faithful_node
from tests.support.gateway_process import (
    Gateway,
    alive_in,
    forked_gateway,
    none_alive_in,
)
from tests.support.until import until

MakeNode = Callable[..., Awaitable[PlainNode]]
Moment = Callable[[Creator, PlainNode, str], Awaitable[None]]


async def check_job(gateway: Gateway, creator: Creator, job: str) -> None:
    """Check that the job completes within a minute and two attempts, is charged once, and fsck
    finds nothing.
    """

    async def completed() -> bool:
        return bool((await creator.job(job))["status"] == "COMPLETED")

    await until(completed)
    assert (await creator.job(job))["retry_count"] <= 1
    _, history = await creator.call("GET", "/credits/history")
    charges = [e for e in history["entries"] if e["source"] == "USAGE"]
    assert [e["amount"] for e in charges] == ["10.0000"], history
    _, balance = await creator.call("GET", "/credits/balance")
    assert (balance["balance"], balance["held"]) == ("90.0000", "0.0000")
    code, said = await gateway.fsck()
    assert code == 0, said


async def dispatched(creator: Creator) -> Any:
    status, answer = await creator.dispatch("render")
    assert (status, answer["status"]) == (200, "DISPATCHED"), answer
    return answer["job_id"]


async def finish(node: PlainNode, job: str) -> None:
    result = f"s3://elsewhere/results/{job}.png"
    await node.say("job_result", job_id=job, status="completed", result_ref=result)


async def waits_for_its_node(creator: Creator, node: PlainNode, job: str) -> None:
    """Do nothing: the unit waits, because it cannot be sent to a node without a socket."""


async def runs(creator: Creator, node: PlainNode, job: str) -> None:
    """Let the node report that the unit runs, and how far it is."""
    await node.connect()
    await node.receive("job_dispatch")
    await node.say("job_status", job_id=job, status="running", progress=0.45)

    async def running() -> bool:
        return bool((await creator.job(job))["status"] == "RUNNING")

    await until(running)


async def has_a_result(creator: Creator, node: PlainNode, job: str) -> None:
    """Deliver a result; whether it is booked before the kill is left to chance."""
    await node.connect()
    await node.receive("job_dispatch")
    await finish(node, job)


@pytest.mark.parametrize("moment", [waits_for_its_node, runs, has_a_result])
async def test_a_job_survives_a_kill_while_it(
    gateway: Gateway, creator: Creator, make_node: MakeNode, moment: Moment
) -> None:
    node = await make_node()
    job = await dispatched(creator)
    await moment(creator, node, job)
    await gateway.kill()
    await gateway.start()
    await node.connect()
    if moment is waits_for_its_node:
        assert (await node.receive("job_dispatch"))["job_id"] == job
    await finish(node, job)
    await node.receive("ack")
    await check_job(gateway, creator, job)


async def test_no_kill_leaves_an_engine_behind_nor_loses_a_job(
    http: aiohttp.ClientSession,
) -> None:
    """First the gateway alone is killed, then everything that it started."""
    async with forked_gateway() as gateway:
        creator = Creator(http, gateway.url, "jane@example.org")
        await creator.register()
        node = PlainNode(http, gateway.url)
        await node.register()
        await node.heartbeat()
        job = await dispatched(creator)
        for kill in (gateway.kill, gateway.kill_group):
            assert alive_in(gateway.data)
            await kill()
            await none_alive_in(gateway.data)
            await gateway.start()
        await node.connect()
        assert (await node.receive("job_dispatch"))["job_id"] == job
        await finish(node, job)
        await node.receive("ack")
        await node.leave()
        await check_job(gateway, creator, job)


@pytest.mark.nightly
async def test_an_orderly_stop_does_not_wait_for_a_node_that_comes_back_at_once(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with faithful_node(http, gateway.url, "echo") as node:
        await until(lambda: node.sockets == 1)
        start = time.perf_counter()
        assert await gateway.stop() == 0
        assert time.perf_counter() - start < 8
        assert set(node.closes) == {1012}
