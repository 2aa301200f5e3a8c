"""The sample proxy configurations in ``deploy/``, run by the real programs, let through what the
gateway needs.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import attrs
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from tests.support.reverse_proxies import NAMES, proxy

MIB = 1024 * 1024
UPLOAD = 100 * MIB
WITHIN = 240.0  # only what hangs takes so long


@attrs.define
class Seen:
    """Headers that arrived behind the proxy, and signals between client and server."""

    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    arrived: asyncio.Event = attrs.field(factory=asyncio.Event)
    go_on: asyncio.Event = attrs.field(factory=asyncio.Event)


def site_of(seen: Seen) -> web.Application:
    """Return a server with what the gateway has: sockets, event streams and uploads."""

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        await socket.ping(b"are you there")
        async for message in socket:
            if message.type is aiohttp.WSMsgType.PONG:
                await socket.send_str(f"pong {message.data.decode()}")
            elif message.data == "restart":
                await socket.close(code=1012, message=b"the gateway stops")
            else:
                await socket.send_str(f"{request.query['token']} {message.data}")
        return socket

    async def events(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"id: 1\ndata: first\n\n")
        await seen.go_on.wait()  # wait until the client has received the first event
        await answer.write(b"id: 2\ndata: second\n\n")
        return answer

    async def upload(request: web.Request) -> web.StreamResponse:
        seen.headers = dict(request.headers)
        size = 0
        async for chunk in request.content.iter_chunked(MIB):
            size += len(chunk)
            seen.arrived.set()
        return web.json_response({"size": size})

    async def metrics(request: web.Request) -> web.StreamResponse:
        return web.Response(text="not for everybody")

    site = web.Application(client_max_size=0)
    site.router.add_get("/metrics", metrics)
    site.router.add_get("/socket", echo)
    site.router.add_get("/events", events)
    site.router.add_put("/upload", upload)
    return site


@pytest.mark.parametrize("name", NAMES)
async def test_sockets_events_and_uploads_pass_a_proxy(
    name: str, tmp_path: Path, aiohttp_server: AiohttpServer
) -> None:
    seen = Seen()
    server = await aiohttp_server(site_of(seen))
    assert server.port is not None
    async with (
        proxy(name, tmp_path, server.port) as running,
        aiohttp.ClientSession(running.url, connector=aiohttp.TCPConnector(ssl=running.tls)) as http,
        asyncio.timeout(WITHIN),
    ):
        await a_socket_works_both_ways(http)
        await an_event_comes_when_it_is_sent(http, seen)
        await an_upload_streams(http, seen)
        for path in ("/metrics", "/metrics?a=1"):
            async with http.get(path) as answer:
                assert answer.status == 404
        host = running.url.removeprefix("https://")
        await server.close()
        async with http.get("/socket?token=hush", headers={"Authorization": "Bearer hush"}) as gone:
            assert gone.status == 502
    assert seen.headers["Host"] == host
    assert seen.headers["X-Forwarded-For"] == "127.0.0.1"  # the proxy replaces what the client sent
    assert seen.headers["X-Forwarded-Proto"] == "https"
    assert len(seen.headers["X-Request-ID"]) >= 16
    for log in ("access.log", "error.log", "stderr"):
        assert not (tmp_path / log).exists() or "hush" not in (tmp_path / log).read_text(), log


async def a_socket_works_both_ways(http: aiohttp.ClientSession) -> None:
    async with http.ws_connect("/socket?token=hush") as socket:
        assert await socket.receive_str() == "pong are you there"
        await socket.send_str("x" * 60_000)
        assert await socket.receive_str() == "hush " + "x" * 60_000
        await socket.send_str("restart")
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)


async def an_event_comes_when_it_is_sent(http: aiohttp.ClientSession, seen: Seen) -> None:
    async with http.get("/events", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readuntil(b"\n\n") == b"id: 1\ndata: first\n\n"
        seen.go_on.set()
        assert await answer.content.read() == b"id: 2\ndata: second\n\n"


async def an_upload_streams(http: aiohttp.ClientSession, seen: Seen) -> None:
    """Upload 100 MiB; the client sends the second piece only after the first has arrived behind the
    proxy.
    """
    piece = bytes(MIB)

    async def content() -> AsyncIterator[bytes]:
        yield piece
        await seen.arrived.wait()
        for _ in range(UPLOAD // MIB - 1):
            yield piece

    headers = {"Content-Length": str(UPLOAD), "X-Forwarded-For": "9.9.9.9", "X-Request-ID": "mine"}
    async with http.put("/upload", data=content(), headers=headers) as answer:
        assert await answer.json() == {"size": UPLOAD}
