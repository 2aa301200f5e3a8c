"""Starts the household, sends the creator on the way, and tidies up."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from config.data_folder import make_folder
from config.settings import SettingsError
from rendertrust.client import AsyncClient, RenderTrustError
from rendertrust.node.enrolment import JoinRefused, join
from supervisors.engines.system import SystemRandom
from web.demonstration.child import Child, ChildFailed
from web.demonstration.folder import FolderTaken, claim
from web.demonstration.journey import JobFailed, Order, travel
from web.demonstration.narrator import Tells
from web.demonstration.scene import SceneFailed, build_scene

READY_SECONDS = 120.0
PAGES = (
    ("open", "/docs", "try the API"),
    ("", "/api/v1/health/ready", "what the gateway depends on"),
    ("", "/metrics", "its metrics"),
)
EXPECTED = (
    ChildFailed,
    FolderTaken,
    JobFailed,
    SceneFailed,
    SettingsError,
    RenderTrustError,
    OSError,
)


@attrs.frozen
class Options:
    """As given on the command line; None: not given."""

    base: Path
    data: Path | None = None
    out: Path | None = None
    blend: Path | None = None
    frame: int = 1
    port: int | None = None
    host: str | None = None
    stay: bool = True


class NodeRefused(Exception):
    """The node cannot do what the demo needs; the text says why."""


async def demonstrate(options: Options, narrator: Tells) -> int:
    """The whole demo; answers its exit code."""
    try:
        if options.out is not None:
            make_folder(options.out, "The folder", "--out")
        claimed = claim(options.base, options.data)
        with claimed.lock:
            return await live(options, claimed.path, narrator)
    except (*EXPECTED, NodeRefused) as error:
        narrator.say("error", str(error))
        return 1


async def live(options: Options, data: Path, narrator: Tells) -> int:
    async with gateway(options, data, narrator) as (url, served), node(url, data, narrator) as runs:
        out = options.out or data / "out"
        make_folder(out, "The folder", "--out")
        scene = options.blend or await build_scene(data / "scene.blend")
        async with AsyncClient(url) as client:
            creator = SystemRandom().uuid()
            await travel(client, creator, Order(scene, options.frame, out), narrator)
        if options.stay:
            for title, path, what in PAGES:
                narrator.say(title, f"{url}{path} {what}")
            narrator.say("", "Ctrl-C stops it all.")
            await first_to_end(served, runs)
            raise ChildFailed("The gateway or the node ended; see their logs in " + str(data))
    return 0


async def first_to_end(*children: Child) -> None:
    """Wait until one of them ends."""
    ended = asyncio.Event()

    async def wait(child: Child) -> None:
        await child.ended()
        ended.set()

    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(wait(child)) for child in children]
        await ended.wait()
        for task in waiting:
            task.cancel()


@asynccontextmanager
async def gateway(
    options: Options, data: Path, narrator: Tells
) -> AsyncGenerator[tuple[str, Child]]:
    """A gateway with embedded engines, until the block ends; its address."""
    words = ["serve", "--json", "--data", str(data / "gateway")]
    words += ["--port", str(options.port)] if options.port else []
    words += ["--host", options.host] if options.host else []
    child = Child("gateway", data / "gateway.log")
    await child.start(*words, settings={})
    try:
        url = json.loads(await child.first_line(READY_SECONDS))["url"]
        narrator.say("gateway", f"{url}, data in {data / 'gateway'}")
        yield url, child
    finally:
        await child.stop()


@asynccontextmanager
async def node(url: str, data: Path, narrator: Tells) -> AsyncGenerator[Child]:
    """A node of this machine that renders, until the block ends."""
    state = data / "node"
    joined = await join(url, name="demo", state=state)
    if isinstance(joined, JoinRefused):
        raise NodeRefused(f"The gateway did not take the node: {joined.reason}")
    if "render" not in joined.capabilities:
        raise NodeRefused(f"This machine cannot render: {joined.not_offered.get('render')}")
    child = Child("node", data / "node.log")
    await child.start("node", "run", settings={"RENDERTRUST_STATE": str(state)})
    narrator.say("node", f"{joined.name}, offers {', '.join(sorted(joined.capabilities))}")
    try:
        yield child
    finally:
        await child.stop()
