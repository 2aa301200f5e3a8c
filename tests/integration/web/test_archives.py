"""Requests for archives from a byte near the end, which need the checksums of all files first."""

import asyncio
import io
import zipfile
import zlib
from collections.abc import AsyncGenerator
from typing import Any, cast
from uuid import UUID, uuid4

import aiohttp
import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

from actors.ledger.effects import UnitAssign, UnitComplete
from actors.ledger.messages import Commit
from actors.ports import Objects
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.objects_s3 import S3Objects
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer
from tests.integration.console.test_many_frames import film
from tests.integration.console.work import joined
from tests.support.http_gateway import (
    Face,
    FaceServer,
    face_with,
    with_ledger,
)
from tests.support.until import until
from web.objects import checksums
from web.objects.archives import add_archive_route, address_of
from web.objects.checksums import Checksums, ClientLeftError
from web.objects.zip_layout import ZipMember

PIECE, PIECES = 64, 10
FRAMES = [b"\x89PNG\r\n\x1a\n".ljust(PIECE * PIECES, bytes([number])) for number in range(3)]


@attrs.define
class Watched:
    """An object store that records each read and makes it wait until the gate is open."""

    store: Any
    reads: list[tuple[str, int]] = attrs.Factory(list[tuple[str, int]])
    gate: asyncio.Event = attrs.Factory(asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def piece(self, key: str, start: int, size: int) -> bytes:
        if size != PIECE:  # reads the start of a file for its type
            return bytes(await self.store.piece(key, start, size))
        self.reads.append((key, start))
        await self.gate.wait()
        return bytes(await self.store.piece(key, start, size))


@attrs.define
class Shop:
    """A server that serves only archives, for a completed job."""

    url: str
    objects: Watched
    asked: list[web.Request] = attrs.Factory(list[web.Request])
    ended: list[web.Request] = attrs.Factory(list[web.Request])

    def through(self, handler: Handler) -> Handler:
        async def watched(request: web.Request) -> web.StreamResponse:
            self.asked.append(request)
            try:
                return await handler(request)
            finally:
                self.ended.append(request)

        return watched


@pytest.fixture(params=["twin", "real"])
async def objects(
    request: pytest.FixtureRequest, objects_endpoint: ObjectsEndpoint, face: Face
) -> AsyncGenerator[Objects]:
    if request.param == "twin":
        yield face.objects
        return
    store = S3Objects(CurrentEndpoint(objects_endpoint))
    yield store
    await store.aclose()


face = face_with(with_ledger)


async def complete(face: Face, objects: Objects, dsn: str) -> tuple[UUID, UUID]:
    """Return a creator and their completed job of three frames."""
    jane = await newcomer(face)
    job, node = await film(face, jane), await joined(dsn)
    for unit, frame in enumerate(FRAMES):
        key = f"results/{jane.id}/{job}/{unit}/1/result"
        await objects.put(key, frame)
        place = f"s3://{face.gateway.settings.objects.bucket}/{key}"
        end = UnitComplete(job, unit, 1, node, place, size=len(frame))
        commit = Commit(effects=(UnitAssign(job, unit, 1, node), end))
        await face.book(commit)
    return UUID(jane.id), job


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pieces small, so that an archive has many pieces."""
    monkeypatch.setattr(checksums, "PIECE_BYTES", PIECE)


@pytest.fixture
async def shop(
    face: Face, objects: Objects, database: PostgresEndpoint, aiohttp_client: AiohttpClient
) -> AsyncGenerator[Shop]:
    user, job = await complete(face, objects, database.owner_dsn)
    shop = Shop("", Watched(objects))
    ports = attrs.evolve(face.gateway.ports, objects=shop.objects)
    gateway = attrs.evolve(face.gateway, ports=ports)
    app = web.Application()
    add_archive_route(app, gateway, through=shop.through)
    server = FaceServer(app, gateway.settings)
    client: TestClient[web.Request, None] = await aiohttp_client(server)
    shop.url = address_of(gateway, user, job, str(client.make_url("")).rstrip("/"), 3600)
    yield shop
    shop.objects.gate.set()


async def rest(shop: Shop, start: int) -> bytes:
    headers = {"Range": f"bytes={start}-"}
    async with aiohttp.ClientSession() as http, http.get(shop.url, headers=headers) as answer:
        assert answer.status == 206
        return await answer.read()


async def test_it_goes_on_at_any_byte_with_the_same_bytes(shop: Shop) -> None:
    shop.objects.gate.set()
    async with aiohttp.ClientSession() as http, http.get(shop.url) as answer:
        whole = await answer.read()
    files = zipfile.ZipFile(io.BytesIO(whole))
    assert [files.read(name) for name in files.namelist()] == FRAMES
    assert [info.CRC for info in files.infolist()] == [zlib.crc32(frame) for frame in FRAMES]
    for start in {1, 29, 30, 700, len(whole) // 2, files.start_dir, len(whole) - 1}:
        assert await rest(shop, start) == whole[start:], start


async def test_all_who_want_checksums_share_one_computation(shop: Shop) -> None:
    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(rest(shop, 2000)) for _ in range(8)]
        await until(lambda: len(shop.asked) == 8 and shop.objects.reads)
        shop.objects.gate.set()
    assert len({task.result() for task in begun}) == 1
    assert len(shop.objects.reads) == len(set(shop.objects.reads)) == len(FRAMES) * PIECES
    await rest(shop, 2000)
    assert len(shop.objects.reads) == len(FRAMES) * PIECES, "the checksums are kept"


async def test_nothing_is_read_for_a_client_that_has_left(shop: Shop) -> None:
    port, path = shop.url.removeprefix("http://127.0.0.1:").split("/", 1)
    _, writer = await asyncio.open_connection("127.0.0.1", int(port))
    head = f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nRange: bytes=2000-\r\n\r\n"
    writer.write(head.encode())
    await until(lambda: shop.objects.reads)
    writer.transport.abort()
    await until(lambda: shop.asked[0].transport is None)
    shop.objects.gate.set()
    await until(lambda: shop.ended)
    assert len(shop.objects.reads) == 1


async def test_who_stays_goes_on_with_what_who_left_had_read(objects: Objects) -> None:
    key, frame = f"results/{uuid4()}/frame", FRAMES[1]
    await objects.put(key, frame)
    store, member = Watched(objects), ZipMember("0001.png", key, 0, len(frame))
    sums, has_left, stays = Checksums(cast("Objects", store)), asyncio.Event(), asyncio.Event()

    async def leaves() -> None:
        with pytest.raises(ClientLeftError):
            await sums.of(member, has_left.is_set)

    async def staying() -> int:
        stays.set()
        return await sums.of(member, lambda: False)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(leaves())
        await until(lambda: store.reads)
        found = tasks.create_task(staying())
        await stays.wait()
        has_left.set()
        store.gate.set()
    assert found.result() == zlib.crc32(frame)
    assert store.reads == [(key, start) for start in range(0, len(frame), checksums.PIECE_BYTES)]
