"""A light and a heavy scene have different prices before anything is held, and the quoted price is
charged.

Gateway, its own node and Blender are real.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rendertrust.client import AsyncClient, Conflict, JobSpec, Quote
from tests.integration.node.scenes import make
from tests.support.agent_process import Agent, enrolled_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with

pytestmark = [pytest.mark.render, pytest.mark.heavy]
WITHIN = 240
FRAMES = "1-3"
SCENES = """
import bpy, os, sys
for name, width, height, samples in (("light", 64, 36, 4), ("heavy", 320, 180, 64)):
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples = "CYCLES", samples
    scene.render.resolution_x, scene.render.resolution_y = width, height
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(sys.argv[1], name + ".blend"))
"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    make(SCENES, str(folder))
    return folder


gateway = gateway_with({"RENDERTRUST_PRICING_FRAME_SECONDS": "2"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Agent]:
    """Run the gateway's own node; the settings name the node after it has joined."""
    async with enrolled_agent(gateway.url, tmp_path_factory.mktemp("node") / "node") as agent:
        await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=agent.id)
        await agent.start()
        yield agent


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Gateway, creator: Creator) -> AsyncIterator[AsyncClient]:
    scopes = ["jobs:read", "jobs:write", "uploads:write", "credits:read"]
    _, key = await creator.call("POST", "/auth/keys", {"name": "price", "scopes": scopes})
    async with AsyncClient(gateway.url, api_key=key["key"]) as found:
        yield found


async def quoted(client: AsyncClient, scene: Path) -> tuple[str, Quote]:
    sent = await client.upload(scene)
    before = await client.quote(JobSpec("render", sent.payload_ref, frames=FRAMES))
    assert (before.priced_by, before.measurable) == ("size", True)
    found = await client.preflight(
        JobSpec("render", sent.payload_ref, frames=FRAMES), within=WITHIN
    )
    assert found.status == "DONE", found
    return sent.payload_ref, await client.quote(JobSpec("render", sent.payload_ref, frames=FRAMES))


async def test_light_and_heavy_scenes_have_their_prices_and_what_is_quoted_is_charged(
    node: Agent, client: AsyncClient, scenes: Path
) -> None:
    light, of_light = await quoted(client, scenes / "light.blend")
    _, of_heavy = await quoted(client, scenes / "heavy.blend")
    for quote in (of_light, of_heavy):
        assert (quote.priced_by, quote.measurable) == ("work", False), quote.priced_how
    assert of_light.reference_seconds is not None
    assert of_heavy.reference_seconds is not None
    assert of_heavy.reference_seconds > of_light.reference_seconds
    assert float(of_heavy.price) > 3 * float(of_light.price)
    assert (await client.balance()).held == "0.0000"
    with pytest.raises(Conflict):
        await client.dispatch(JobSpec("render", light, frames=FRAMES, quoted="0.0001"))
    assert (await client.balance()).held == "0.0000"
    placed = await client.dispatch(JobSpec("render", light, frames=FRAMES, quoted=of_light.price))
    job = await client.wait(placed.job_id, within=WITHIN)
    assert (job.status, job.charged) == ("COMPLETED", of_light.price)
    assert job.reference_seconds == of_light.reference_seconds
    units = [unit async for unit in client.each_unit(placed.job_id)]
    assert all(unit.charged == unit.price for unit in units)
    balance = await client.balance()
    assert balance.held == "0.0000"
