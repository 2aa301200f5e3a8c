"""The whole demo: starts gateway and nodes, runs the creator's journey, and cleans up."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import attrs

from config.data_folder import make_folder
from config.loader import SettingsError
from rendertrust.client import AsyncClient, RenderTrustError
from rendertrust.node.enrolment import JoinRefused, join
from supervisors.engines.system_clock import SystemRandom
from web.demonstration.animation import FOLDER, FRAMES, DemoAnimation, DemoNode, animate
from web.demonstration.child import Child, ChildFailed
from web.demonstration.folder import FolderTaken, claim
from web.demonstration.journey import DemoOrder, JobFailed, travel
from web.demonstration.narrator import Narration
from web.demonstration.receipt import check
from web.demonstration.scene import SceneFailed, build_scene

READY_SECONDS = 120.0
NODES = ("node", "node-2")
BUSY = 503
JOINS = 3  # more tries to join when the gateway is busy
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
class DemoOptions:
    """The options of the command line; None: not given."""

    base: Path
    data: Path | None = None
    out: Path | None = None
    blend: Path | None = None
    frame: int = 1
    port: int | None = None
    host: str | None = None
    stay: bool = True
    frames: str | None = None  # None: the demo's default, for its own scene
    chaos: bool = False
    insecure: bool = False  # other machines may reach the gateway


class NodeRefused(Exception):
    """The node cannot do what the demo needs; the text says why."""


async def demonstrate(options: DemoOptions, narrator: Narration) -> int:
    """Run the whole demo; return its exit code."""
    try:
        if options.out is not None:
            make_folder(options.out, "The folder", "--out")
        claimed = claim(options.base, options.data)
        with claimed.lock:
            # The nodes cache what they find out about this machine there too.
            os.environ["XDG_CACHE_HOME"] = str(claimed.path / "cache")
            return await live(options, claimed.path, narrator)
    except (*EXPECTED, NodeRefused) as error:
        narrator.say("error", str(error))
        return 1


async def live(options: DemoOptions, data: Path, narrator: Narration) -> int:
    async with gateway(options, data, narrator) as (url, served), nodes(url, data, narrator) as run:
        out = options.out or data / "out"
        make_folder(out, "The folder", "--out")
        scene = options.blend or await build_scene(data / "scene.blend")
        async with AsyncClient(url) as client:
            creator = SystemRandom().uuid()
            order = DemoOrder(scene, options.frame, out)
            payload, facts = await travel(client, creator, order, narrator)
            if (film := film_of(options, payload, out, run)) is not None:
                facts |= await animate(client, film, narrator)
            job, picture = UUID(facts["job_id"]), Path(facts["picture"])
            facts |= await check(client, job, picture, scene, narrator)
        narrator.conclude(facts)
        if options.stay:
            for title, path, what in PAGES:
                narrator.say(title, f"{url}{path} {what}")
            narrator.say("", "Ctrl-C stops it all.")
            try:
                await first_to_end(served, *(worker.child for worker in run))
            except asyncio.CancelledError:
                return 0  # Ctrl-C: the demo was complete
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
    options: DemoOptions, data: Path, narrator: Narration
) -> AsyncGenerator[tuple[str, Child]]:
    """A gateway with embedded engines, until the block ends; yields its address."""
    words = ["serve", "--json", "--data", str(data / "gateway")]
    words += ["--port", str(options.port)] if options.port else []
    words += ["--host", options.host] if options.host else []
    words += ["--insecure-development"] if options.insecure else []
    child = Child("gateway", data / "gateway.log")
    await child.start(*words, settings={})
    try:
        url = json.loads(await child.first_line(READY_SECONDS))["url"]
        narrator.say("gateway", f"{url}, data in {data / 'gateway'}")
        yield url, child
    finally:
        await child.stop()


@asynccontextmanager
async def nodes(url: str, data: Path, narrator: Narration) -> AsyncGenerator[list[DemoNode]]:
    """Two nodes on this machine that render, until the block ends."""
    try:
        async with asyncio.TaskGroup() as group:
            joining = [group.create_task(joined(url, name, data, narrator)) for name in NODES]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    workers = [task.result() for task in joining]
    try:
        for worker in workers:
            await worker.start()
        yield workers
    finally:
        for worker in workers:
            await worker.child.stop()


async def joined(url: str, name: str, data: Path, narrator: Narration) -> DemoNode:
    """Register a node with the gateway. Raises NodeRefused."""
    state = data / name
    found = await join(url, name=name, state=state)
    for _ in range(JOINS):  # on a busy machine, a start of everything at once is slow
        if not isinstance(found, JoinRefused) or found.code != BUSY:
            break
        found = await join(url, name=name, state=state)
    if isinstance(found, JoinRefused):
        raise NodeRefused(f"The gateway did not take the node: {found.reason}")
    if "render" not in found.capabilities:
        raise NodeRefused(f"This machine cannot render: {found.not_offered.get('render')}")
    narrator.say("node", f"{found.name} joined: it renders frames on this machine")
    child = Child(name, data / f"{name}.log")
    return DemoNode(str(found.node_id), name, child, {"RENDERTRUST_STATE": str(state)})


def film_of(
    options: DemoOptions, payload: str, out: Path, run: list[DemoNode]
) -> DemoAnimation | None:
    """Return what to animate: frames of the demo's own scene, or those that were asked for."""
    frames = options.frames or (FRAMES if options.blend is None else None)
    if frames is None:
        return None
    victim = run[-1] if options.chaos else None
    make_folder(out / FOLDER, "The folder", "--out")
    return DemoAnimation(payload, frames, out, victim, small=options.blend is None)
