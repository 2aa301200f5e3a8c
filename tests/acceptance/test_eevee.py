"""An animation by EEVEE on nodes without a graphics card: measured, drawn, verified and charged.

Gateway, embedded verifier, node and Blender are real.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rendertrust.client import AsyncClient, JobSpec
from tests.integration.node.scenes import build
from tests.support.agent_process import enrolled_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with

pytestmark = [
    *(pytest.mark.render, pytest.mark.heavy, pytest.mark.nightly),
    # Without a graphics card, drivers compile shaders for most of a minute.
    pytest.mark.timeout(3_600),
]
FRAMES, WITHIN = 8, 1_800
EEVEE = """
scene.render.engine = "BLENDER_EEVEE"
scene.eevee.taa_render_samples = 4
scene.render.resolution_x, scene.render.resolution_y = 640, 360
scene.frame_start, scene.frame_end = 1, 8
cube = bpy.data.objects["Cube"]
for frame, turn in ((1, 0.0), (8, 1.0)):
    cube.rotation_euler[2] = turn
    cube.keyframe_insert("rotation_euler", frame=frame)
"""

gateway = gateway_with(
    {"RENDERTRUST_VERIFICATION_ENABLED": "true", "RENDERTRUST_PRICING_FRAME_SECONDS": "60"}
)


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Gateway, creator: Creator) -> AsyncIterator[AsyncClient]:
    scopes = ["jobs:read", "jobs:write", "uploads:write", "credits:read"]
    _, key = await creator.call("POST", "/auth/keys", {"name": "eevee", "scopes": scopes})
    async with AsyncClient(gateway.url, api_key=key["key"]) as found:
        yield found


async def test_it_is_measured_and_every_frame_is_equal_and_charged_as_quoted(
    client: AsyncClient, creator: Creator, tmp_path: Path
) -> None:
    scene = build(tmp_path / "scene.blend", EEVEE)
    async with enrolled_agent(client.url, tmp_path / "node") as node:
        await node.start()
        sent = await client.upload(scene)
        spec = JobSpec("render", sent.payload_ref, frames=f"1-{FRAMES}")
        found = await client.preflight(spec, within=WITHIN)
        notes = {one.code: one.message for one in found.findings if one.level == "note"}
        assert len(notes) == len(found.findings), found.findings
        assert "takes about" in notes["eevee_on_cpu"]
        quote = await client.quote(spec)
        assert quote.priced_by == "work", quote.priced_how
        placed = await client.dispatch(spec)
        job = await client.wait(placed.job_id, within=WITHIN)
    assert (job.status, job.charged) == ("COMPLETED", quote.price)
    for unit in range(FRAMES):
        _, receipt = await creator.call("GET", f"/jobs/{placed.job_id}/units/{unit}/receipt")
        assert receipt["receipt"]["verdict"] == "exact"
        assert "llvmpipe" in receipt["receipt"]["work"]["measured"]["drawing"]
