"""Long results of a real agent over a faulty connection, through the gateway into a real store.

Parts that have arrived are not sent again, not even by an agent that was killed meanwhile.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import attrs
import pytest
import pytest_asyncio
from yarl import URL

from actors.node_session.settings import NodeSessionSettings
from config.settings import Settings
from rendertrust.node import agent, enrolment
from rendertrust.node.plugin import Completed, Result, Task
from rendertrust.node.plugins.echo import EchoPlugin
from rendertrust.node.state_folder import StateFolder
from rendertrust.verdict_reason import VerdictReason
from supervisors.actor_settings import session_settings
from tests.faults.gateway import Engines, FaultyGateway, faulty_gateway
from tests.faults.orders import NUMBERS
from tests.faults.place import http_by, of_http
from tests.faults.proxy import Proxy
from tests.faults.trap import Trap
from tests.integration.node.conftest import QUICK
from tests.support.api_clients import Creator
from tests.support.examples import chosen
from tests.support.until import until

pytestmark = pytest.mark.heavy
MIB = 1 << 20
PART, SIZE = chosen(day=(8 * MIB, 20 * MIB), night=(64 * MIB, 150 * MIB))
WITHIN = 240.0  # the data goes through two proxies and a gateway, on a busy machine


@pytest.fixture(autouse=True)
def _long_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``echo`` produce ``SIZE`` bytes."""

    async def run(_: EchoPlugin, task: Task) -> Result:
        file = task.folder / "result"
        await asyncio.to_thread(file.write_bytes, content_of(task.job_id))
        return Completed(file=file)

    monkeypatch.setattr(EchoPlugin, "run", run)
    monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: None)


def content_of(job: str) -> bytes:
    piece = random.Random(job).randbytes(MIB)
    return b"".join(number.to_bytes(8) + piece[8:] for number in range(SIZE // MIB))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(
    engines: Engines, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultyGateway]:
    """Run a gateway that takes results in parts of ``PART`` bytes."""

    def in_parts(
        settings: Settings, verifiers: frozenset[UUID], why: VerdictReason
    ) -> NodeSessionSettings:
        return attrs.evolve(session_settings(settings, verifiers, why), part_bytes=PART)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supervisors.actor_settings.session_settings", in_parts)
        async with faulty_gateway(engines, tmp_path_factory.mktemp("here")) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="session")
async def line(gateway: FaultyGateway) -> AsyncIterator[Proxy]:
    """Run the proxy through which nodes reach the gateway, and the store behind it."""
    async with Proxy(of_http(gateway.url)) as proxy:
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def creator(
    gateway: FaultyGateway, http: aiohttp.ClientSession, line: Proxy, tmp_path: Path
) -> Creator:
    """Register a creator and join a node of theirs."""
    jane = Creator(http, gateway.url, f"r{next(NUMBERS)}@example.org")
    await jane.register()
    url = http_by(line, gateway.url)
    joined = await enrolment.join(url, name="box", state=tmp_path, token=jane.token)
    assert isinstance(joined, enrolment.Joined), joined
    return jane


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator["asyncio.Task[agent.AgentExit]"]:
    """Run an agent until the block ends, then kill it without a goodbye."""
    told: list[str] = []
    task = asyncio.ensure_future(agent.run(folder, settings=QUICK, narrator=told.append))
    try:
        await until(lambda: any("connected to" in line for line in told))
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))


def part(number: int) -> bytes:
    return f"partNumber={number}&".encode()


async def check_completed(gateway: FaultyGateway, creator: Creator, job: str) -> None:
    """Wait until the job is completed; check that its object is whole and no parts are left."""

    async def ended() -> Any:
        _, found = await creator.call("GET", f"/jobs/{job}")
        return found["status"] == "COMPLETED"

    await until(ended, within=WITHIN)
    _, found = await creator.call("GET", f"/jobs/{job}/units")
    [unit] = found["units"]
    assert (unit["attempt"], unit["size"]) == (1, SIZE)
    objects = gateway.application.outside.objects
    path = URL(unit["download_url"]).path
    key = path[path.index("results/") :]
    assert key.endswith(f"/{job}/0/1/result")
    assert await objects.get(key, at_most=2 * SIZE) == content_of(job)
    known = await objects.head(key)
    assert known is not None
    assert known.parts_sha256 is not None


def watched(line: Proxy) -> list[Trap]:
    return [line.watch(part(number)) for number in (1, 2, 3)]


async def dispatched(creator: Creator) -> str:
    status, placed = await creator.dispatch("echo")
    assert status == 200, placed
    return str(placed["job_id"])


async def test_a_line_that_breaks_costs_a_part_and_no_more(
    gateway: FaultyGateway, creator: Creator, line: Proxy, tmp_path: Path
) -> None:
    async with running(tmp_path):
        parts = watched(line)
        cut = line.cut(part(2), after=PART // 2)
        await check_completed(gateway, creator, await dispatched(creator))
    assert cut.sprung == 1
    assert [trap.sprung for trap in parts] == [1, 2, 1]


async def test_an_agent_that_was_killed_sends_what_is_missing(
    gateway: FaultyGateway, creator: Creator, line: Proxy, tmp_path: Path
) -> None:
    parts = watched(line)
    stuck = line.strand(part(2), after=PART // 2)
    async with running(tmp_path):
        job = await dispatched(creator)
        await until(lambda: stuck.sprung == 1, within=WITHIN)
        assert [trap.sprung for trap in parts] == [1, 1, 0]
    line.mend()
    [spooled] = (StateFolder(tmp_path).spool).glob("*.result")
    assert spooled.stat().st_size == SIZE
    parts = watched(line)
    async with running(tmp_path):
        await check_completed(gateway, creator, job)
    assert [trap.sprung for trap in parts] == [0, 1, 1]
