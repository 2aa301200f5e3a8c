"""Changes of a node's standing by people, as seen by its socket, its work and other gateways."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from rendertrust.protocol import Ack, CloseCode, Drain, JobDispatch
from rendertrust.testing import FakeNode, completes, hangs
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole

SOON = 60.0


@pytest.fixture
async def site(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    async with whole(database, settings_for_tests()) as running:
        yield running


async def person(http: aiohttp.ClientSession, url: str, name: str = "jane") -> Creator:
    someone = Creator(http, url, f"{name}@example.org")
    await someone.register()
    return someone


def node_of(owner: Creator, **more: Any) -> FakeNode:
    return FakeNode(owner.url, user_token=owner.token, **more)


async def say(owner: Creator, node: FakeNode, verb: str) -> None:
    body = {"reason": f"to be seen: {verb}"}
    status, answer = await owner.call("POST", f"/nodes/{node.node_id}/{verb}", body)
    assert status == 200, answer


def ended(owner: Creator, job: str, status: str) -> Callable[[], Awaitable[bool]]:
    async def has_ended() -> bool:
        return bool((await owner.job(job))["status"] == status)

    return has_ended


async def placed(owner: Creator, **more: Any) -> str:
    status, answer = await owner.dispatch("echo", **more)
    assert status in (200, 202), answer
    return str(answer["job_id"])


async def test_a_draining_node_finishes_what_it_runs_and_gets_nothing_new(
    site: Whole, http: aiohttp.ClientSession
) -> None:
    jane = await person(http, site.url)
    async with node_of(jane, behave=hangs(0.5)) as node:
        first = await placed(jane)
        dispatch = await node.next(JobDispatch, within=SOON)
        await until(ended(jane, first, "RUNNING"), within=SOON)
        await say(jane, node, "drain")
        await node.next(Drain, within=SOON)
        status, refused = await jane.dispatch("echo")
        assert (status, refused["detail"]) == (400, "No healthy nodes with matching capability")
        await completes()(node, dispatch)
        await node.next(Ack, within=SOON)
        await until(ended(jane, first, "COMPLETED"), within=SOON)


async def test_what_a_draining_node_had_not_begun_goes_to_another(
    site: Whole, http: aiohttp.ClientSession
) -> None:
    jane = await person(http, site.url)
    async with node_of(jane, behave=hangs(0.5)) as busy:
        first, second = await placed(jane), await placed(jane)
        assert (await busy.next(JobDispatch, within=SOON)).job_id == first
        async with node_of(jane) as other:
            await say(jane, busy, "drain")
            assert (await other.next(JobDispatch, within=SOON)).job_id == second
            await until(ended(jane, second, "COMPLETED"), within=SOON)


async def test_a_node_that_comes_back_is_told_again_that_it_drains(
    site: Whole, http: aiohttp.ClientSession
) -> None:
    jane = await person(http, site.url)
    async with node_of(jane) as node:
        await say(jane, node, "drain")
        await node.next(Drain, within=SOON)
        await node.disconnect()
        await node.connect()
        await node.next(Drain, within=SOON)
        await say(jane, node, "release")
        job = await placed(jane)
        await until(ended(jane, job, "COMPLETED"), within=SOON)


async def test_a_quarantined_node_works_for_its_owner_alone(
    site: Whole, http: aiohttp.ClientSession, database: PostgresEndpoint
) -> None:
    jane, joe = await person(http, site.url), await person(http, site.url, "joe")
    ann = await person(http, site.url, "ann")
    await execute(database.owner_dsn, "UPDATE users SET role = 'admin' WHERE email LIKE 'ann@%'")
    body = {"email": ann.email, "password": "securepassword123"}
    ann.token = (await ann.call("POST", "/auth/login", body))[1]["access_token"]
    async with node_of(jane) as node:
        await say(ann, node, "quarantine")
        assert (await joe.dispatch("echo"))[0] == 400
        await until(ended(jane, await placed(jane), "COMPLETED"), within=SOON)
        waits = await placed(joe, queue=True)
        await say(ann, node, "release")
        await until(ended(joe, waits, "COMPLETED"), within=SOON)


async def test_a_revoked_nodes_socket_is_closed_and_its_token_opens_nothing(
    site: Whole, http: aiohttp.ClientSession
) -> None:
    jane = await person(http, site.url)
    async with node_of(jane) as node:
        await say(jane, node, "revoke")
        assert await node.closed(within=SOON) == CloseCode.AUTHENTICATION_FAILED
        await node.connect()
        assert await node.closed(within=SOON) == CloseCode.AUTHENTICATION_FAILED


async def test_a_word_at_one_gateway_is_heard_at_another(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(whole(database, settings_for_tests())) for _ in "ab"
        ]
        jane = await person(http, here.url)
        far = Creator(http, there.url, jane.email, jane.token)
        drained, revoked = node_of(far), node_of(far)
        await stack.enter_async_context(drained)
        await stack.enter_async_context(revoked)
        await asyncio.gather(say(jane, drained, "drain"), say(jane, revoked, "revoke"))
        await drained.next(Drain, within=SOON)
        assert await revoked.closed(within=SOON) == CloseCode.AUTHENTICATION_FAILED
        assert (await far.dispatch("echo"))[0] == 400


async def test_a_gateway_that_starts_knows_what_was_said(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    async with whole(database, settings_for_tests()) as first:
        jane = await person(http, first.url)
        async with node_of(jane) as node:
            await say(jane, node, "drain")
    async with whole(database, settings_for_tests()) as second:
        jane.url = second.url
        assert (await jane.dispatch("echo"))[0] == 400
