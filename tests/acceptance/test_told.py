"""Events and kills: clients get each event of a job once and in order, webhook endpoints at least
once.
"""

import asyncio

import aiohttp
import attrs
import pytest_asyncio
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from rendertrust import webhooks
from rendertrust.client import AsyncClient, JobEvent, Tokens
from tests.support.api_clients import Creator, faithful_node
from tests.support.databases import execute
from tests.support.gateway_process import Gateway
from tests.support.until import until

LIFE = ["job.queued", "unit.assigned", "job.dispatched", "unit.running", "job.running"]
END = ["unit.completed", "job.completed"]


@attrs.define
class Receiver:
    """A user's webhook endpoint; ``seen`` has id and type of each event, with its signature
    verified.
    """

    url: str = ""
    secret: str = ""
    seen: list[tuple[str, str]] = attrs.field(factory=list[tuple[str, str]])

    async def hear(self, request: web.Request) -> web.Response:
        event = webhooks.read(await request.read(), request.headers, self.secret)
        self.seen.append((request.headers["webhook-id"], event["type"]))
        return web.Response(status=204)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver(aiohttp_server: AiohttpServer) -> Receiver:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/hooks", receiver.hear)
    receiver.url = str((await aiohttp_server(app)).make_url("/hooks"))
    return receiver


async def test_a_killed_gateway_leaves_no_gap_and_tells_again_what_it_was_telling(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator, receiver: Receiver
) -> None:
    async with AsyncClient(gateway.url, tokens=Tokens(creator.token, "")) as client:
        hook = await client.create_hook(receiver.url, ["job.completed"])
        receiver.secret = hook.secret
        status, placed = await creator.dispatch("render", queue=True)
        assert status == 202, placed
        job, told = placed["job_id"], list[JobEvent]()

        async def follow() -> None:
            async for event in client.events(job):
                told.append(event)

        following = asyncio.ensure_future(follow())
        await until(lambda: told)
        await gateway.kill()
        await gateway.start(RENDERTRUST_CRASH_AT="courier_sent.DueDelivery:1")
        async with faithful_node(http, gateway.url):
            # The gateway has sent the webhook, and died before it could record that.
            await gateway.ended()
            # The delivery stays claimed for a minute; end the claim now.
            books = gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]
            await execute(books, "UPDATE deliveries SET due_at = now()")
            await gateway.start()
            async with asyncio.timeout(120):
                await following
            await until(lambda: len(receiver.seen) == 2)
    assert [event.number for event in told] == list(range(1, len(told) + 1))
    types = [event.type for event in told]
    assert types[0] == LIFE[0]
    assert types[-2:] == END
    assert receiver.seen[0] == receiver.seen[1]
    assert receiver.seen[0][1] == "job.completed"
    code, said = await gateway.fsck()
    assert code == 0, said
