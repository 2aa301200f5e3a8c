"""Fixtures for the node's tests: a gateway double, agents enrolled at it, and Blender."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from pytest_aiohttp import AiohttpServer

from rendertrust.node import agent, blender, opengl_probe, plugins
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.automatic_update import AutomaticUpdate
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Result, Task
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.state_folder import Enrolment, StateFolder
from tests.integration.node.gateway import Gateway
from tests.integration.node.resident import Resident, resident
from tests.integration.node.scenes import ARTISTS, build
from tests.support.free_ports import free_port

QUICK = AgentSettings(
    health_port=None,
    nice=0,  # beside other tests, a process with a lower priority would get no processor time
    lease_seconds=0.2,
    heartbeat_seconds=0.2,
    resend_seconds=0.3,
    stop_seconds=0.5,
    progress_seconds_least=0.0,
    backoff_seconds_least=0.05,
    backoff_seconds_most=0.2,
)


@attrs.define
class Running:
    """An agent under test: its messages, the event that stops it, and its exit."""

    folder: StateFolder
    told: list[str]
    stop: asyncio.Event
    task: asyncio.Task[agent.AgentExit]

    async def ended(self, within: float = 120) -> agent.AgentExit:
        async with asyncio.timeout(within):
            return await asyncio.shield(self.task)


@attrs.frozen
class GatedPlugin:
    """Plugin whose units end when the test sets ``gate``."""

    job_type: ClassVar[str] = "gated"
    gate: asyncio.Event

    async def run(self, task: Task) -> Result:
        await self.gate.wait()
        file = task.folder / "result"
        file.write_text("done")
        return Completed(file=file)


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let agents offer ``gated`` and check plugins whose units end once this event is set."""
    opened = asyncio.Event()

    async def offered(
        folder: StateFolder, settings: AgentSettings, **given: Any
    ) -> plugins.PluginOffer:
        found = await offer(folder, settings, **given)
        able = {
            **found.plugins,
            GatedPlugin.job_type: GatedPlugin(opened),
            "check": GatedPlugin(opened),
            "check_batch": GatedPlugin(opened),
        }
        return attrs.evolve(found, plugins=able)

    offer = plugins.offer
    monkeypatch.setattr("rendertrust.node.agent.plugins.offer", offered)
    return opened


Start = Callable[..., AbstractAsyncContextManager[Running]]


Listen = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def listen(aiohttp_server: AiohttpServer) -> AsyncGenerator[Listen, None]:
    """Yield a function that starts a gateway double, at a free port or a given one, until the test
    ends.
    """
    listening: list[Gateway] = []

    async def begin(double: Gateway | None = None, port: int | None = None) -> Gateway:
        double = double or Gateway()
        # An outgoing connection could occupy a port that the system chose; a second gateway could
        # then not listen on this port.
        double.server = await aiohttp_server(double.app(), port=port or free_port())
        listening.append(double)
        return double

    yield begin
    for double in listening:
        for socket in double.sockets:
            await socket.close(code=1012)


@pytest.fixture
async def peer(listen: Listen) -> Gateway:
    return await listen()


@pytest.fixture(scope="session")
def found_blender(tmp_path_factory: pytest.TempPathFactory) -> Blender:
    """Return Blender in its sandbox, probed once for all tests; it starts a process per order."""
    found = asyncio.run(blender.find(tmp_path_factory.mktemp("trial")))
    assert isinstance(found, Blender), found
    return found


@pytest.fixture(scope="session")
def resident_blender(found_blender: Blender) -> Iterator[Resident]:
    """Yield a Blender in its sandbox that carries out the orders of all tests in one process."""
    with resident(found_blender) as it:
        yield it


@pytest.fixture
def known_blender(found_blender: Blender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let agents skip the probe of Blender and use the Blender that was found."""

    async def found(scratch: Path, **given: Any) -> Blender:
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return attrs.evolve(found_blender, memory_bytes=given.get("memory_bytes"))

    async def probe(*_: object) -> opengl_probe.OpenGL:
        return opengl_probe.OpenGL(works=False)

    monkeypatch.setattr("rendertrust.node.blender.find", found)
    monkeypatch.setattr("rendertrust.node.opengl_probe.probe", probe)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a scene with the default cube, 64 by 36 pixels."""
    return build(tmp_path_factory.mktemp("small") / "small.blend")


@pytest.fixture(scope="session")
def artists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a scene with what an artist uses: animation, denoiser, compositor."""
    return build(tmp_path_factory.mktemp("artists") / "artists.blend", ARTISTS)


@pytest.fixture
def render(resident_blender: Resident, tmp_path: Path) -> RenderPlugin:
    """Return a render plugin that uses the resident Blender."""
    return resident_blender.render(tmp_path / "scratch")


@pytest.fixture(autouse=True)
def _no_blender(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let tests without the ``render`` marker find no Blender, so they need not probe it."""
    node: pytest.Item = request.node
    if node.get_closest_marker("render") is None:
        monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: None)


@pytest.fixture
def start(tmp_path: Path, peer: Gateway, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that starts an agent, each time on the same state folder of this test.

    The agent compiles no shaders in the background, as on a machine that has them.
    """

    def is_stored(_target: Path) -> bool:
        return True

    monkeypatch.setattr("rendertrust.node.opengl_probe.is_stored", is_stored)

    @asynccontextmanager
    async def run(
        settings: AgentSettings = QUICK,
        *,
        kill: bool = False,
        updates: AutomaticUpdate | None = None,
    ) -> AsyncGenerator[Running]:
        folder = StateFolder(tmp_path / "state")
        if folder.enrolment() is None:
            token = "first-token"
            folder.enrol(Enrolment(url=peer.url, node_id="n1", name="test", token=token))
        told: list[str] = []
        stop = asyncio.Event()
        work: Awaitable[agent.AgentExit] = agent.run(
            folder.path, settings=settings, narrator=told.append, stop=stop, updates=updates
        )
        task = asyncio.ensure_future(work)
        try:
            yield Running(folder, told, stop, task)
        finally:
            if kill:
                task.cancel()
            stop.set()
            await asyncio.wait((task,), timeout=120)

    return run
