"""Records of nodes' connections, as several gateways write them to one database."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp

from rendertrust.testing import FakeNode
from sql.node_connections import KEPT
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.nodes.test_program import PERSON
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.sweeping import remove_expired
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole

SETTINGS = settings_for_tests(jwt={"secret": "a secret that both of them sign tokens with"})


@asynccontextmanager
async def node_of(site: Whole, http: aiohttp.ClientSession) -> AsyncGenerator[FakeNode]:
    """Run a node whose owner's token the HTTP session uses from now on."""
    async with http.post(f"{site.url}/api/v1/auth/register", json=PERSON) as answer:
        token = (await answer.json())["tokens"]["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    async with FakeNode(site.url, user_token=token) as node:
        yield node


async def connections(
    site: Whole, http: aiohttp.ClientSession, node: FakeNode
) -> list[dict[str, Any]]:
    async with http.get(f"{site.url}/api/v1/nodes/{node.node_id}/connections") as answer:
        assert answer.status == 200, await answer.text()
        return list((await answer.json())["connections"])


async def codes(site: Whole, http: aiohttp.ClientSession, node: FakeNode) -> list[int | None]:
    return [each["code"] for each in await connections(site, http, node)]


async def test_each_gateway_tells_what_the_other_saw(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(whole(database, SETTINGS)) for _ in range(2)]
        node = await stack.enter_async_context(node_of(one, http))
        await node.disconnect()
        await node.connect()

        async def told() -> bool:
            return await codes(other, http, node) == [None, 1000]

        await until(told)


async def test_of_a_node_the_last_are_kept_and_those_not_for_ever(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    async with whole(database, SETTINGS) as site, node_of(site, http) as node:
        for _ in range(KEPT + 3):
            await node.disconnect()
            await node.connect()

        async def all_are_told() -> bool:
            return await codes(site, http, node) == [None] + [1000] * (KEPT - 1)

        await until(all_are_told)
        before = (await connections(site, http, node))[0]["opened_at"]
        await node.disconnect()
        await node.connect()

        async def the_last_are_told() -> bool:
            newest = (await connections(site, http, node))[0]["opened_at"]
            return newest != before and await all_are_told()

        await until(the_last_are_told)
        async with connected(database.owner_dsn) as connection:
            assert await connection.fetchval("SELECT count(*) FROM node_connections") <= KEPT + 2
            past = timedelta(days=SETTINGS.events.keep_days)
            await connection.execute(
                "UPDATE node_connections SET ended_at = ended_at - $1::interval", past
            )
        await remove_expired(site.gateway)
        assert await codes(site, http, node) == [None]
