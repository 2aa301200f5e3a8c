"""Plugin ``render``: renders frames or tiles of a scene, or merges tiles, in the sandbox."""

import asyncio
import contextlib
import math
import os
import re
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs

from rendertrust.blender_version import UNKNOWN, parse, text_of
from rendertrust.job_types import RENDER
from rendertrust.node import blender, card_probe, opengl_probe, sandbox
from rendertrust.node.agent_settings import NICENESS
from rendertrust.node.blender_discovery import Renderer, binary_at
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.devices import Device
from rendertrust.node.plugin import PREVIEW_BYTES_MAX, Completed, Failed, Result, Task
from rendertrust.node.plugins import frame_zips
from rendertrust.node.plugins.render_order import (
    PATHS,
    addons_of,
    ocio_of,
    order_of,
    placed_tiles,
    scene_of,
)
from rendertrust.node.renderer_store import NotInstalled, RendererStore
from rendertrust.node.resident_blender import BlenderKey, ResidentBlenders
from rendertrust.node.resource_monitor import MACHINES, MEMORY, LimitExceeded, out_of_vram
from rendertrust.node.rmtree import clear, empty
from rendertrust.node.safe_open import NotARegularFile, open_plain
from rendertrust.protocol import LACKS, Build
from rendertrust.relay_frames import BUILDS_MAX

TICK_SECONDS: Final = 1.0
PACE: Final = 1.5  # when the estimated time has passed, 78 % of the remaining work counts as done
DECLINED: Final = "network"  # class of the failure of a unit that is given back
FILES_OF_A_FRAME: Final = ("file", "noisy", "evidence")
NAME_MAX: Final = 100  # longer file names are cut; the worker's own file names are shorter
TOO_MANY_FILES: Final = "the scene reported more files than its frames can have"
EVIDENCE: Final = ".evidence.exr"  # suffix of a picture's evidence
_WORK: Final = (
    *("seconds", "width", "height", "frame", "frames", "engine", "samples", "blender", "warnings"),
    *("tile", "rendered", "pixels", "drawing"),
)
_NO_MEMORY: Final = re.compile(
    r"[mc]alloc returns null|std::bad_alloc|\bMemoryError\b", re.IGNORECASE
)
# What Cycles says of the backends' errors.
_NO_VRAM: Final = re.compile(
    r"out of GPU|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory|Out of memory in (?:cu|hip)"
    r"|ERROR_OUT_OF_DEVICE_MEMORY",
    re.IGNORECASE,
)
_THUMBNAIL: Final = re.compile(r"-?[0-9]{4,7}\.thumbnail\.jpg")
_PICTURE: Final = re.compile(r"(?:frame|tile|-?[0-9]{4,7})(?:\.(?:noisy|evidence))?\.[a-z]{3,4}")


@attrs.define
class RenderPlugin:
    """Rendering of one unit.

    Parameters: ``frame`` or ``frames``, ``width`` and ``height`` (or ``resolution: [w, h]``),
    ``samples``, ``format`` (PNG, JPEG, OPEN_EXR), ``noisy``, ``tile`` or ``tiles``, and ``scene``
    if several inputs are scenes. The scene's settings apply to everything else.

    ``device``: the graphics card that renders; None: the processor. ``card_bytes``: the graphics
    memory of a unit. ``any_user``: with a card, the owner also accepts the scenes of strangers.
    ``found``: the node's own Blender. ``others``: those of the ``binaries`` that the operator named
    which work. ``store``: further versions, installed when a unit needs them. ``refusal``: why the
    last test found no Blender.
    """

    job_type: ClassVar[str] = RENDER
    scratch: Path
    unsafe_no_sandbox: bool = False
    runtime_seconds_max: float = 6 * 3600.0
    memory_bytes: int | None = None
    nice: int = NICENESS
    device: Device | None = None
    card_bytes: int | None = None
    any_user: bool = False
    found: blender.Blender | None = None
    binaries: tuple[Path, ...] = ()
    others: tuple[blender.Blender, ...] = ()
    store: RendererStore | None = None
    refusal: str | None = None
    residents: ResidentBlenders = attrs.field(
        default=attrs.Factory(lambda self: ResidentBlenders(self.scratch), takes_self=True)
    )

    async def why_not(self) -> str | None:
        """Find and test Blender; return why Blender does not work, or None."""
        self.refusal = await self._why_not()
        return self.refusal

    async def why_no_blender(self) -> str | None:
        """Return why there is no Blender; None if there is one. Test only if nobody has yet."""
        return None if self.found is not None else self.refusal or await self.why_not()

    async def _why_not(self) -> str | None:
        found = await blender.find(
            self.scratch,
            unsafe=self.unsafe_no_sandbox,
            memory_bytes=self.memory_bytes,
            device=self.device,
        )
        if self.device is not None:
            if isinstance(found, blender.NoBlender):
                return found.reason
            return await self._try_card(
                attrs.evolve(found, opengl=False, nice=self.nice, card_bytes=self.card_bytes)
            )
        others = [await self.try_out(binary_at(path)) for path in self.binaries]
        self.others = tuple(each for each in others if isinstance(each, blender.Blender))
        if isinstance(found, blender.NoBlender) and self.others:
            found, *rest = self.others
            self.others = tuple(rest)
        elif isinstance(found, blender.NoBlender) and self.store is not None:
            found = await self._stored(self.store, found)
        if isinstance(found, blender.NoBlender):
            return found.reason
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="draw-", dir=self.scratch))
        opengl = await opengl_probe.probe(found, folder)
        self.found = attrs.evolve(opengl_probe.with_opengl(found, opengl), nice=self.nice)
        self.others = tuple(map(self.like_own, self.others))
        if self.store is not None and self.found.is_sandboxed:
            self.store.own = frozenset(parse(each.version) for each in self.tested())
            self.store.end_waiting = self.residents.end
        else:
            self.store = None
        return None

    async def _stored(
        self, store: RendererStore, none: blender.NoBlender
    ) -> blender.Blender | blender.NoBlender:
        """Return the store's version that becomes the node's own, as it has ``none`` besides."""
        box = await asyncio.to_thread(sandbox.find, ())
        if isinstance(box, sandbox.SandboxUnavailable):
            return blender.NoBlender(reason=box.reason)
        lent = await store.first()
        if isinstance(lent, NotInstalled):
            return blender.NoBlender(reason=f"{none.reason}; for --renderers: {lent.reason}")
        return lent

    async def _try_card(self, found: blender.Blender) -> str | None:
        """Render a small picture on the card, and have its kernels compiled; return why that does
        not work, or None.

        A card renders Cycles' scenes alone: drawn scenes go to processors.
        """
        found = card_probe.with_kernels(found)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="card-", dir=self.scratch))
        try:
            ending = await card_probe.render(found, folder)
            result = await asyncio.to_thread(result_of, ending, folder)
            if isinstance(result, Failed):
                return f"a small picture could not be rendered on the card: {result.error}"
            with contextlib.suppress(OSError):  # then each job compiles its kernels
                await card_probe.warm(found, folder)
        finally:
            await asyncio.to_thread(clear, folder)
        self.found = found
        return None

    async def try_out(self, program: Renderer) -> blender.Blender | blender.NoBlender:
        """Test a further renderer in its sandbox."""
        found = await blender.try_out(program, self.scratch, self.memory_bytes)
        return found if isinstance(found, blender.NoBlender) else self.like_own(found)

    def like_own(self, other: blender.Blender) -> blender.Blender:
        """Return another Blender with what the tests of the node's own say about this machine.

        Its shaders are those of its version.
        """
        own = self.found
        found = opengl_probe.OpenGL()
        if own is not None:
            found = opengl_probe.OpenGL(own.opengl, own.drawing)
        return attrs.evolve(opengl_probe.with_opengl(other, found), nice=self.nice)

    def tested(self) -> tuple[blender.Blender, ...]:
        """Return the Blenders that work here, without those of the store."""
        return () if self.found is None else (self.found, *self.others)

    def builds(self) -> tuple[Build, ...]:
        """Return the builds in which units can be rendered, the node's own first."""
        own = [Build(version=b.version, build=b.build or None) for b in self.tested() if b.version]
        named = (*own, *self._stored_builds())
        return (*named, *self._earlier_builds(named))[:BUILDS_MAX]

    def _earlier_builds(self, named: Collection[Build]) -> tuple[Build, ...]:
        """Return builds of an earlier list, in which units may have begun, behind the present ones.

        The gateway sends no units for them.
        """
        if self.store is None:
            return ()
        lines, builds = {parse(one.version) for one in named}, {one.build for one in named}
        return tuple(
            Build(version=one.version, build=one.build)
            for one in self.store.tested()
            if parse(one.version) in lines and one.build not in builds
        )

    def _stored_builds(self) -> tuple[Build, ...]:
        """Return the builds of the store, installed or not."""
        store = self.store
        offered = () if store is None else store.offered()
        return tuple(
            Build(
                version=each.version,
                build=each.build,
                installed=None if store is None or store.has(each) else False,
            )
            for each in offered
        )

    @contextlib.asynccontextmanager
    async def lending(
        self, version: str, tell: Callable[[str], None], *, waits: bool
    ) -> AsyncGenerator[blender.Blender | Failed | None]:
        """Lend a unit the store's Blender of a version, from before it begins until it has ended.

        Yield None if the node has the version without the store, or lacks it. Yield why the unit
        cannot begin. ``tell`` is told before an installation. Unless ``waits``, the version is
        installed beside other work, and the unit is given back.
        """
        wanted, store = parse(version), self.store
        release = None if store is None else store.find(wanted)
        if store is None or release is None:
            yield None
        elif not waits and not store.has(release):
            store.prepare(release)
            error = f"Blender {text_of(wanted)} is being installed"
            yield Failed(failure=DECLINED, error=error, given_back=True)
        else:
            if not store.has(release):
                tell(f"installing Blender {text_of(wanted)}")
            async with store.lent(release) as lent:
                yield _not_installed(lent) if isinstance(lent, NotInstalled) else lent

    @contextlib.asynccontextmanager
    async def for_task(self, task: Task) -> "AsyncGenerator[RenderPlugin | Failed]":
        """Yield this plugin with the Blender that a unit needs, or why it cannot be had now.

        That is the one which the unit was lent. Otherwise the store lends it, and installs it if it
        is missing. It uses the OpenColorIO configuration that is among the inputs.
        """
        ocio = ocio_of(task)
        if isinstance(ocio, Failed):
            yield ocio
            return
        async with self._chosen(task) as found:
            if isinstance(found, Failed):
                yield found
            elif ocio is None and found is self.found:
                yield self
            else:
                yield attrs.evolve(self, found=attrs.evolve(found, ocio=ocio))

    @contextlib.asynccontextmanager
    async def _chosen(self, task: Task) -> AsyncGenerator[blender.Blender | Failed]:
        """Yield the Blender that a unit needs, or why it cannot be had now."""
        wanted = parse(task.blender)
        own = next((each for each in self.tested() if parse(each.version) == wanted), self.found)
        release = None if self.store is None else self.store.find(wanted)
        if task.lent is not None:
            yield task.lent
        elif own is not None and (wanted == UNKNOWN or parse(own.version) == wanted):
            yield own
        elif release is None or self.store is None:
            error = f"this node has no Blender {text_of(wanted)} now"
            yield Failed(failure=DECLINED, error=error, given_back=True)
        else:
            async with self.store.lent(release) as lent:
                yield _not_installed(lent) if isinstance(lent, NotInstalled) else lent

    async def warm(self) -> None:
        """Compile the shaders that most drawn scenes need, if this was not done before.

        With a store this goes on until cancelled, as each version that units use has its own.
        """
        for each in self.tested():
            await self._warm(each)
        while (store := self.store) is not None:
            store.ready.clear()
            for each in store.tested():  # not lent, as units must not wait for the space
                await self._warm(each)
            await store.ready.wait()

    async def _warm(self, found: blender.Blender) -> None:
        """Compile the shaders of one version."""
        if found.device is None and found.compiled is not None:
            with contextlib.suppress(OSError):
                self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder = Path(tempfile.mkdtemp(prefix="warm-", dir=self.scratch))
                await opengl_probe.warm(found, folder, found.compiled)

    async def run(self, task: Task) -> Result:
        """Render the frames with a resident Blender. If a frame fails, that Blender is ended."""
        order = order_for(task)
        if isinstance(order, Failed):
            return order
        async with self.for_task(task) as render:
            if isinstance(render, Failed):
                return render
            if task.blender and render.found is not None:
                task.log(f"Blender {render.found.version}, build {render.found.build}\n")
            return await render._rendered(order, task)

    async def _rendered(self, order: Mapping[str, Any], task: Task) -> Result:
        assert self.found is not None, "why_not() finds Blender before the node offers this plugin"
        same = BlenderKey(task.job_id, task.content, task.threads, self.found.build)
        work = task.folder / "in"
        async with self.residents.lent(
            same, self.found, work, self.runtime_seconds_max
        ) as resident:
            frames = len(order.get("frames", (None,)))
            progress = RenderProgress(task=task, out=resident.out, frames=frames)
            with ticking(progress):
                ending = await resident.obey(order, progress.hear, progress.overhear)
            await asyncio.to_thread(hand_over, resident.out, task.folder / "out")
        if progress.too_many_files:
            return Failed(failure="scene", error=TOO_MANY_FILES, detail=ending.tail)
        result = await asyncio.to_thread(result_of, ending, task.folder, progress.files)
        if isinstance(result, Failed):
            return result
        return attrs.evolve(result, renderer=self.found.program)

    async def obey(
        self, order: Mapping[str, Any], task: Task, progress: "RenderProgress"
    ) -> ProcessExit:
        """Run one order in a separate sandboxed worker, and wait until the worker has ended."""
        assert self.found is not None, "why_not() finds Blender before the node offers this plugin"
        self.found.box.prepare(task.folder)
        with ticking(progress):
            return await self.found.obey(
                order,
                task.folder,
                threads=task.threads,
                within=self.runtime_seconds_max,
                hear=progress.hear,
                overhear=progress.overhear,
            )


def _not_installed(found: NotInstalled) -> Failed:
    """Return the failure of a unit whose version of Blender cannot be installed."""
    return Failed(failure=DECLINED, error=found.reason[:500], given_back=True)


@attrs.define
class ProgressEstimate:
    """Estimate of a frame's progress between two reports of Blender. The estimate never decreases.

    Cycles renders samples in batches and reports after each batch, on a slow machine once a minute.
    Between reports, Blender's estimate of the remaining time is used for interpolation. The
    interpolation slows down, and therefore never reaches the end before Blender does. Times are
    seconds of the same clock.
    """

    told: float = 0.0
    _share: float = 0.0
    _at: float = 0.0
    _remaining: float = 0.0

    def hear(self, share: float, remaining: float | None, now: float) -> None:
        """Take a report of Blender: the ``share`` that is done, and the ``remaining`` seconds."""
        self._share, self._at, self._remaining = share, now, remaining or 0.0

    def share(self, now: float) -> float:
        """Return the estimated share of the frame that is done, 0 to 1."""
        gone = 0.0
        if self._remaining > 0:
            gone = 1 - math.exp(-PACE * (now - self._at) / self._remaining)
        self.told = max(self.told, self._share + (1 - self._share) * gone)
        return self.told


@attrs.define
class RenderProgress:
    """Progress of a unit: Blender's reports, and an estimate every second in between.

    ``files``: the names of written files in the folder ``out``. A scene can forge the worker's
    messages, so the number of files is limited to FILES_OF_A_FRAME for each of ``frames`` frames.
    """

    task: Task
    frames: int = 1
    out: Path = attrs.field(
        default=attrs.Factory(lambda self: self.task.folder / "out", takes_self=True)
    )
    estimate: ProgressEstimate = attrs.field(factory=ProgressEstimate)
    detail: str = ""
    files: list[str] = attrs.field(factory=list[str])
    too_many_files: bool = False

    def hear(self, line: Mapping[str, Any]) -> None:
        """Handle one message from the worker."""
        if line.get("event") == "frame":
            self._hear_of_files(line)
        share, left = line.get("progress"), line.get("remaining")
        if line.get("event") != "progress" or not isinstance(share, (int, float)):
            return
        self.detail = str(line.get("detail", ""))
        remaining = float(left) if isinstance(left, (int, float)) else None
        self.estimate.hear(float(share), remaining, time.monotonic())
        self.report()

    def _hear_of_files(self, line: Mapping[str, Any]) -> None:
        written = [str(line[name])[:NAME_MAX] for name in FILES_OF_A_FRAME if name in line]
        if len(self.files) + len(written) > self.frames * len(FILES_OF_A_FRAME):
            self.too_many_files = True
            return
        self.files += written
        show(self.task, line, self.out)

    def overhear(self, said: bytes) -> None:
        """Pass Blender's output to the log."""
        self.task.log(said.decode("utf-8", "replace"))

    async def tick(self) -> None:
        """Report an estimate every second until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.report()

    def report(self) -> None:
        """Report the progress if it is above 0."""
        if (share := self.estimate.share(time.monotonic())) > 0:
            self.task.report(share, self.detail)


@contextlib.contextmanager
def ticking(progress: RenderProgress) -> Generator[None]:
    """Report an estimate every second inside this context."""
    ticker = asyncio.ensure_future(progress.tick())
    try:
        yield
    finally:
        ticker.cancel()


def hand_over(written: Path, out: Path) -> None:
    """Move the files from a worker's folder to the unit's folder."""
    out.mkdir(mode=0o755, exist_ok=True)
    with os.scandir(written) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.rename(entry.path, out / entry.name)  # noqa: PTH104 - names of any bytes
    empty(written)


def show(task: Task, line: Mapping[str, Any], out: Path) -> None:
    """Send the preview picture in the folder ``out`` that the worker's message names, if any."""
    name, frame = str(line.get("thumbnail")), line.get("frame")
    if not _THUMBNAIL.fullmatch(name) or not isinstance(frame, int):
        return
    with contextlib.suppress(NotARegularFile), open_plain(out / name) as file:
        task.preview(file.read(PREVIEW_BYTES_MAX + 1), frame)


def order_for(task: Task) -> Mapping[str, Any] | Failed:
    """Return the worker's order for a unit, or why the unit is invalid."""
    order = order_of(task.params)
    scene = scene_of(task)
    if isinstance(order, Failed):
        return order
    if isinstance(scene, Failed):
        return scene
    full = {**order, "do": "render", "scene": scene, "thumbnails": True, **addons_of(task)}
    if full.pop("evidence", False):
        full["do"] = "prove"
    if PATHS in task.inputs:
        full["paths"] = PATHS
    if "tiles" not in order:
        return full
    tiles = placed_tiles(order["tiles"], task)
    return tiles if isinstance(tiles, Failed) else {**full, "do": "finish", "tiles": tiles}


def result_of(ending: ProcessExit, folder: Path, files: list[str] | None = None) -> Result:
    """Return a unit's result after the worker's exit.

    ``files``: the file names that the worker reported. A single picture is the result itself, and
    may have evidence. Several files become a zip.
    """
    last = ending.last
    if (excess := ending.excess or ran_out(ending)) is not None:
        words, lacks = excess.reason, excess.lacks
        return Failed(failure=excess.failure, error=words, detail=ending.tail, lacks=lacks)
    if last.get("event") == "failed":
        failure = "scene" if last.get("failure") == "scene" else "node"
        error, lacks = str(last.get("error"))[:500], last.get("lacks")
        lacks = lacks if lacks in LACKS else None
        return Failed(failure=failure, error=error, detail=ending.tail, lacks=lacks)
    names = [str(last.get("file"))] if not files or len(files) == 1 else files
    if last.get("event") != "done" or not all(map(_PICTURE.fullmatch, names)):
        return Failed(failure="node", error=how_it_died(ending), detail=ending.tail)
    work = {name: last[name] for name in _WORK if last.get(name) is not None}
    proofs = [name for name in names if name.endswith(EVIDENCE)]
    if len(names) - len(proofs) == 1 and len(proofs) <= 1:
        pictures = [name for name in names if name not in proofs]
        proof = folder / "out" / proofs[0] if proofs else None
        made = folder / "out" / pictures[0]
        return Completed(file=made, evidence=proof, work=work, vram=ending.vram)
    try:
        made = frame_zips.pack(folder / "out", names)
        return Completed(file=made, work=work, vram=ending.vram)
    except NotARegularFile as fault:
        return Failed(failure="node", error="a frame cannot be read", detail=str(fault))


def ran_out(ending: ProcessExit) -> LimitExceeded | None:
    """Return an exceeded memory limit if Blender failed for lack of memory; otherwise None."""
    told = f"{ending.last.get('error', '')}\n{ending.tail}"
    if ending.last.get("event") != "done" and _NO_VRAM.search(told):
        return out_of_vram(None)
    if ending.last.get("event") == "done" or not _NO_MEMORY.search(told):
        return None
    return LimitExceeded("the scene needs more memory than this node has", MACHINES, MEMORY)


def how_it_died(ending: ProcessExit) -> str:
    """Return how Blender ended without a picture, in words."""
    if ending.code is None:
        return "Blender was stopped: the frame took longer than this node allows"
    if ending.signal_name is not None:
        return f"Blender was killed by {ending.signal_name}"
    return f"Blender exited with code {ending.code} without a picture"
