"""A node's socket towards peers that read, and towards one that does not."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import aiohttp
import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from actors.node_session.line import Line
from actors.node_session.settings import NodeSessionSettings
from rendertrust.protocol import JobDispatch
from supervisors.engines.system import SystemClock
from web.socket import AT_ONCE_CHARACTERS, NodeSocket

SHORT, LONG = "x" * 1_000, "x" * (2 * AT_ONCE_CHARACTERS)
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@attrs.define
class Place:
    """``work`` is done by the server, with the socket of whoever connects; ``done`` is its end."""

    url: str
    done: asyncio.Future[object]


@asynccontextmanager
async def place(work: Callable[[NodeSocket], object]) -> AsyncGenerator[Place]:
    done: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(autoping=False, compress=False)
        await response.prepare(request)
        try:
            result = work(NodeSocket(response, request, send_seconds=0.2))
            done.set_result(await result if asyncio.iscoroutine(result) else result)
        except Exception as error:
            done.set_exception(error)
        await response.receive()
        return response

    site = web.Application()
    site.router.add_get("/", handle)
    async with TestServer(site) as server:
        yield Place(str(server.make_url("/")), done)


async def unread(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with a WebSocket on it, whose end nobody reads."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1)
    writer.write(UPGRADE.encode())
    return reader, writer


@pytest.mark.parametrize("text", [SHORT, LONG])
async def test_who_takes_nothing_is_cut_off(text: str) -> None:
    async def pour(socket: NodeSocket) -> None:
        while True:
            await socket.send(text)

    async with place(pour) as there:
        reader, writer = await unread(there.url)
        with pytest.raises(ConnectionResetError, match="does not read"):
            await asyncio.wait_for(there.done, 30)
        await ended(reader)
        writer.close()


async def test_the_session_of_one_who_takes_nothing_has_a_line_no_more() -> None:
    frame = JobDispatch(job_id="1", job_type="echo", payload_ref="s3://b/k", params={"a": LONG})

    async def pour(socket: NodeSocket) -> bool:
        line = Line(socket, SystemClock(), NodeSessionSettings(bucket="b"))
        while await line.send(frame):
            pass
        return line.is_open

    async with place(pour) as there:
        reader, writer = await unread(there.url)
        assert await asyncio.wait_for(there.done, 30) is False
        await ended(reader)
        writer.close()


async def test_what_is_sent_and_asked_arrives_in_its_order() -> None:
    async def say(socket: NodeSocket) -> None:
        for text in (SHORT, LONG, SHORT):
            await socket.send(text)
        await socket.ping()

    async with (
        place(say) as there,
        aiohttp.ClientSession() as http,
        http.ws_connect(there.url, autoping=False) as node,
    ):
        assert [await node.receive_str() for _ in range(3)] == [SHORT, LONG, SHORT]
        assert (await node.receive()).type is aiohttp.WSMsgType.PING


async def ended(reader: asyncio.StreamReader) -> None:
    """The other side has closed the connection, whatever it sent before."""
    async with asyncio.timeout(10):
        try:
            while await reader.read(1_000_000):
                pass
        except ConnectionResetError:
            pass
