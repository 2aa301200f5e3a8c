"""A node with heartbeats but without a socket: its work goes to a node that is connected."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count

import aiohttp

from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with

MakeNode = Callable[..., Awaitable[PlainNode]]
NUMBERS = count(1)


gateway = gateway_with({"RENDERTRUST_LEASES_UNSENT_SECONDS": "3600"})
"""One that leaves work with a node that does not connect for an hour."""


async def test_what_a_dead_node_was_given_is_soon_sent_to_a_node_that_connects(
    gateway: Gateway, creator: Creator, make_node: MakeNode
) -> None:
    dead = await make_node("render")
    status, answer = await creator.dispatch("render")
    assert (status, answer["node_id"]) == (200, dead.id)
    alive = await make_node("render")
    await alive.connect()
    frame = await alive.receive("job_dispatch")
    assert (frame["job_id"], frame["attempt"]) == (answer["job_id"], 2)
    result = f"s3://elsewhere/results/{answer['job_id']}.png"
    await alive.say("job_result", job_id=answer["job_id"], status="completed", result_ref=result)
    await alive.receive("ack")
    job = await creator.job_within(answer["job_id"], "COMPLETED")
    assert (job["node_id"], job["retry_count"]) == (alive.id, 0)  # moving the unit is no retry
    code, said = await gateway.fsck()
    assert code == 0, said


async def test_a_burst_without_credits_turns_nobody_else_away(
    gateway: Gateway, creator: Creator, make_node: MakeNode, http: aiohttp.ClientSession
) -> None:
    await make_node("render")
    thief = Creator(http, gateway.url, f"thief{next(NUMBERS)}@example.org")
    await thief.register()
    burst = [asyncio.ensure_future(thief.dispatch("render")) for _ in range(120)]
    order = {"job_type": "render", "payload_ref": "s3://elsewhere/scene.blend"}
    honest = [await creator.once("POST", "/jobs/dispatch", order) for _ in range(10)]
    assert [status for status, _ in honest] == [200] * 10
    answers = Counter(status for status, _ in await asyncio.gather(*burst))
    assert answers[200] == 10  # the starter credits pay for ten jobs
    assert answers[402] > 0
    assert set(answers) <= {200, 402, 429}
