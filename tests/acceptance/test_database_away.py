"""PostgreSQL is killed under load: nobody waits long, nothing that was acknowledged is lost."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest_asyncio

from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import Gateway, forked_gateway
from tests.support.until import until

RATE = 50.0
# Two and ten, and what a busy machine takes besides.
ANSWER_SECONDS = 30.0
BACK_SECONDS = 60.0


@attrs.define
class Load:
    """Dispatches at a steady rate, whatever becomes of them."""

    creator: Creator
    statuses: list[int] = attrs.Factory(list)
    slowest: float = 0.0
    jobs: list[str] = attrs.Factory(list)
    working: bool = True

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while self.working:
                group.create_task(self.one())
                await asyncio.sleep(1 / RATE)

    async def one(self) -> None:
        start = time.perf_counter()
        body = {"job_type": "echo", "payload_ref": "s3://elsewhere/scene.blend", "queue": True}
        status, answer = await self.creator.once("POST", "/jobs/dispatch", body)
        self.slowest = max(self.slowest, time.perf_counter() - start)
        self.statuses.append(status)
        if status in {200, 202}:
            self.jobs.append(answer["job_id"])


def postmaster(gateway: Gateway) -> int:
    """The process of its PostgreSQL; 0 while there is none."""
    for pid_file in gateway.data.rglob("postmaster.pid"):
        return int((pid_file.read_text().split() or ["0"])[0])
    return 0


@pytest_asyncio.fixture(loop_scope="session")
async def gateway() -> AsyncIterator[Gateway]:
    """One with a PostgreSQL of its own, to be killed."""
    async with forked_gateway() as running:
        yield running


async def test_postgresql_killed_under_load(
    gateway: Gateway, creator: Creator, make_node: Callable[..., Awaitable[PlainNode]]
) -> None:
    await make_node("render")  # nobody takes echo: those jobs wait in the queue
    load = Load(creator)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await until(lambda: len(load.jobs) >= 50)
        old = postmaster(gateway)
        assert old
        os.kill(old, signal.SIGKILL)
        killed = time.perf_counter()
        await until(lambda: postmaster(gateway) not in {0, old}, within=BACK_SECONDS)
        missed = len(load.statuses)
        await until(lambda: 202 in load.statuses[missed:], within=BACK_SECONDS)
        assert time.perf_counter() - killed < BACK_SECONDS
        load.working = False
    assert set(load.statuses) <= {200, 202, 503}
    assert load.slowest < ANSWER_SECONDS, load.slowest
    for job in load.jobs:
        assert (await creator.job(job))["status"] == "QUEUED"
    code, said = await gateway.fsck()
    assert code == 0, said
