"""Large files through a real gateway and its object store: in parts, interrupted and resumed."""

import asyncio
import hashlib
import json
import os
import random
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from rendertrust.client import AsyncClient, Tokens
from tests.faults.place import http_by, of_http
from tests.faults.proxy import Proxy
from tests.support import programs
from tests.support.api_clients import Creator, Json, PlainNode
from tests.support.gateway_process import Gateway, forked_gateway
from tests.support.lent_engines import gateway_with
from tests.support.programs import Program
from tests.support.until import until

MakeNode = Callable[..., Awaitable[PlainNode]]
MIB = 1 << 20
SIZE = 150 * MIB
COUNT = 3


gateway = gateway_with()


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Write a file of 150 MiB that looks like a scene, different in each test."""
    path = tmp_path / "scene.blend"
    noise = random.Random(os.urandom(16)).randbytes(MIB)
    with path.open("wb") as file:
        file.write(b"BLENDER-v405")
        while file.tell() < SIZE:
            file.write(file.tell().to_bytes(8))
            file.write(noise[: SIZE - file.tell()])
    return path


def client_of(gateway: Gateway, creator: Creator) -> AsyncClient:
    return AsyncClient(gateway.url, tokens=Tokens(creator.token, ""))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def announced(creator: Creator, path: Path) -> Json:
    digest = await asyncio.to_thread(lambda: sha256(path.read_bytes()))
    body = {"sha256": digest, "size": path.stat().st_size, "filename": path.name}
    status, upload = await creator.call("POST", "/uploads", body)
    assert status in (200, 201), upload
    return dict(upload)


async def arrived(creator: Creator, upload: str) -> list[int]:
    _, found = await creator.call("GET", f"/uploads/{upload}")
    ranges = found["parts"]["arrived"] if found["parts"] else []
    return [n for part in ranges for n in range(part["first"], part["last"] + 1)]


async def fetched(creator: Creator, node: PlainNode, reference: str) -> str:
    """Return the SHA-256 of the input that a node gets for a job with this payload."""
    status, placed = await creator.dispatch("echo", payload_ref=reference)
    assert status == 200, placed
    (given,) = (await node.receive("job_dispatch"))["inputs"]
    digest = hashlib.sha256()
    async with creator.http.get(URL(given["url"], encoded=True)) as answer:
        assert (answer.status, answer.content_length) == (200, given["size"])
        async for chunk in answer.content.iter_any():
            digest.update(chunk)
    return digest.hexdigest()


@asynccontextmanager
async def url_of_stuck_line(gateway: Gateway) -> AsyncGenerator[str]:
    """Yield the gateway's URL through a proxy that swallows the second part of a file."""
    async with Proxy(of_http(gateway.url)) as proxy:
        proxy.strand(b"partNumber=2&")
        yield http_by(proxy, gateway.url)


@asynccontextmanager
async def submitting(
    url: str, creator: Creator, scene: Path, *options: str
) -> AsyncGenerator[Program]:
    """Run ``rendertrust submit`` in a separate process; kill it at the end if it still runs."""
    scopes = ["jobs:read", "jobs:write", "uploads:write"]
    status, key = await creator.call("POST", "/auth/keys", {"name": "submit", "scopes": scopes})
    assert status == 201, key
    process = await programs.start(
        *("rendertrust", "submit", str(scene), "--no-preflight", "--queue", "--yes", "--json"),
        *options,
        env=os.environ | {"RENDERTRUST_URL": url, "RENDERTRUST_API_KEY": key["key"]},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def wait_for_first_part(creator: Creator, upload: str) -> None:
    """Wait until the first part has arrived."""

    async def has_begun() -> bool:
        return await arrived(creator, upload) == [1]

    await until(has_begun)


def parts_put(gateway: Gateway) -> int:
    """Return how many parts the gateway has stored, by the complete lines of its log."""
    lines = gateway.log.read_text().rpartition("\n")[0].splitlines()
    put = [line for line in lines if '"PUT"' in line and "/rendertrust/uploads/" in line]
    return sum('"status":200' in line for line in put)


async def test_a_file_of_150_mib_goes_to_a_node_in_parts(
    gateway: Gateway, creator: Creator, make_node: MakeNode, scene: Path
) -> None:
    node, before = await make_node("echo"), parts_put(gateway)
    await node.connect()
    told: list[int] = []
    async with client_of(gateway, creator) as client:
        upload = await client.upload(scene, progress=lambda done, _: told.append(done))
        assert (upload.status, upload.size) == ("COMPLETED", SIZE)
        assert told[-1] == SIZE
        assert (await client.upload(scene)).id == upload.id
    await until(lambda: parts_put(gateway) - before == COUNT)  # a thread writes the log
    assert await fetched(creator, node, upload.payload_ref) == upload.sha256


async def test_a_submit_that_was_killed_goes_on_where_it_stopped(
    gateway: Gateway, creator: Creator, scene: Path
) -> None:
    before = parts_put(gateway)
    upload = (await announced(creator, scene))["id"]
    async with (
        url_of_stuck_line(gateway) as url,
        submitting(url, creator, scene) as process,
    ):
        await wait_for_first_part(creator, upload)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    assert await arrived(creator, upload) == [1]
    async with submitting(gateway.url, creator, scene) as process:
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["status"] == "QUEUED"
    assert (await creator.call("GET", f"/uploads/{upload}"))[1]["status"] == "COMPLETED"
    await until(lambda: parts_put(gateway) - before == COUNT)  # each part was stored once


@pytest.mark.heavy
async def test_parts_outlive_a_kill_of_the_gateway_and_its_store(
    http: aiohttp.ClientSession, scene: Path
) -> None:
    async with forked_gateway() as gateway:
        creator = Creator(http, gateway.url, "jane@example.org")
        await creator.register()
        upload = (await announced(creator, scene))["id"]
        async with url_of_stuck_line(gateway) as url, submitting(url, creator, scene):
            await wait_for_first_part(creator, upload)
            await gateway.kill_group()
        await gateway.start()
        assert await arrived(creator, upload) == [1]
        async with client_of(gateway, creator) as client:
            assert (await client.upload(scene)).status == "COMPLETED"
