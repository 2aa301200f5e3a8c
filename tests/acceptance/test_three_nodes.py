"""An animation on three real nodes, one killed and one cut off: the artist's, frame by frame.

What it is held against comes of a Blender that knows nothing of the worker, with the scene's
own settings.
"""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from yarl import URL

from tests.acceptance.test_animation import (
    SETTINGS,
    charges,
    check_books,
    check_film,
    completed,
    done,
    fetched,
    units,
)
from tests.faults.place import of_http
from tests.faults.proxy import Proxy
from tests.integration.node.scenes import build, locally, pixels
from tests.support.agent_process import Agent, running_agent
from tests.support.api_clients import Creator, Json
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway

pytestmark = [pytest.mark.render, pytest.mark.heavy]
FRAMES = 24
RATE = 24 / 1.001
# It moves, is denoised, shown by AgX, dithered, and its seed is another one in each frame.
SCENE = """
scene.cycles.samples, scene.cycles.use_denoising = 4, True
scene.cycles.use_animated_seed = True
scene.render.fps, scene.render.fps_base = 24, 1.001
scene.view_settings.view_transform = "AgX"
head = bpy.data.objects["Cube"]
head.keyframe_insert("rotation_euler", frame=1)
head.rotation_euler[2] = 2.0
head.keyframe_insert("rotation_euler", frame=24)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    """A frame costs two credits; a silent node loses its unit soon."""
    async with start_gateway(**SETTINGS) as running:
        reason = ("--reason", "for many frames")
        code, said = await running.run("admin", "prices", "set", "render", "2", *reason)
        assert code == 0, said
        yield running


async def troubled(
    stack: AsyncExitStack, gateway: Gateway, folder: Path, creator: Creator, payload: str
) -> str:
    """The animation, on three nodes of which one dies and one is away for a while."""
    proxy = await stack.enter_async_context(Proxy(of_http(gateway.url)))
    by_proxy = str(URL(gateway.url).with_port(proxy.port))
    agents: list[Agent] = [
        await stack.enter_async_context(running_agent(url, folder / name))
        for name, url in (("killed", gateway.url), ("cut", by_proxy), ("well", gateway.url))
    ]
    status, answer = await creator.dispatch("render", payload_ref=payload, frames=f"1-{FRAMES}")
    assert status == 200, answer
    job = str(answer["job_id"])
    await done(creator, job, 4)
    await agents[0].kill()
    await done(creator, job, 8)
    await proxy.down()
    await done(creator, job, 12)
    await proxy.up()
    await completed(creator, job)
    return job


@pytest.mark.nightly
async def test_all_frames_are_the_artists_and_each_is_paid_for_once(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    scene = await asyncio.to_thread(build, tmp_path / "scene.blend", SCENE)
    payload = await creator.upload(scene.read_bytes())
    async with AsyncExitStack() as stack:
        job = await troubled(stack, gateway, tmp_path, creator, payload)
        film = await filmed(creator, job)
    (tmp_path / "out").mkdir()
    wanted = await asyncio.to_thread(locally, scene, tmp_path / "out", *range(1, FRAMES + 1))
    all_ = await units(creator, job)
    assert [int(unit["frames"]) for unit in all_] == sorted(wanted)
    for unit in all_:
        await check_frame(creator, unit, wanted[int(unit["frames"])])
    paid = {reference: n for reference, n in (await charges(creator)).items() if job in reference}
    assert paid == {f"job:{job}:{number}": 1 for number in range(FRAMES)}
    check_film(film, FRAMES, RATE)
    price = 2 * FRAMES + 1  # and the film
    await check_books(gateway, creator, str(price), "0.0000")


async def check_frame(creator: Creator, unit: Json, wanted: Path) -> None:
    """It is the same, pixel by pixel."""
    assert unit["charged"] == "2.0000"
    with Image.open(io.BytesIO(await fetched(creator, unit))) as picture:
        assert np.array_equal(np.asarray(picture), pixels(wanted)), unit["frames"]


async def filmed(creator: Creator, job: str) -> bytes:
    """An MP4 of its frames."""
    status, answer = await creator.call("POST", f"/jobs/{job}/video", {"container": "MP4"})
    assert status == 200, answer
    await completed(creator, answer["job_id"])
    return await creator.result(answer["job_id"])
