"""Jobs of many frames by real agents: each frame rendered and charged once, and nothing held
afterwards.
"""

import asyncio
import io
import json
import struct
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from yarl import URL

from tests.integration.node.scenes import build, pixels, render_locally
from tests.integration.node.test_video import boxes
from tests.support.agent_process import Agent, running_agent
from tests.support.api_clients import Creator, Json
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

SETTINGS = {
    "RENDERTRUST_LEASES_SECONDS": "8",
    "RENDERTRUST_LEASES_RENEW_SECONDS": "2",
    "RENDERTRUST_LEASES_SWEEP_SECONDS": "0.5",
}
SIDE = 32
RATE = 24 / 1.001
MOVES = """
scene.render.resolution_x = scene.render.resolution_y = 32
scene.cycles.samples = 4
scene.render.fps, scene.render.fps_base = 24, 1.001
head = bpy.context.object or bpy.data.objects["Cube"]
head.keyframe_insert("rotation_euler", frame=1)
head.rotation_euler[2] = 2.0
head.keyframe_insert("rotation_euler", frame=10)
"""


gateway = gateway_with(SETTINGS, prices={"echo": "1.5"})
"""An ``echo`` costs something here; a silent node loses its unit soon."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def renderer(
    gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Agent]:
    """Run a node with Blender for all tests that render."""
    async with running_agent(gateway.url, tmp_path_factory.mktemp("node") / "renderer") as agent:
        yield agent


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a small scene that renders quickly, with a different picture in each frame."""
    return build(tmp_path_factory.mktemp("scene") / "scene.blend", MOVES)


async def agents(stack: AsyncExitStack, gateway: Gateway, folder: Path, count: int) -> list[Agent]:
    """Run nodes without Blender."""
    return [
        await stack.enter_async_context(
            running_agent(gateway.url, folder / f"node{number}", blender=False)
        )
        for number in range(count)
    ]


async def units(creator: Creator, job: str) -> list[Json]:
    """Return all units of a job, page by page."""
    found: list[Json] = []
    after, count = -1, None
    while after is not None:
        page = f"/jobs/{job}/units?limit=20&after={after}"
        status, answer = await creator.call("GET", page)
        assert status == 200, answer
        found += answer["units"]
        after, count = answer["next"], answer["count"]
    assert len(found) == count
    return found


async def fetched(creator: Creator, unit: Json) -> bytes:
    async with creator.http.get(URL(unit["download_url"], encoded=True)) as download:
        assert download.status == 200, await download.text()
        return await download.read()


async def charges(creator: Creator) -> Counter[str]:
    """Return how often each unit was charged, by its reference."""
    _, history = await creator.call("GET", "/credits/history?limit=100")
    return Counter(e["reference_id"] for e in history["entries"] if e["source"] == "USAGE")


async def check_books(gateway: Gateway, creator: Creator, charged: str, held: str) -> None:
    _, balance = await creator.call("GET", "/credits/balance")
    left = f"{100 - float(charged):.4f}"
    assert (balance["balance"], balance["held"]) == (left, held)
    code, said = await gateway.fsck()
    assert code == 0, said


async def done(creator: Creator, job: str, least: int) -> Json:
    """Wait until ``least`` units are complete, and return the job."""

    async def progressed() -> Json | None:
        found = await creator.job(job)
        return found if found["done"] >= least else None

    return await until(progressed, within=90) or {}


async def completed(creator: Creator, job: str, within: float = 240) -> Json:
    """Wait until the job has completed, and return it."""

    async def ended() -> Json | None:
        found = await creator.job(job)
        return found if found["completed_at"] else None

    found = await until(ended, within=within) or {}
    assert found["status"] == "COMPLETED", (found, await units(creator, job))
    return found


async def test_forty_frames_through_the_death_of_a_node_and_of_the_gateway(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first, _ = await agents(stack, gateway, tmp_path, 2)
        status, answer = await creator.dispatch("echo", frames="1-40", params={"say": "hello"})
        assert status == 200, answer
        job = str(answer["job_id"])
        await done(creator, job, 3)
        await first.kill()
        await gateway.kill()
        await gateway.start()
        await first.start()
        found = await creator.job_within(job, "COMPLETED", within=120)
    assert (found["units"], found["done"], found["failed"], found["progress"]) == (40, 40, 0, 1.0)
    assert (found["price"], found["charged"]) == ("60.0000", "60.0000")
    all_ = await units(creator, job)
    assert [unit["frames"] for unit in all_] == [str(number) for number in range(1, 41)]
    # A unit that moved to another node before it began has another attempt, but no retry.
    assert found["retry_count"] <= sum(unit["attempt"] - 1 for unit in all_)
    for unit in all_:
        said = json.loads(await fetched(creator, unit))
        assert said["params"] == {"say": "hello", "frame": int(unit["frames"])}
        assert (said["unit"], said["attempt"]) == (unit["number"], unit["attempt"])
    assert await charges(creator) == {f"job:{job}:{number}": 1 for number in range(40)}
    await check_books(gateway, creator, "60", "0.0000")


async def test_a_job_is_paused_capped_and_stopped_to_the_unit(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        await agents(stack, gateway, tmp_path, 1)
        more: dict[str, Any] = {"frames": "1-60", "max_credits": "16", "order": "middle_first"}
        status, answer = await creator.dispatch("echo", **more)
        assert status in (200, 202), answer  # 202 if the node has only just connected
        job = str(answer["job_id"])
        found = await creator.job_within(job, "PAUSED")
        assert found["paused"] == "cap"
        found = await done(creator, job, 10)  # ten cost 15 credits; an eleventh would exceed 16
        assert (found["done"], found["charged"], found["status"]) == (10, "15.0000", "PAUSED")
        complete = [u["number"] for u in await units(creator, job) if u["state"] == "COMPLETED"]
        assert {0, 59, 29} <= set(complete)
        status, refused = await creator.call("PATCH", f"/jobs/{job}", {"max_credits": "14.9"})
        assert status == 409, refused
        status, changed = await creator.call("PATCH", f"/jobs/{job}", {"max_credits": "30"})
        assert (status, changed["max_credits"]) == (200, "30.0000")
        found = await done(creator, job, 20)
        assert (await creator.job_within(job, "PAUSED"))["done"] == 20
        status, found = await creator.call("POST", f"/jobs/{job}/stop")
        assert (status, found["status"], found["charged"]) == (200, "CANCELLED", "30.0000")
    states = Counter(unit["state"] for unit in await units(creator, job))
    assert states == {"COMPLETED": 20, "CANCELLED": 40}
    assert sum((await charges(creator)).values()) == 20
    await check_books(gateway, creator, "30", "0.0000")


@pytest.mark.render
@pytest.mark.usefixtures("renderer")
async def test_an_animation_is_the_artists_frame_by_frame_and_plays_at_the_scenes_rate(
    gateway: Gateway, creator: Creator, scene: Path, tmp_path: Path
) -> None:
    """One frame is rendered in tiles."""
    payload = await creator.upload(scene.read_bytes())
    status, answer = await creator.dispatch("render", payload_ref=payload, frames="1-3,7")
    assert status == 200, answer
    params = {"width": SIDE, "height": SIDE}
    status, tiled = await creator.dispatch(
        "render", payload_ref=payload, frames="2", tiles="2x1", params=params
    )
    assert status == 200, tiled
    await completed(creator, answer["job_id"])
    status, film = await creator.call("POST", f"/jobs/{answer['job_id']}/video", {})
    assert status == 200, film
    await completed(creator, tiled["job_id"])
    await completed(creator, film["job_id"])
    check_film(await creator.result(film["job_id"]), frames=4, rate=RATE)
    left, right, whole = await units(creator, tiled["job_id"])
    assert [unit["charged"] for unit in (left, right, whole)] == ["5.0000", "5.0000", "0.0000"]
    wanted = await asyncio.to_thread(render_locally, scene, tmp_path, 1, 2, 3, 7)
    for unit in (whole, *await units(creator, answer["job_id"])):
        with Image.open(io.BytesIO(await fetched(creator, unit))) as picture:
            assert picture.size == (SIDE, SIDE)
            assert np.array_equal(np.asarray(picture), pixels(wanted[int(unit["frames"])]))
    assert set((await charges(creator)).values()) == {1}
    await check_books(gateway, creator, "51", "0.0000")


@pytest.mark.render
@pytest.mark.usefixtures("renderer")
async def test_frames_that_were_uploaded_become_a_film(gateway: Gateway, creator: Creator) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as frames:
        for number in range(1, 13):
            picture = io.BytesIO()
            Image.new("RGB", (160, 90), (number * 20, 0, 0)).save(picture, "PNG")
            frames.writestr(f"{number:04d}.png", picture.getvalue())
    payload = await creator.upload(packed.getvalue(), "frames.zip")
    status, answer = await creator.dispatch("video", payload_ref=payload, params={"fps": 24})
    assert status == 200, answer
    await completed(creator, answer["job_id"])
    check_film(await creator.result(answer["job_id"]), frames=12, rate=24)
    await check_books(gateway, creator, "1", "0.0000")


def check_film(film: bytes, frames: int, rate: float) -> None:
    """Check that the film has this many pictures, at that rate."""
    found = dict(boxes(film))
    assert struct.unpack(">I", found["stsz"][8:12])[0] == frames, "the track's number of samples"
    scale, length = struct.unpack(">II", found["mdhd"][12:20])
    assert length / scale == pytest.approx(frames / rate, abs=1e-4)
