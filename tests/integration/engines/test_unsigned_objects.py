"""Requests without a valid signature to the object routes never reach the store."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from attrs import field, frozen
from pytest_aiohttp import AiohttpClient

from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.objects_s3 import S3Objects
from supervisors.engines.s3_signing import Presigner
from tests.support.http_gateway import FaceServer, settings_for_tests
from tests.support.listening import listening
from tests.support.raw_connections import raw
from web.objects.object_forwarding import add_object_routes

BEGIN = b"x" * 20_000


@frozen
class Gateway:
    """A server with only the object routes, before a store that records the requests that
    reach it.
    """

    url: str
    endpoint: ObjectsEndpoint
    heads: list[bytes] = field(factory=list[bytes])


@pytest.fixture
async def gateway(aiohttp_client: AiohttpClient) -> AsyncIterator[Gateway]:
    heads: list[bytes] = []

    async def store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with listening(store) as port:
        endpoint = ObjectsEndpoint(f"http://127.0.0.1:{port}", "key", "secret")
        objects, app = S3Objects(CurrentEndpoint(endpoint)), web.Application()
        bucket = endpoint.bucket
        add_object_routes(app, lambda: endpoint, bucket, objects, through=lambda handler: handler)
        server = FaceServer(app, settings_for_tests())
        client: TestClient[web.Request, None] = await aiohttp_client(server)
        yield Gateway(str(client.make_url("")).rstrip("/"), endpoint, heads)
        await objects.aclose()


async def status_of(gateway: Gateway, line: str, *headers: str, body: bytes = b"") -> int:
    """Return the status of the answer to a request whose body never ends."""
    host = gateway.url.removeprefix("http://")
    lines = (line, f"Host: {host}", "Content-Length: 60000000", *headers, "", "")
    async with raw(gateway.url) as connection:
        await connection.send("\r\n".join(lines).encode() + body)
        return (await connection.answer())[0]


def put_line(gateway: Gateway, age: timedelta, within: int) -> str:
    """Return the request line of an upload whose URL was signed ``age`` ago."""
    signer = Presigner(gateway.endpoint, gateway.url, lambda: datetime.now(UTC) - age)
    url = signer.put("uploads/x", within=within, size=None, sha256=None, once=False).url
    return f"PUT {url.removeprefix(gateway.url)} HTTP/1.1"


async def test_an_unsigned_upload_is_refused_before_the_store_hears_of_it(gateway: Gateway) -> None:
    line = "PUT /rendertrust/uploads/x HTTP/1.1"
    assert await status_of(gateway, line, body=BEGIN) == 403
    assert await status_of(gateway, line, "Expect: 100-continue") == 403
    assert gateway.heads == []


@pytest.mark.parametrize("age", [timedelta(seconds=61), timedelta(minutes=-16)])
async def test_a_url_outside_its_time_is_refused_before_the_store_hears_of_it(
    gateway: Gateway, age: timedelta
) -> None:
    assert await status_of(gateway, put_line(gateway, age, 60), body=BEGIN) == 403
    assert gateway.heads == []


async def test_a_signed_upload_reaches_the_store(gateway: Gateway) -> None:
    assert await status_of(gateway, put_line(gateway, timedelta(seconds=1), 60), body=BEGIN) == 200
    assert len(gateway.heads) == 1
