"""Real agents at work while gateways and nodes are killed; one agent runs on another host."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from rendertrust.node.plugins import GROUP
from rendertrust.node.state_folder import StateFolder
from rendertrust.testing import FakeNode
from tests.integration.node.scenes import SLOW, build
from tests.support.agent_process import enrolled_agent, on_this_host, running_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.network_namespace import another_host
from tests.support.until import until

# Some seconds of work on a processor, long enough to be killed in the middle.
LONG = {"width": 160, "height": 90, "samples": 600}
LEASE_SECONDS = 8
SETTINGS = {
    "RENDERTRUST_SERVER_HOST": "0.0.0.0",
    "RENDERTRUST_SERVER_INSECURE_DEVELOPMENT": "true",
    "RENDERTRUST_LEASES_SECONDS": str(LEASE_SECONDS),
    "RENDERTRUST_LEASES_RENEW_SECONDS": "2",
    "RENDERTRUST_LEASES_SWEEP_SECONDS": "0.5",
}
RESULT = b"what was made"
# A third-party plugin that begins its work, and ends it when a file exists.
PLUGIN = f"""
import asyncio, os
from pathlib import Path
from rendertrust.node.plugin import Completed

class Waits:
    job_type = "waits"

    async def run(self, task):
        task.report(0.5)
        while not Path(os.environ["WAITS_FOR"]).exists():
            await asyncio.sleep(0.02)
        file = task.folder / "result"
        file.write_bytes({RESULT!r})
        return Completed(file=file)
"""


gateway = gateway_with(SETTINGS, prices={"waits": "10"})
"""It listens to other hosts; a silent node loses its unit soon; ``waits`` has a price."""


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """Return the path of the file for which the plugin waits."""
    return tmp_path / "done"


@pytest.fixture
def plugin(tmp_path: Path, done: Path) -> dict[str, str]:
    """Return the environment of a node that has the plugin."""
    place = tmp_path / "site"
    info = place / "waits-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "waits.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: waits\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nwaits = waits:Waits\n")
    return {"PYTHONPATH": str(place), "WAITS_FOR": str(done)}


async def placed(creator: Creator, job_type: str, **more: Any) -> str:
    status, answer = await creator.dispatch(job_type, **more)
    assert status == 200, answer
    return str(answer["job_id"])


async def wait_for_progress(creator: Creator, job: str) -> dict[str, Any]:
    """Wait until the job's node has reported progress, and return the job."""

    async def progressed() -> dict[str, Any] | None:
        found = await creator.job(job)
        assert found["status"] != "FAILED", found
        return found if found["status"] == "RUNNING" and found["progress"] else None

    return await until(progressed) or {}


async def key_of(operator: Creator) -> dict[str, str]:
    """Return the environment that lets a node join as the operator's."""
    asked = {"name": "nodes", "scopes": ["nodes:write", "credits:read"]}
    status, made = await operator.call("POST", "/auth/keys", asked)
    assert status == 201, made
    return {"RENDERTRUST_API_KEY": made["key"]}


async def check_books(gateway: Gateway, creator: Creator) -> None:
    """Check that the work was paid once, and that fsck finds nothing."""
    _, history = await creator.call("GET", "/credits/history")
    assert [e["amount"] for e in history["entries"] if e["source"] == "USAGE"] == ["10.0000"]
    code, said = await gateway.fsck()
    assert code == 0, said


async def test_a_node_on_another_host_gets_its_input_and_brings_its_result(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    with another_host() as host:
        url = f"http://{host.here}:{gateway.port}"
        async with running_agent(url, tmp_path / "far", host.command, blender=False) as agent:
            payload = await creator.upload(b"BLENDER-v502 from afar")
            job = await placed(creator, "echo", payload_ref=payload)
            found = await creator.job_within(job, "COMPLETED", within=90)
            assert found["node_id"] == agent.id
    assert json.loads(await creator.result(job))["inputs"] == {"scene.blend": 22}


async def test_a_gateway_killed_while_a_node_works_takes_the_result_when_it_is_back(
    gateway: Gateway, creator: Creator, plugin: dict[str, str], done: Path, tmp_path: Path
) -> None:
    async with enrolled_agent(
        gateway.url, tmp_path / "node", on_this_host, plugin, blender=False
    ) as agent:
        await agent.start()
        job = await placed(creator, "waits")
        await wait_for_progress(creator, job)
        await gateway.kill()
        await gateway.start()
        done.touch()
        found = await creator.job_within(job, "COMPLETED")
        assert (found["node_id"], found["retry_count"]) == (agent.id, 0)
    assert await creator.result(job) == RESULT
    await check_books(gateway, creator)


async def test_what_was_done_while_the_gateway_was_away_is_paid_when_it_is_back(
    gateway: Gateway, creator: Creator, plugin: dict[str, str], done: Path, tmp_path: Path
) -> None:
    """The gateway returns long after the lease ended, when another node waits for work.

    The other node gets no work: nothing is done twice, and the operator is paid once.
    """
    operator = Creator(creator.http, gateway.url, "operator-of-two@example.org")
    await operator.register()
    owned = plugin | await key_of(operator)
    async with AsyncExitStack() as stack:
        agents = [
            await stack.enter_async_context(
                enrolled_agent(gateway.url, tmp_path / name, on_this_host, owned, blender=False)
            )
            for name in ("one", "two")
        ]
        for agent in agents:
            await agent.start()
        job = await placed(creator, "waits")
        worker_id = (await wait_for_progress(creator, job))["node_id"]
        await gateway.kill()
        over = time.monotonic() + 1.25 * LEASE_SECONDS
        done.touch()
        [worker] = [agent for agent in agents if agent.id == worker_id]
        told = StateFolder(worker.state).told
        await until(lambda: told().get("waiting_results") == 1)
        await until(lambda: time.monotonic() > over)
        await gateway.start()
        found = await creator.job_within(job, "COMPLETED", within=90)
        assert (found["node_id"], found["retry_count"]) == (worker_id, 0)
        begun = [agent.log.read_text().count(f"waits {job} unit 0: started") for agent in agents]
        assert sorted(begun) == [0, 1]
        _, earned = await operator.call("GET", "/operators/me/earnings")
        shares = [(e["job_id"], e["node_id"], e["amount"]) for e in earned["earnings"]]
        assert shares == [(job, worker_id, "7.0000")]
    assert await creator.result(job) == RESULT
    await check_books(gateway, creator)


@pytest.mark.render
async def test_the_unit_of_a_node_killed_while_it_renders_goes_to_another_node(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    """The killed node's Blender ends as well."""
    # no grace period for nodes after a restart
    await gateway.restart(RENDERTRUST_LEASES_GRACE_SECONDS="1")
    scene = await asyncio.to_thread(build, tmp_path / "scene.blend", SLOW)
    payload = await creator.upload(scene.read_bytes())
    async with running_agent(gateway.url, tmp_path / "node") as agent:
        job = await placed(creator, "render", payload_ref=payload, params=LONG)
        assert (await wait_for_progress(creator, job))["node_id"] == agent.id
        await agent.kill()
        await until(lambda: not agent.leftovers())
        async with FakeNode(gateway.url) as other:
            found = await creator.job_within(job, "COMPLETED", within=90)
            assert (found["node_id"], found["retry_count"]) == (other.node_id, 1)
    await check_books(gateway, creator)
