"""Presigned URLs through the gateway's forwarding route, against the real store."""

import asyncio
import gzip
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from io import BytesIO
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from attrs import evolve, frozen
from pytest_aiohttp import AiohttpClient
from yarl import URL

from rendertrust.file_types import attachment
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.objects_s3 import S3Objects
from supervisors.engines.s3_signing import Presigner
from tests.support.http_gateway import FaceServer, settings_for_tests
from tests.support.listening import listening
from tests.support.until import until
from web.objects import object_forwarding, transfer_rate
from web.objects.object_forwarding import add_object_routes

MIB = 1024 * 1024
JOB = UUID(int=7)


@frozen
class Gateway:
    """A server with only the object routes, and a client of it."""

    url: str
    objects: S3Objects
    client: aiohttp.ClientSession
    stores: list[ObjectsEndpoint | None]

    def move(self, url: str) -> None:
        """Let the store be at another ``url``, with the same key."""
        assert self.stores[0] is not None
        self.stores[0] = evolve(self.stores[0], url=url)


@pytest.fixture
async def gateway(
    objects_endpoint: ObjectsEndpoint, aiohttp_client: AiohttpClient
) -> AsyncIterator[Gateway]:
    stores: list[ObjectsEndpoint | None] = [objects_endpoint]
    urls: list[str] = []
    app, objects = web.Application(), S3Objects(CurrentEndpoint(objects_endpoint), lambda: urls[0])
    bucket = objects_endpoint.bucket
    add_object_routes(app, lambda: stores[0], bucket, objects, through=lambda handler: handler)
    server = FaceServer(app, settings_for_tests())
    client: TestClient[web.Request, None] = await aiohttp_client(server)
    urls.append(str(client.make_url("")).rstrip("/"))
    yield Gateway(urls[0], objects, client.session, stores)
    await objects.aclose()


@pytest.fixture
async def direct(objects_endpoint: ObjectsEndpoint) -> AsyncIterator[S3Objects]:
    """Yield a client that signs URLs of the store itself, without a gateway in between."""
    objects = S3Objects(CurrentEndpoint(objects_endpoint))
    yield objects
    await objects.aclose()


def fresh_key() -> str:
    return f"results/{uuid4()}/Bild ä.png"


async def put(
    gateway: Gateway, url: str, headers: dict[str, str], body: bytes, *, expect: bool = False
) -> int:
    data = BytesIO(body)
    async with gateway.client.put(url, headers=headers, data=data, expect100=expect) as answer:
        await answer.read()
        return answer.status


@pytest.mark.parametrize("expect", [False, True])
async def test_a_presigned_put_and_get_go_through(gateway: Gateway, expect: bool) -> None:
    key, body = fresh_key(), b"x" * (3 * MIB + 1)
    digest = hashlib.sha256(body).digest()
    leave = await gateway.objects.presign_put(key, size=len(body), sha256=digest)
    assert leave.url.startswith(gateway.url)
    assert await put(gateway, leave.url, dict(leave.headers), body, expect=expect) == 200
    async with gateway.client.get(await gateway.objects.presign_get(key)) as answer:
        assert answer.status == 200
        assert await answer.read() == body


async def test_a_presigned_part_goes_through_and_is_that_part(gateway: Gateway) -> None:
    key, body = fresh_key(), b"x" * MIB
    multipart = await gateway.objects.begin_multipart(key)
    leave = await gateway.objects.presign_part(
        key, multipart, 7, size=len(body), sha256=hashlib.sha256(body).digest()
    )
    assert leave.url.startswith(gateway.url)
    headers = dict(leave.headers)
    for tampered in (
        leave.url.replace("partNumber=7", "partNumber=8"),
        leave.url.replace(f"uploadId={multipart}", "uploadId=another"),
        leave.url.replace("partNumber=7&", ""),
    ):
        assert tampered != leave.url
        assert await put(gateway, tampered, headers, body) == 403
    assert await put(gateway, leave.url, headers, body[:-1] + b"y") == 400
    assert await put(gateway, leave.url, headers, body) == 200
    (part,) = await gateway.objects.parts_of(key, multipart)
    assert (part.number, part.size) == (7, len(body))
    await gateway.objects.abort_multipart(key, multipart)


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("POST", "uploads"),
        ("GET", "uploads"),
        ("GET", "uploadId={}"),
        ("PUT", "partNumber=1&uploadId={}"),
        ("POST", "uploadId={}"),
        ("DELETE", "uploadId={}"),
    ],
)
async def test_whatever_of_parts_is_not_presigned_is_refused(
    gateway: Gateway, method: str, query: str
) -> None:
    key = fresh_key()
    multipart = await gateway.objects.begin_multipart(key)
    signed = await gateway.objects.presign_get(key)
    plain = signed.split("?")[0] + "?" + query.format(multipart)
    for url in (plain, f"{signed}&{query.format(multipart)}"):
        async with gateway.client.request(method, url) as answer:
            assert answer.status == 403, url
    assert list(await gateway.objects.parts_of(key, multipart)) == []
    await gateway.objects.abort_multipart(key, multipart)


async def test_a_stretch_is_read_by_range(gateway: Gateway) -> None:
    key = fresh_key()
    await gateway.objects.put(key, b"0123456789")
    url = await gateway.objects.presign_get(key)
    async with gateway.client.get(url, headers={"Range": "bytes=2-4"}) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == "bytes 2-4/10"
        assert await answer.read() == b"234"
    async with gateway.client.get(url, headers={"Range": "bytes=0-1,4-5"}) as answer:
        assert (answer.status, await answer.read()) == (200, b"0123456789")


async def test_what_lies_in_the_bucket_does_not_run_on_our_origin(gateway: Gateway) -> None:
    key = fresh_key()
    leave = await gateway.objects.presign_put(key)
    page = {**leave.headers, "Content-Type": "text/html"}
    assert await put(gateway, leave.url, page, b"<script>alert(1)</script>") == 200
    async with gateway.client.get(await gateway.objects.presign_get(key)) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def result_key(what: str = "result") -> str:
    return f"results/{uuid4()}/{JOB}/12/1/{what}"


KINDS = [
    (b"\x89PNG\r\n\x1a\n...", "image/png", ".png"),
    (b"\x76\x2f\x31\x01 an EXR", "image/x-exr", ".exr"),
    (b"PK\x03\x04 a chunk", "application/zip", ".zip"),
    (b"<script>alert(1)</script>", "application/octet-stream", ""),
    (b"MZ a program", "application/octet-stream", ""),
]


@pytest.mark.parametrize("what", ["result", "evidence"])
async def test_the_gateway_says_what_is_downloaded_and_nobody_else(
    gateway: Gateway, direct: S3Objects, what: str
) -> None:
    """The gateway sets the response headers, whatever the node told the store."""
    told = {
        "Content-Type": "text/html",
        "Content-Disposition": 'inline; filename="invoice.exe"',
        "Content-Language": "tlh",
        "Cache-Control": "public, max-age=31536000",
        "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
    }
    for body, media, suffix in KINDS:
        key = result_key(what)
        leave = await direct.presign_put(key)
        assert await put(gateway, leave.url, {**leave.headers, **told}, body) == 200
        url = await gateway.objects.presign_get(key)
        name = f"{JOB}-12{'-evidence' if what == 'evidence' else ''}{suffix}"
        for headers in ({}, {"Range": "bytes=4-"}):
            async with gateway.client.get(url, headers=headers) as answer:
                assert answer.status == (206 if headers else 200)
                assert answer.headers["Content-Type"] == media
                shown = answer.headers["Content-Disposition"]
                assert shown == f'attachment; filename="{name}"'
                assert answer.headers["Cache-Control"] == "no-store"
                assert not {"Content-Language", "Expires"} & set(answer.headers)
                assert answer.headers["Etag"]


@pytest.mark.parametrize("name", ["Nave-0012.png", "Größe 日本-0012.png"])
async def test_a_signed_name_is_that_of_the_download(
    gateway: Gateway, direct: S3Objects, name: str
) -> None:
    key = result_key("result")
    await direct.put(key, b"\x89PNG\r\n\x1a\n")
    for objects in (gateway.objects, direct):
        url = await objects.presign_get(key, name=name)
        async with gateway.client.get(URL(url, encoded=True)) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Disposition"] == attachment(name)
    url = await gateway.objects.presign_get(key, name=name)
    tampered = url.replace("0012", "0013")
    async with gateway.client.get(URL(tampered, encoded=True)) as answer:
        assert answer.status == 403


async def test_an_upload_is_downloaded_as_bytes_under_its_own_name(gateway: Gateway) -> None:
    key = f"uploads/{uuid4()}/{'ab' * 32}.blend"
    leave = await gateway.objects.presign_put(key)
    page = {**leave.headers, "Content-Type": "text/html"}
    assert await put(gateway, leave.url, page, b"\x89PNG\r\n\x1a\n") == 200
    async with gateway.client.get(await gateway.objects.presign_get(key)) as answer:
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert f'filename="{"ab" * 32}.blend"' in answer.headers["Content-Disposition"]


async def test_what_has_not_changed_is_not_sent_again(gateway: Gateway) -> None:
    key = fresh_key()
    await gateway.objects.put(key, b"x")
    url = await gateway.objects.presign_get(key)
    async with gateway.client.get(url) as answer:
        tag = answer.headers["ETag"]
    async with gateway.client.get(url, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with gateway.client.get(url, headers={"If-Match": '"another"'}) as answer:
        assert answer.status == 412


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("PUT", {"host", "content-length", "x-amz-meta-a"}),
        ("GET", {"host", "range", "if-range", "if-none-match", "x-amz-meta-a"}),
    ],
)
async def test_the_store_sees_the_headers_that_were_signed_and_no_others(
    gateway: Gateway, objects_endpoint: ObjectsEndpoint, method: str, wanted: set[str]
) -> None:
    heads: list[bytes] = []

    async def store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    sent = {
        "Accept": "*/*",
        "Authorization": "Bearer secret",
        "Cache-Control": "no-cache",
        "Content-Type": "text/html",
        "Cookie": "session=secret",
        "If-None-Match": '"tag"',
        "If-Range": '"tag"',
        "Range": "bytes=0-",
        "X-Amz-Acl": "public-read",
        "X-Amz-Meta-A": "b",
        "X-Forwarded-For": "1.2.3.4",
        "X-Http-Method-Override": "DELETE",
    }
    async with listening(store) as port:
        gateway.move(f"http://127.0.0.1:{port}")
        signer = Presigner(objects_endpoint, gateway.url)
        url = signer.sign(method, "/rendertrust/x", (), {"x-amz-meta-a": "b"}, 60)
        data = b"body" if method == "PUT" else None
        async with gateway.client.request(method, url, headers=sent, data=data) as answer:
            assert answer.status == 200
    names = {line.split(b":")[0].decode().lower() for line in heads[0].split(b"\r\n")[1:-2]}
    assert names == wanted


async def test_no_content_encoding_comes_in(gateway: Gateway) -> None:
    """The store would keep the header, and clients would decode what the node never encoded."""
    leave = await gateway.objects.presign_put(key := fresh_key())
    for encoding in ("gzip", "br", "identity", "aws-chunked"):
        headers = {**leave.headers, "Content-Encoding": encoding}
        assert await put(gateway, leave.url, headers, gzip.compress(bytes(MIB))) == 415
    assert await gateway.objects.head(key) is None


async def test_no_content_encoding_goes_out(gateway: Gateway, direct: S3Objects) -> None:
    packed = gzip.compress(bytes(MIB))
    leave = await direct.presign_put(key := fresh_key())
    headers = {**leave.headers, "Content-Encoding": "gzip"}
    assert await put(gateway, leave.url, headers, packed) == 200
    async with gateway.client.get(await gateway.objects.presign_get(key)) as answer:
        assert "Content-Encoding" not in answer.headers
        assert await answer.read() == packed


async def test_a_second_put_is_refused(gateway: Gateway) -> None:
    leave = await gateway.objects.presign_put(fresh_key())
    headers = dict(leave.headers)
    assert [await put(gateway, leave.url, headers, b"x") for _ in range(2)] == [200, 412]


@pytest.mark.parametrize("expect", [False, True])
async def test_a_put_without_the_signed_header_is_refused(gateway: Gateway, expect: bool) -> None:
    leave = await gateway.objects.presign_put(fresh_key())
    assert await put(gateway, leave.url, {}, b"x" * MIB, expect=expect) == 403


async def test_an_unknown_expectation_is_refused(gateway: Gateway) -> None:
    leave = await gateway.objects.presign_put(fresh_key())
    assert await put(gateway, leave.url, {**leave.headers, "Expect": "tea"}, b"x") == 417


async def test_another_body_than_was_signed_is_refused(gateway: Gateway) -> None:
    digest = hashlib.sha256(b"mine").digest()
    leave = await gateway.objects.presign_put(fresh_key(), sha256=digest)
    assert await put(gateway, leave.url, dict(leave.headers), b"ours") == 400


async def test_a_tampered_an_unsigned_and_another_hosts_url_are_refused(gateway: Gateway) -> None:
    key = fresh_key()
    await gateway.objects.put(key, b"x")
    url = await gateway.objects.presign_get(key)
    for tampered in (url[:-4] + "0000", url.split("?")[0], url.replace("127.0.0.1", "localhost")):
        async with gateway.client.get(tampered) as answer:
            assert answer.status == 403, tampered


async def test_a_forwarded_host_does_not_stand_in_for_the_signed_one(gateway: Gateway) -> None:
    key = fresh_key()
    await gateway.objects.put(key, b"x")
    url = await gateway.objects.presign_get(key)
    async with gateway.client.get(url, headers={"X-Forwarded-Host": "elsewhere"}) as answer:
        assert answer.status == 200


async def test_an_expired_url_is_refused(gateway: Gateway) -> None:
    key = fresh_key()
    await gateway.objects.put(key, b"x")
    url = await gateway.objects.presign_get(key, within=1)

    async def refused() -> bool:
        async with gateway.client.get(url) as answer:
            return answer.status == 403

    await until(refused)


@pytest.mark.parametrize("away", [None, "http://127.0.0.1:9"])
async def test_a_store_that_is_away_is_said_in_json(gateway: Gateway, away: str | None) -> None:
    url = await gateway.objects.presign_get(fresh_key())
    if away is None:
        gateway.stores[0] = None
    else:
        gateway.move(away)
    async with gateway.client.get(url) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"]
        assert (await answer.json())["detail"]


async def test_a_store_that_speaks_nonsense_is_a_bad_gateway(gateway: Gateway) -> None:
    async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\r\n\r\n")

    async with listening(nonsense) as port:
        gateway.move(f"http://127.0.0.1:{port}")
        async with gateway.client.get(await gateway.objects.presign_get("x")) as answer:
            assert answer.status == 502


async def test_an_upload_that_breaks_off_leaves_nothing(gateway: Gateway) -> None:
    key = fresh_key()
    leave = await gateway.objects.presign_put(key, size=2 * MIB)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
    path = leave.url.removeprefix(gateway.url)
    host = gateway.url.removeprefix("http://")
    head = f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {2 * MIB}\r\n"
    writer.write(head.encode() + b"If-None-Match: *\r\n\r\n" + b"x" * MIB)
    await writer.drain()
    writer.transport.abort()
    await reader.read()
    # The same URL still works, because nothing was stored under the key.
    assert await gateway.objects.head(key) is None
    assert await put(gateway, leave.url, dict(leave.headers), b"y" * (2 * MIB)) == 200


async def test_a_download_that_breaks_off_at_the_store_is_cut_for_the_client(
    gateway: Gateway,
) -> None:
    begun = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"h" * 50)
        await writer.drain()
        await begun.wait()

    async with listening(half) as port:
        gateway.move(f"http://127.0.0.1:{port}")
        async with gateway.client.get(await gateway.objects.presign_get("x")) as answer:
            assert await answer.content.readexactly(50) == b"h" * 50
            begun.set()
            with pytest.raises(aiohttp.ClientError):
                await answer.read()


async def test_a_download_of_which_nothing_comes_from_the_store_is_a_bad_gateway(
    gateway: Gateway,
) -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        await writer.drain()

    async with listening(nothing) as port:
        gateway.move(f"http://127.0.0.1:{port}")
        async with gateway.client.get(await gateway.objects.presign_get("x")) as answer:
            assert answer.status == 502


async def test_a_body_that_stops_coming_ends(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_forwarding, "IDLE_SECONDS", 0.2)
    leave = await gateway.objects.presign_put(fresh_key(), once=False)

    stop = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b"x"
        await stop.wait()

    async with gateway.client.put(leave.url, data=stalls()) as answer:
        assert answer.status == 408
    stop.set()


async def test_a_body_that_drips_ends(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_rate, "PACE_SECONDS", 0.5)
    leave = await gateway.objects.presign_put(fresh_key(), once=False)

    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)  # short pauses only, so the transfer is never idle for long

    async with asyncio.timeout(60), gateway.client.put(leave.url, data=drips()) as answer:
        assert answer.status == 408


async def test_a_large_object_does_not_pass_through_memory(gateway: Gateway) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"\0" * MIB

    leave = await gateway.objects.presign_put(fresh_key(), size=64 * MIB)
    tracemalloc.start()
    async with gateway.client.put(leave.url, headers=leave.headers, data=large()) as answer:
        assert answer.status == 200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB


@pytest.mark.parametrize("path", ["/rendertrust/../etc/passwd", "/other/x", "/rendertrust/"])
async def test_only_keys_of_the_bucket_are_forwarded(gateway: Gateway, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in (await reader.read()).splitlines()[0]
    writer.close()
    await writer.wait_closed()
