"""Ended sockets leave no objects that wait for the garbage collector of cycles."""

import asyncio
import gc

import aiohttp

from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_clients import PlainNode
from tests.support.http_gateway import settings_for_tests
from tests.support.raw_connections import TEXT, frame, raw, upgraded
from tests.support.until import until
from tests.support.whole_gateway import whole
from web.nodes.socket import SocketResponse

FLOOD = frame(TEXT, b'{"type": "' + b"x" * 4000 + b'"}') * 4000


def sockets() -> int:
    return sum(isinstance(thing, SocketResponse) for thing in gc.get_objects())


async def flood(url: str, node: PlainNode) -> None:
    async with raw(url) as connection:
        await upgraded(connection, url, node.id, node.token)
        sending = asyncio.create_task(connection.send(FLOOD))
        assert await connection.close_code() == 1008
        sending.cancel()
        await asyncio.wait((sending,))


async def test_sockets_that_ended_are_gone_with_their_buffers(database: PostgresEndpoint) -> None:
    async with whole(database, settings_for_tests()) as site, aiohttp.ClientSession() as http:
        nodes = [PlainNode(http, site.url, ("echo",)) for _ in range(3)]
        for node in nodes:
            await node.register()
        gc.collect()
        gc.disable()
        try:
            for node in nodes:
                await flood(site.url, node)
                await node.leave()
            await until(lambda: sockets() == 0)
        finally:
            gc.enable()
