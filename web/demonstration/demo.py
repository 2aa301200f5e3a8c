"""The whole demo: folder, scene, gateway and nodes, the creator's journey, and the clean-up."""

import asyncio
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import IO
from uuid import UUID

import attrs

from config.data_folder import make_folder
from config.loader import SettingsError
from rendertrust.client import AsyncClient, RenderTrustError
from rendertrust.node import blender_discovery, sandbox
from rendertrust.node.child_process import converse
from rendertrust.node.enrolment import JoinRefused, join
from supervisors.engines.system_clock import SystemRandom
from web.demonstration.animation import FOLDER, FRAMES, DemoAnimation, DemoNode, animate
from web.demonstration.child import Child, ChildFailed
from web.demonstration.journey import DemoOrder, JobFailed, check_receipt, travel
from web.demonstration.narrator import Narration

READY_SECONDS = 120.0
NODES = ("node", "node-2")
BUSY = 503
JOINS = 3  # more tries to join if the gateway is busy
PAGES = (
    ("open", "/docs", "try the API"),
    ("", "/api/v1/health/ready", "what the gateway depends on"),
    ("", "/metrics", "its metrics"),
)
DEMOS_MAX = 100
SCENE_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo_scene.py"
SCENE_SECONDS = 120.0


class FolderTaken(Exception):
    """Another demo runs on this folder."""


class SceneFailed(Exception):
    """The scene was not built; the text says why, and how to fix it."""


class NodeRefused(Exception):
    """The gateway refused a node, or the node cannot render; the text says why."""


EXPECTED = (
    ChildFailed,
    FolderTaken,
    JobFailed,
    NodeRefused,
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
    frames: str | None = None  # None: default frames, for the demo's own scene
    chaos: bool = False
    insecure: bool = False  # other machines may reach the gateway


async def demonstrate(options: DemoOptions, narrator: Narration) -> int:
    """Run the whole demo; return its exit code."""
    try:
        if options.out is not None:
            make_folder(options.out, "The folder", "--out")
        claimed = claim(options.base, options.data)
        with claimed.lock:
            # The nodes cache what they find out about this machine in the same folder.
            os.environ["XDG_CACHE_HOME"] = str(claimed.path / "cache")
            return await live(options, claimed.path, narrator)
    except EXPECTED as error:
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
            facts |= await check_receipt(client, job, picture, scene, narrator)
        narrator.conclude(facts)
        if options.stay:
            for title, path, what in PAGES:
                narrator.say(title, f"{url}{path} {what}")
            narrator.say("", "Ctrl-C stops it all.")
            try:
                await first_to_end(served, *(worker.child for worker in run))
            except asyncio.CancelledError:
                return 0  # Ctrl-C: the demo was complete
            raise ChildFailed("The gateway or a node ended; see their logs in " + str(data))
    return 0


async def first_to_end(*children: Child) -> None:
    """Wait until one of the children ends."""
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
    """Yield the address of a gateway with embedded engines, which runs during the block."""
    words = ["serve", "--json", "--data", str(data / "gateway")]
    words += ["--port", str(options.port)] if options.port else []
    words += ["--host", options.host] if options.host else []
    words += ["--insecure-development"] if options.insecure else []
    child = Child("gateway", data / "gateway.log")
    # The demo hands out no extension: building one would download more than the demo says.
    await child.start(*words, settings={"RENDERTRUST_DOWNLOADS_BUILD": "false"})
    try:
        url = json.loads(await child.first_line(READY_SECONDS))["url"]
        narrator.say("gateway", f"{url}, data in {data / 'gateway'}")
        yield url, child
    finally:
        await child.stop()


@asynccontextmanager
async def nodes(url: str, data: Path, narrator: Narration) -> AsyncGenerator[list[DemoNode]]:
    """Run two nodes on this machine, which render during the block."""
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
    for _ in range(JOINS):  # on a busy machine, starting everything at once is slow
        if not isinstance(found, JoinRefused) or found.code != BUSY:
            break
        found = await join(url, name=name, state=state)
    if isinstance(found, JoinRefused):
        raise NodeRefused(f"The gateway refused the node: {found.reason}")
    if "render" not in found.capabilities:
        raise NodeRefused(f"This machine cannot render: {found.not_offered.get('render')}")
    narrator.say("node", f"{found.name} joined: it renders frames on this machine")
    child = Child(name, data / f"{name}.log")
    return DemoNode(str(found.node_id), name, child, {"RENDERTRUST_STATE": str(state)})


def film_of(
    options: DemoOptions, payload: str, out: Path, run: list[DemoNode]
) -> DemoAnimation | None:
    """Return the animation: the frames that the options name, or default frames of the demo's own
    scene. None if the user's scene comes without frames.
    """
    frames = options.frames or (FRAMES if options.blend is None else None)
    if frames is None:
        return None
    victim = run[-1] if options.chaos else None
    make_folder(out / FOLDER, "The folder", "--out")
    return DemoAnimation(payload, frames, out, victim, small=options.blend is None)


@attrs.frozen
class DemoFolder:
    """A folder that is locked until the demo ends."""

    path: Path
    lock: IO[bytes]


def claim(base: Path, given: Path | None) -> DemoFolder:
    """Lock ``given``, or the first free folder of demo, demo-2, … below ``base``."""
    if given is not None:
        claimed = _lock(given.absolute())
        if claimed is None:
            raise FolderTaken(f"Another demo runs on {given}; give another --data")
        return claimed
    for number in count(1):
        claimed = _lock(base / ("demo" if number == 1 else f"demo-{number}"))
        if claimed is not None:
            return claimed
        if number == DEMOS_MAX:
            break
    raise FolderTaken(f"{DEMOS_MAX} demos run already")


def _lock(path: Path) -> DemoFolder | None:
    make_folder(path, "The data folder", "--data")
    path.chmod(0o711)  # engines that root starts run as another user
    lock = os.fdopen(os.open(path / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return DemoFolder(path, lock)


async def build_scene(to: Path) -> Path:
    """Write the scene to ``to``. Raises SceneFailed."""
    program = blender_discovery.find()
    if program is None:
        raise SceneFailed(blender_discovery.no_blender())
    box = sandbox.find(program.readable)
    if isinstance(box, sandbox.SandboxUnavailable):
        raise SceneFailed(box.reason)
    work = Path(tempfile.mkdtemp(prefix="scene-", dir=to.parent))
    try:
        box.prepare(work)
        view = box.view(work, SCENE_SCRIPT)
        words = program.program(view.worker, f"{view.out}/scene.blend")
        ending = await converse(
            box.command(words, work, SCENE_SCRIPT),
            environment=box.environment(work),
            within=SCENE_SECONDS,
            hear=lambda _: None,
        )
        if ending.code != 0:
            raise SceneFailed(f"Blender could not build the scene:\n{ending.tail.strip()}")
        return Path(shutil.move(work / "out" / "scene.blend", to))
    finally:
        shutil.rmtree(work, ignore_errors=True)
