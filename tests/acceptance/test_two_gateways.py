"""Two gateways on one PostgreSQL, one Redis and one object store.

Work that waits at a busy node of one gateway moves to an idle node at the other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import aiohttp
import attrs
import pytest_asyncio

from rendertrust.relay_frames import JobDispatch, JobStatus, Log
from rendertrust.testing import Behaviour, FakeNode
from tests.acceptance.test_idle_nodes import ENDS, check_backlog_moves
from tests.support.api_clients import Creator, PlainNode
from tests.support.attempts import attempt_of
from tests.support.engines import engine_folder
from tests.support.gateway_process import PATIENT, ForkedGateway, Gateway, started
from tests.support.lent_engines import LentEngines
from tests.support.until import until

SHARED = {
    "RENDERTRUST_JWT_SECRET": "a secret that both of them sign tokens with",
    "RENDERTRUST_PROOF_KEY": "5e" * 32,
    "RENDERTRUST_LIMITS_SHARED": "true",
    "RENDERTRUST_SCHEDULING_STRAGGLER_TIMES": "0",
}
AT = "Sample 8/16"


@attrs.frozen
class Pair:
    """Two gateways of one database."""

    one: Gateway
    other: Gateway


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair(lent_engines: LentEngines) -> AsyncIterator[Pair]:
    """Run two gateways where ``echo`` has a price, with timeouts so long that slowness causes no
    retry.
    """
    with lent_engines.lend() as engines, engine_folder() as folder:
        settings = {**PATIENT, **SHARED, **engines}
        one, other = (ForkedGateway(folder / name, **settings) for name in ("one", "other"))
        async with started(one), started(other):
            reason = ("--reason", "to see what is charged")
            code, said = await one.run("admin", "prices", "set", "echo", "1.5", *reason)
            assert code == 0, said
            yield Pair(one, other)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(pair: Pair) -> Gateway:
    """Return the gateway that clients use."""
    return pair.one


async def test_what_waits_at_one_gateway_goes_to_an_idle_node_of_the_other(
    pair: Pair, creator: Creator
) -> None:
    await check_backlog_moves(creator, pair.one, pair.other)


async def test_a_node_that_comes_to_another_gateway_leaves_the_first(
    pair: Pair, creator: Creator, make_node: Callable[..., Awaitable[PlainNode]]
) -> None:
    """The node has one session, its slots count once, and its units go to the new gateway."""
    node = await make_node("echo")
    await node.connect()
    older = node.socket
    assert older is not None
    await until(lambda: is_served(pair.one, node))
    node.url = pair.other.url
    await node.connect()
    async with asyncio.timeout(60):
        while (await older.receive()).type is not aiohttp.WSMsgType.CLOSE:
            pass
    assert older.close_code == 4003
    status, answer = await creator.dispatch("echo")
    assert (status, answer["node_id"]) == (200, node.id), answer
    assert (await node.receive("job_dispatch"))["job_id"] == answer["job_id"]


async def is_served(gateway: Gateway, node: PlainNode) -> bool:
    """Return True once the node has a session at this gateway."""
    async with node.http.get(f"{gateway.url}/metrics") as answer:
        return "rendertrust_sockets 1.0" in await answer.text()


def log_and_wait(done: asyncio.Event) -> Behaviour:
    """Return a node's behaviour that begins, logs two lines, and waits until it may end."""

    async def behave(node: FakeNode, task: JobDispatch) -> None:
        far = JobStatus(**attempt_of(task), status="running", progress=0.5, detail=AT)
        await node.send(far)
        text = "reads the scene\nmakes light of it"
        await node.send(Log(**attempt_of(task), text=text))
        await done.wait()
        await ENDS(node, task)

    return behave


async def test_what_a_running_attempt_says_is_read_at_either_gateway(
    pair: Pair, creator: Creator
) -> None:
    """A gateway that was stopped when the lines came shows them, too."""
    done, lines = asyncio.Event(), ["reads the scene", "makes light of it", AT]
    elsewhere = replace(creator, url=pair.other.url)

    async def read(reader: Creator, job: str) -> bool:
        status, answer = await reader.call("GET", f"/jobs/{job}/log")
        assert status == 200, answer
        return [each["lines"] for each in answer["attempts"]] == [lines]

    async with FakeNode(pair.one.url, behave=log_and_wait(done), name="talker"):
        status, answer = await creator.dispatch("echo")
        assert status == 200, answer
        job = str(answer["job_id"])
        await until(lambda: read(creator, job))
        await until(lambda: read(elsewhere, job))
        await pair.other.restart()
        await until(lambda: read(elsewhere, job))
        done.set()
        await creator.job_within(job, "COMPLETED")
