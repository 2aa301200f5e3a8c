"""Frames as their creator downloads them: one by one, as one zip, and as a video."""

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from rendertrust.client import AsyncClient, Conflict, JobSpec, NotFound
from rendertrust.testing import Fails, FakeNode, FakeTask, works
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with

PNG = b"\x89PNG\r\n\x1a\n"
PASSWORD = "correct horse battery"


gateway = gateway_with({"RENDERTRUST_CREDITS_STARTER": "1000"})


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Gateway, request: pytest.FixtureRequest) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gateway.url) as client:
        await client.register(f"{abs(hash(request.node.name))}@example.org", "Jane", PASSWORD)
        yield client


def content(frame: int) -> bytes:
    return PNG + f"frame {frame} ".encode() * 50_000


def paint(task: FakeTask) -> bytes | Fails:
    """Return a picture or, for a chunk, a zip of several pictures as a node makes it."""
    if "frames" not in task.params:
        return content(int(task.params["frame"]))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for frame in task.params["frames"]:
            packed.writestr(f"{frame:04}.png", content(frame))
    return made.getvalue()


async def scene_of(client: AsyncClient, folder: Path) -> str:
    (folder / "scene.blend").write_bytes(b"BLENDER-v502 of this test " + str(folder).encode())
    return (await client.upload(folder / "scene.blend")).payload_ref


async def rendered(client: AsyncClient, payload: str, frames: str, chunk: int = 1) -> str:
    placed = await client.dispatch(
        JobSpec("render", payload, frames=frames, chunk=chunk, queue=True)
    )
    job = await client.wait(placed.job_id, within=120)
    assert job.status == "COMPLETED", job
    return job.id


@pytest.mark.parametrize("chunk", [1, 2])
async def test_all_frames_are_one_zip(
    gateway: Gateway, client: AsyncClient, tmp_path: Path, chunk: int
) -> None:
    async with FakeNode(gateway.url, behave=works(paint)):
        job = await rendered(client, await scene_of(client, tmp_path), "1-5x2,6,9", chunk)
    path = await client.download(job, tmp_path)
    assert path.name == "scene.zip"
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        frames = ("0001", "0003", "0005", "0006", "0009")
        assert packed.namelist() == [f"scene-{frame}.png" for frame in frames]
        assert all(
            packed.read(f"scene-{frame:04}.png") == content(frame) for frame in (1, 3, 5, 6, 9)
        )
    again = await client.download(job, tmp_path / "again.zip")
    assert again.read_bytes() == path.read_bytes()


async def test_a_zip_goes_on_from_any_byte_and_opens_for_its_address_alone(
    gateway: Gateway, client: AsyncClient, tmp_path: Path
) -> None:
    async with FakeNode(gateway.url, behave=works(paint)):
        job = await rendered(client, await scene_of(client, tmp_path), "1-3")
    whole = (await client.download(job, tmp_path / "all.zip")).read_bytes()
    url = URL((await client.result(job)).download_url, encoded=True)
    async with aiohttp.ClientSession() as http:
        async with http.head(url) as told:
            assert (told.status, told.content_length) == (200, len(whole))
            tag = told.headers["ETag"]
        for start in (0, 10, 400_000, len(whole) // 2, len(whole) - 100, len(whole) - 1):
            headers = {"Range": f"bytes={start}-", "If-Range": tag}
            async with http.get(url, headers=headers) as rest:
                assert rest.status == 206
                assert await rest.read() == whole[start:]
        async with http.get(url, headers={"Range": "bytes=5-", "If-Range": '"other"'}) as all_:
            assert (all_.status, await all_.read()) == (200, whole)
        async with http.get(url, headers={"Range": f"bytes={len(whole)}-"}) as beyond:
            assert beyond.status == 416
        for name, value in (("signature", "0" * 64), ("expires", "99999999999"), ("expires", "x")):
            async with http.get(url.update_query({name: value})) as refused:
                assert refused.status == 403
    async with AsyncClient(gateway.url) as bob:
        await bob.register(f"bob-{job[:8]}@example.org", "Bob", PASSWORD)
        with pytest.raises(NotFound):
            await bob.result(job)
        with pytest.raises(NotFound):
            await bob.video(job)


async def test_a_video_is_made_of_the_frames_that_there_are(
    gateway: Gateway, client: AsyncClient, tmp_path: Path
) -> None:
    seen: list[FakeTask] = []

    def encode(task: FakeTask) -> bytes:
        seen.append(task)
        return b"\0\0\0\x18ftypisom a film"

    payload = await scene_of(client, tmp_path)
    waiting = await client.dispatch(JobSpec("render", payload, frames="1-2", queue=True))
    with pytest.raises(Conflict, match="has not ended"):
        await client.video(waiting.job_id)
    await client.stop(waiting.job_id)
    with pytest.raises(Conflict, match="no complete frame"):
        await client.video(waiting.job_id)
    async with (
        FakeNode(gateway.url, behave=works(paint)),
        FakeNode(gateway.url, capabilities=("video",), behave=works(encode)),
    ):
        job = await rendered(client, payload, "8-10")
        placed = await client.video(job, container="WEBM", fps=12, idempotency_key="film")
        again = await client.video(job, container="WEBM", fps=12, idempotency_key="film")
        assert placed.job_id == again.job_id
        done = await client.wait(placed.job_id, within=120)
        assert (done.status, done.charged) == ("COMPLETED", "1.0000")
    (task,) = seen
    assert dict(task.params) == {"container": "WEBM", "fps": 12}
    names = ["frames/0008.png", "frames/0009.png", "frames/0010.png", "scene.blend"]
    assert sorted(task.inputs) == names
    assert task.inputs["frames/0009.png"] == content(9)
    assert (await client.download(placed.job_id, tmp_path)).suffix == ".mp4"
    code, said = await gateway.fsck()
    assert code == 0, said
