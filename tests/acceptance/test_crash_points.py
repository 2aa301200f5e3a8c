"""The gateway crashes exactly before and after each externally visible step of a job's life."""

import asyncio
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.support.api_clients import Creator, FaithfulNode, faithful_node
from tests.support.examples import series
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

STEPS = ("commit.JobInsert", "send.JobDispatch", "commit.UnitStart", "commit.UnitComplete")
POINTS = [f"{when}_{step}" for step in (*STEPS, "send.Ack") for when in ("before", "after")]
BY_DAY = ("before_send.JobDispatch", "after_commit.UnitComplete")


gateway = gateway_with()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(gateway: Gateway) -> AsyncIterator[FaithfulNode]:
    """Run the only node of the gateway."""
    async with aiohttp.ClientSession() as http, faithful_node(http, gateway.url) as faithful:
        yield faithful


async def dispatch_until_acknowledged(creator: Creator) -> str:
    """Submit a job with the same key until it is acknowledged, and return its id."""
    key = {"Idempotency-Key": creator.email}
    body = {"job_type": "render", "payload_ref": "s3://elsewhere/scene.blend"}

    async def dispatched() -> str | None:
        try:
            status, answer = await creator.call("POST", "/jobs/dispatch", body, **key)
        except aiohttp.ClientError:
            return None
        return answer["job_id"] if status == 200 else None

    return str(await until(dispatched))


@pytest.mark.parametrize("point", series(POINTS, BY_DAY))
async def test_killed_at_a_step_of_a_jobs_life(
    gateway: Gateway, creator: Creator, node: FaithfulNode, point: str
) -> None:
    await gateway.restart(RENDERTRUST_CRASH_AT=f"{point}:1")
    job = asyncio.ensure_future(dispatch_until_acknowledged(creator))
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    found = await creator.job_within(await job, "COMPLETED")
    assert found["retry_count"] <= 1
    await until(lambda: not node.results)
    await check_books(gateway, creator)


async def check_books(gateway: Gateway, creator: Creator) -> None:
    """Check that there is one job, charged once."""
    _, jobs = await creator.call("GET", "/jobs")
    assert jobs["count"] == 1
    _, history = await creator.call("GET", "/credits/history")
    assert [e["amount"] for e in history["entries"] if e["source"] == "USAGE"] == ["10.0000"]
    _, balance = await creator.call("GET", "/credits/balance")
    assert (balance["balance"], balance["held"]) == ("90.0000", "0.0000")
    code, said = await gateway.fsck()
    assert code == 0, said
