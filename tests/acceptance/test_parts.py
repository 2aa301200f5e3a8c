"""Large files through a real gateway and its object store: in parts, interrupted, resumed."""

import asyncio
import hashlib
import io
import json
import os
import random
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image
from yarl import URL

from rendertrust.client import AsyncClient, JobSpec, Tokens
from rendertrust.testing import FakeNode, completes
from tests.faults.place import http_by, of_http
from tests.faults.proxy import Proxy
from tests.integration.node.scenes import SLOW, build
from tests.support import programs
from tests.support.agent_process import running_agent
from tests.support.api_clients import Creator, Json, PlainNode
from tests.support.gateway_process import Gateway, forked_gateway
from tests.support.lent_engines import StartGateway
from tests.support.programs import Program
from tests.support.until import until

MakeNode = Callable[..., Awaitable[PlainNode]]
MIB = 1 << 20
PART = 64 * MIB
SIZE = 150 * MIB
COUNT = 3


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    """One for all: who kills it starts it again."""
    async with start_gateway() as running:
        yield running


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """What looks like a scene of 150 MiB; every test's is another one."""
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
    """The SHA-256 of what a node is given for a job with this payload."""
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
async def stuck_line(gateway: Gateway) -> AsyncGenerator[str]:
    """The gateway's address by a line over which the second part of a file does not get."""
    async with Proxy(of_http(gateway.url)) as proxy:
        proxy.strand(b"partNumber=2&")
        yield http_by(proxy, gateway.url)


@asynccontextmanager
async def submitting(
    url: str, creator: Creator, scene: Path, *options: str
) -> AsyncGenerator[Program]:
    """``rendertrust submit`` in a process of its own; killed in the end if it still runs."""
    scopes = ["jobs:read", "jobs:write", "uploads:write"]
    status, key = await creator.call("POST", "/auth/keys", {"name": "submit", "scopes": scopes})
    assert status == 201, key
    process = await programs.start(
        *("rendertrust", "submit", str(scene), "--no-preflight", "--queue", "--json", *options),
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


async def first_part(creator: Creator, upload: str) -> None:
    """Wait until it has arrived."""

    async def has_begun() -> bool:
        return await arrived(creator, upload) == [1]

    await until(has_begun)


def parts_put(gateway: Gateway) -> int:
    """How many bodies the gateway has brought to its store, by its log's whole lines."""
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
        stuck_line(gateway) as url,
        submitting(url, creator, scene) as process,
    ):
        await first_part(creator, upload)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    assert await arrived(creator, upload) == [1]
    async with submitting(gateway.url, creator, scene) as process:
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["status"] == "QUEUED"
    assert (await creator.call("GET", f"/uploads/{upload}"))[1]["status"] == "COMPLETED"
    await until(lambda: parts_put(gateway) - before == COUNT)  # each of them once


@pytest.mark.heavy
async def test_parts_outlive_a_kill_of_the_gateway_and_its_store(
    http: aiohttp.ClientSession, scene: Path
) -> None:
    async with forked_gateway() as gateway:
        creator = Creator(http, gateway.url, "jane@example.org")
        await creator.register()
        upload = (await announced(creator, scene))["id"]
        async with stuck_line(gateway) as url, submitting(url, creator, scene):
            await first_part(creator, upload)
            await gateway.kill_group()
        await gateway.start()
        assert await arrived(creator, upload) == [1]
        async with client_of(gateway, creator) as client:
            assert (await client.upload(scene)).status == "COMPLETED"


async def test_a_wrong_part_is_refused_and_a_strangers_upload_is_not_there(
    gateway: Gateway, creator: Creator, http: aiohttp.ClientSession, scene: Path
) -> None:
    upload = (await announced(creator, scene))["id"]
    last = scene.read_bytes()[2 * PART :]
    wanted = {"parts": [{"number": COUNT, "sha256": sha256(last)}]}
    status, found = await creator.call("POST", f"/uploads/{upload}/parts", wanted)
    (leave,) = found["parts"]
    assert (status, leave["size"]) == (200, len(last))
    for body, refused in ((last[:-1] + b"?", 400), (last, 200)):
        url = URL(leave["url"], encoded=True)
        async with http.put(url, data=io.BytesIO(body), headers=leave["headers"]) as answer:
            assert answer.status == refused
    assert await arrived(creator, upload) == [COUNT]

    bob = Creator(http, gateway.url, "bob@example.org")
    await bob.register()
    said = [
        await bob.call("GET", f"/uploads/{upload}"),
        await bob.call("POST", f"/uploads/{upload}/parts", wanted),
        await bob.call("POST", f"/uploads/{upload}/complete", {"parts": []}),
    ]
    assert [status for status, _ in said] == [404] * 3


async def test_a_download_goes_on_where_an_earlier_call_stopped(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    picture = random.Random(os.urandom(16)).randbytes(8 * MIB)
    left = tmp_path / f".rendertrust-{sha256(picture)[:32]}.part"
    left.write_bytes(picture[: 5 * MIB])
    told: list[tuple[int, int]] = []
    async with (
        client_of(gateway, creator) as client,
        FakeNode(gateway.url, behave=completes(picture)),
    ):
        placed = await client.dispatch(JobSpec("render", "s3://elsewhere/scene.blend", queue=True))
        assert (await client.wait(placed.job_id, within=120)).status == "COMPLETED"
        where = await client.result(placed.job_id)
        path = await client.download(
            placed.job_id,
            tmp_path / "picture",
            progress=lambda done, all_: told.append((done, all_)),
        )
    assert (where.size, where.sha256) == (len(picture), sha256(picture))
    assert await asyncio.to_thread(path.read_bytes) == picture
    assert told[0][0] > 5 * MIB
    assert told[-1] == (len(picture), len(picture))
    assert not left.exists()


@pytest.mark.render
@pytest.mark.nightly
async def test_a_large_scene_is_submitted_and_rendered(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    scene, before = build(tmp_path / "scene.blend", SLOW), parts_put(gateway)
    with scene.open("ab") as file:
        file.truncate(PART + MIB)  # Blender reads no further than its own end
    url = gateway.url
    async with (
        running_agent(url, tmp_path / "node"),
        submitting(
            url, creator, scene, "--width", "64", "--height", "36", "--samples", "1"
        ) as process,
    ):
        job = json.loads((await process.communicate())[0])["job_id"]
        await creator.job_within(job, "COMPLETED", within=120)
    await until(lambda: parts_put(gateway) - before == 2)
    with Image.open(io.BytesIO(await creator.result(job))) as picture:
        assert picture.size == (64, 36)
