"""Preflight by a node: each finding with its remedy before anything is held, and an estimate.

Gateway, node and Blender are real, and the scenes were made by Blender, too.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio

from rendertrust.client import AsyncClient, Invalid, JobSpec, Preflight
from tests.integration.node.scenes import make
from tests.integration.node.test_preflight import SCENES
from tests.support.agent_process import Agent, enrolled_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with

pytestmark = [pytest.mark.render, pytest.mark.heavy]
WITHIN = 120


@attrs.frozen
class Case:
    """A scene, and the finding that preflight must report through the gateway."""

    scene: str
    code: str
    setting: str
    object: str | None = None
    path: str | None = None
    level: str = "error"


# One finding names an object, one names a file, and one does not stop the job.
CASES = [
    Case("camera", "no_camera", "Scene > Camera", "Object 'Camera'"),
    Case("missing", "missing_file", "Missing Files", "Image 'texture'", "/artist/wood.png"),
    Case("scripts", "auto_run_script", "Register", "Text 'rig_ui.py'", level="warning"),
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    make(SCENES, str(folder))
    return folder


gateway = gateway_with()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Agent]:
    async with enrolled_agent(gateway.url, tmp_path_factory.mktemp("node") / "node") as agent:
        agent.more = ("--ram", "8G")
        await agent.start()
        yield agent


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Gateway, creator: Creator) -> AsyncIterator[AsyncClient]:
    scopes = ["jobs:read", "jobs:write", "uploads:write", "credits:read"]
    _, key = await creator.call("POST", "/auth/keys", {"name": "preflight", "scopes": scopes})
    async with AsyncClient(gateway.url, api_key=key["key"]) as found:
        yield found


async def looked(client: AsyncClient, scene: Path, **more: Any) -> tuple[str, Preflight]:
    sent = await client.upload(scene)
    return sent.payload_ref, await client.preflight(
        JobSpec("render", sent.payload_ref, **more), within=WITHIN
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
async def test_each_finding_is_told_and_stops_the_job_with_nothing_held(
    node: Agent, client: AsyncClient, scenes: Path, case: Case
) -> None:
    scene, found = await looked(client, scenes / f"{case.scene}.blend")
    assert (found.status, found.nodes) == ("DONE", 1), found
    (finding,) = [one for one in found.findings if one.code == case.code]
    assert (finding.level, finding.object, finding.path) == (case.level, case.object, case.path)
    assert case.setting in finding.setting
    assert found.stops == (case.level == "error")
    if found.stops:
        with pytest.raises(Invalid) as refused:
            await client.dispatch(JobSpec("render", scene, {"frame": 1}))
        (fault,) = [fault for fault in refused.value.errors if fault.code == case.code]
        assert fault.field == "payload_ref"
        assert case.setting in fault.message
        assert (case.path or case.object or "") in fault.message
    assert (await client.balance()).held == "0.0000"
    jobs = await client.jobs()
    assert [(job.job_type, job.charged) for job in jobs.jobs] == [("preflight", "0.0000")]


async def test_a_clean_scene_is_estimated_once_and_can_be_submitted(
    node: Agent, client: AsyncClient, scenes: Path
) -> None:
    scene, found = await looked(client, scenes / "clean.blend", frames="1-10")
    assert (found.status, found.findings, found.stops) == ("DONE", (), False), found
    assert found.scene is not None
    assert (found.scene.engine, found.scene.samples, found.scene.width) == ("CYCLES", 16, 64)
    estimate = found.estimate
    assert estimate is not None, found.not_estimated
    assert (estimate.frames, estimate.slots) == (10, 1)
    assert 0 < estimate.least <= estimate.likely <= estimate.most
    assert "frames 1, 126, 250" in estimate.how
    assert (await client.preview(found.job_id, 1)).startswith(b"\xff\xd8\xff")
    assert (found.thumbnail or "").endswith(f"{found.job_id}/preview?frame=1")
    again = await client.preflight(JobSpec("render", scene, frames="1-20"), within=0)
    assert again.job_id == found.job_id, "no node looked at the scene again"
    assert again.estimate is not None
    assert again.estimate.likely == pytest.approx(2 * estimate.likely, rel=0.5)
    quote = await client.quote(JobSpec("render", scene, frames="1-10"))
    assert quote.preflight is not None
    assert quote.preflight == attrs.evolve(found, nodes=quote.preflight.nodes)
    placed = await client.dispatch(JobSpec("render", scene, {"frame": 3}))
    assert (await client.wait(placed.job_id, within=WITHIN)).status == "COMPLETED"


async def test_a_scene_that_writes_a_movie_is_rendered_in_a_format_for_the_job(
    node: Agent, client: AsyncClient, scenes: Path, tmp_path: Path
) -> None:
    scene, found = await looked(client, scenes / "movie.blend")
    assert found.stops
    with pytest.raises(Invalid, match="the scene writes a movie"):
        await client.dispatch(JobSpec("render", scene, {"frame": 1}))
    placed = await client.dispatch(JobSpec("render", scene, {"frame": 1, "format": "PNG"}))
    assert (await client.wait(placed.job_id, within=WITHIN)).status == "COMPLETED"
    picture = await client.download(placed.job_id, tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
