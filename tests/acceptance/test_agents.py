"""Real agents that render: gateway and node die while they do, and one is on another host."""

import io
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from rendertrust.node.state import StateFolder
from tests.integration.node.scenes import SLOW, build
from tests.support.agent_process import Agent, enrolled_agent, here, running_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.network_namespace import another_host
from tests.support.until import until

pytestmark = pytest.mark.render
WIDTH, HEIGHT = 160, 90
QUICK = {"width": WIDTH, "height": HEIGHT, "samples": 4}
# Some seconds on a processor: long enough to be killed in the middle.
LONG = {"width": WIDTH, "height": HEIGHT, "samples": 600}
LEASE_SECONDS = 8
SETTINGS = {
    "RENDERTRUST_SERVER_HOST": "0.0.0.0",
    "RENDERTRUST_SERVER_INSECURE_DEVELOPMENT": "true",
    "RENDERTRUST_LEASES_SECONDS": str(LEASE_SECONDS),
    "RENDERTRUST_LEASES_RENEW_SECONDS": "2",
    "RENDERTRUST_LEASES_SWEEP_SECONDS": "0.5",
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build(tmp_path_factory.mktemp("scene") / "scene.blend", SLOW).read_bytes()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    """It listens to other hosts; a silent node loses its unit soon."""
    async with start_gateway(**SETTINGS) as running:
        yield running


async def placed(creator: Creator, scene: bytes, params: dict[str, int]) -> str:
    payload = await creator.upload(scene)
    status, answer = await creator.dispatch("render", payload_ref=payload, params=params)
    assert status == 200, answer
    return str(answer["job_id"])


async def rendering(creator: Creator, job: str) -> dict[str, Any]:
    """The job, once its node has told of some progress."""

    async def progressed() -> dict[str, Any] | None:
        found = await creator.job(job)
        assert found["status"] != "FAILED", found
        return found if found["status"] == "RUNNING" and found["progress"] else None

    return await until(progressed) or {}


async def key_of(operator: Creator) -> dict[str, str]:
    """What makes a node that joins his."""
    asked = {"name": "nodes", "scopes": ["nodes:write", "credits:read"]}
    status, made = await operator.call("POST", "/auth/keys", asked)
    assert status == 201, made
    return {"RENDERTRUST_API_KEY": made["key"]}


async def check(gateway: Gateway, creator: Creator, job: str) -> None:
    """The picture is there, paid for once."""
    with Image.open(io.BytesIO(await creator.result(job))) as picture:
        assert picture.size == (WIDTH, HEIGHT)
    _, history = await creator.call("GET", "/credits/history")
    assert [e["amount"] for e in history["entries"] if e["source"] == "USAGE"] == ["10.0000"]
    code, said = await gateway.fsck()
    assert code == 0, said


async def test_a_node_on_another_host_renders_a_frame(
    gateway: Gateway, creator: Creator, scene: bytes, tmp_path: Path
) -> None:
    with another_host() as host:
        url = f"http://{host.here}:{gateway.port}"
        async with running_agent(url, tmp_path / "far", host.command) as agent:
            job = await placed(creator, scene, QUICK)
            found = await creator.job_within(job, "COMPLETED", within=90)
            assert found["node_id"] == agent.id
            await check(gateway, creator, job)


async def test_a_gateway_killed_while_a_node_renders_takes_its_picture_when_it_is_back(
    gateway: Gateway, creator: Creator, scene: bytes, tmp_path: Path
) -> None:
    async with running_agent(gateway.url, tmp_path / "node") as agent:
        job = await placed(creator, scene, LONG)
        await rendering(creator, job)
        await gateway.kill()
        await gateway.start()
        found = await creator.job_within(job, "COMPLETED")
        assert (found["node_id"], found["retry_count"]) == (agent.id, 0)
        await check(gateway, creator, job)


async def test_what_was_rendered_while_the_gateway_was_away_is_paid_when_it_is_back(
    gateway: Gateway, creator: Creator, scene: bytes, tmp_path: Path
) -> None:
    """It comes back when the lease is long over, as after ten minutes; another node waits for work,
    and gets none: nothing is rendered twice, and the operator is paid once.
    """
    operator = Creator(creator.http, gateway.url, "operator-of-two@example.org")
    await operator.register()
    owned = await key_of(operator)
    async with AsyncExitStack() as stack:
        agents = [
            await stack.enter_async_context(
                enrolled_agent(gateway.url, tmp_path / name, here, owned)
            )
            for name in ("one", "two")
        ]
        for agent in agents:
            await agent.start()
        job = await placed(creator, scene, LONG)
        at_work = (await rendering(creator, job))["node_id"]
        await gateway.kill()
        over = time.monotonic() + 2 * LEASE_SECONDS
        [worker] = [agent for agent in agents if agent.id == at_work]
        told = StateFolder(worker.state).told
        await until(lambda: told().get("waiting_results") == 1, within=120)
        await until(lambda: time.monotonic() > over, within=3 * LEASE_SECONDS)
        await gateway.start()
        found = await creator.job_within(job, "COMPLETED", within=90)
        assert (found["node_id"], found["retry_count"]) == (at_work, 0)
        begun = [agent.log.read_text().count(f"render {job} unit 0: started") for agent in agents]
        assert sorted(begun) == [0, 1]
        await check(gateway, creator, job)
        _, earned = await operator.call("GET", "/operators/me/earnings")
        shares = [(e["job_id"], e["node_id"], e["amount"]) for e in earned["earnings"]]
        assert shares == [(job, at_work, "7.0000")]


async def test_the_unit_of_a_node_killed_while_it_renders_goes_to_another_node(
    gateway: Gateway, creator: Creator, scene: bytes, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        agents: dict[str, Agent] = {}
        for name in ("one", "two"):
            agent = await stack.enter_async_context(running_agent(gateway.url, tmp_path / name))
            agents[agent.id] = agent
        job = await placed(creator, scene, LONG)
        first = agents.pop((await rendering(creator, job))["node_id"])
        await first.kill()
        await until(lambda: not first.leftovers())
        found = await creator.job_within(job, "COMPLETED", within=90)
        assert found["node_id"] in agents
        assert found["retry_count"] == 1
        await check(gateway, creator, job)


@pytest.mark.heavy
async def test_frames_that_were_uploaded_become_a_film(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as frames:
        for number in range(1, 13):
            picture = io.BytesIO()
            Image.new("RGB", (WIDTH, HEIGHT), (number * 20, 0, 0)).save(picture, "PNG")
            frames.writestr(f"{number:04d}.png", picture.getvalue())
    payload = await creator.upload(packed.getvalue(), "frames.zip")
    async with running_agent(gateway.url, tmp_path / "node"):
        status, answer = await creator.dispatch("video", payload_ref=payload, params={"fps": 24})
        assert status == 200, answer
        await creator.job_within(answer["job_id"], "COMPLETED", within=90)
    film = await creator.result(answer["job_id"])
    assert film[4:8] == b"ftyp"
    code, said = await gateway.fsck()
    assert code == 0, said
