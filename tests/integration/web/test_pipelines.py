"""Pipelined requests on one connection, and bodies in many chunks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from attrs import define, field
from pytest_aiohttp import AiohttpClient

from tests.support.http_gateway import FaceServer, settings_for_tests
from tests.support.raw_connections import raw

REQUESTS = 300
ASKED = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


@define
class Face:
    """Server whose handler never waits; ``most`` is the highest number of requests served in one
    turn of the loop.
    """

    url: str = ""
    served: int = 0
    most: int = 0
    bodies: list[int] = field(factory=list[int])

    async def watch(self) -> None:
        """Measure at each turn of the loop how many requests were served in it."""
        while True:
            before = self.served
            await asyncio.sleep(0)
            self.most = max(self.most, self.served - before)


@pytest.fixture
async def face(aiohttp_client: AiohttpClient) -> AsyncIterator[Face]:
    face = Face()

    async def serve(_request: web.Request) -> web.Response:
        face.served += 1
        return web.Response(text="x")

    app = web.Application()

    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=401, text="x")

    async def read(request: web.Request) -> web.Response:
        face.bodies.append(len(await request.read()))
        return web.Response(text="x")

    app.router.add_get("/x", serve)
    app.router.add_post("/refused", refuse)
    app.router.add_post("/read", read)
    server = FaceServer(app, settings_for_tests())
    client: TestClient[web.Request, None] = await aiohttp_client(server)
    face.url = str(client.make_url("")).rstrip("/")
    watch = asyncio.create_task(face.watch())
    yield face
    watch.cancel()


async def test_others_have_a_turn_between_two_requests_of_a_pipeline(face: Face) -> None:
    last = ASKED.replace(b"Host", b"Connection: close\r\nHost")
    async with raw(face.url) as connection:
        await connection.send(ASKED * (REQUESTS - 1) + last)
        answers = await connection.rest()
    assert answers.count(b"HTTP/1.1 200") == face.served == REQUESTS
    assert face.most == 1


def head_of(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunks_of(size: int, count: int) -> bytes:
    return (b"%x\r\n" % size + b"x" * size + b"\r\n") * count


@pytest.mark.parametrize("size", [1, 30])
async def test_a_body_in_tiny_chunks_is_cut(face: Face, size: int) -> None:
    async with raw(face.url) as connection:
        await connection.send(head_of("/read") + chunks_of(size, 3_000))
        assert await connection.rest() == b""
    assert face.bodies == []


async def test_bodies_in_tiny_chunks_one_behind_another_are_cut(face: Face) -> None:
    body = head_of("/read") + chunks_of(1, 3_000) + b"0\r\n\r\n"
    async with raw(face.url) as connection:
        await connection.send(body * 9)
        assert (await connection.rest()).count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize(("size", "count"), [(1, 500), (40, 9_000), (50_000, 20)])
async def test_a_body_in_chunks_of_some_size_arrives(face: Face, size: int, count: int) -> None:
    async with raw(face.url) as connection:
        await connection.send(head_of("/read") + chunks_of(size, count) + b"0\r\n\r\n")
        while b"200 OK" not in connection.heard:
            assert await connection.more()
    assert face.bodies == [size * count]


async def test_the_body_of_a_refused_request_is_not_parsed_on(face: Face) -> None:
    async with raw(face.url) as connection:
        await connection.send(head_of("/refused") + chunks_of(9, 1))
        while b"401" not in connection.heard:
            assert await connection.more()
        # The gateway does not parse this malformed chunk: it drops the body and closes the
        # connection after the answer.
        await connection.send(b"no chunk\r\n\r\n" + ASKED)
        assert (await connection.rest()).count(b"HTTP/1.1") == 1
        assert b"connection: close" in connection.heard.lower()
    assert face.served == 0
