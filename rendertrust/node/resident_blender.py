"""Resident Blender processes, each of which renders several units of one job.

Blender often takes longer to start than to render a frame, so units of one job with equal inputs
share a process. Each unit opens the scene again, which undoes the changes of the previous unit. The
process has a folder with the job's inputs. A process ends when a unit fails, or leaves a process or
much data behind. A process also ends when no further unit comes.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from rendertrust.node.blender import Blender
from rendertrust.node.child_process import TAIL_BYTES_MAX, ProcessExit
from rendertrust.node.driver_cache import JobCaches
from rendertrust.node.resource_monitor import family, held_bytes, written_bytes
from rendertrust.node.rmtree import clear

LIFE_SECONDS: Final = 1800.0  # an older process gets no new orders, to bound memory leaks
REST_SECONDS: Final = 4.0
RESETTING_SECONDS: Final = 20.0
LEFT_BYTES_MAX: Final = 512 * 2**20  # maximum number of bytes that units leave in memory or on disk
OVER: Final = ("done", "failed")
RESTING: Final = "resting"
Hear = Callable[[Mapping[str, Any]], None]
Overhear = Callable[[bytes], None]


def _unheard(_: object) -> None:
    """Ignore output between two orders."""


@attrs.frozen
class BlenderKey:
    """Properties that units must have in common to share a Blender.

    These are the job, the inputs' hash, the threads, and the build of Blender.
    """

    job_id: str
    content: str
    threads: int
    build: str = ""


@attrs.define(eq=False)
class ResidentBlender:
    """A worker in its sandbox with its folder. An order may take ``within`` seconds.

    ``leave`` gets the home folder when the worker has ended.

    ``is_well``: the last order succeeded and left no process behind, so the worker may get another
    order.
    """

    blender: Blender
    folder: Path
    threads: int
    within: float
    leave: Callable[[Path], None] = _unheard
    is_well: bool = False
    _hear: Hear = _unheard
    _overhear: Overhear = _unheard
    _last: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    _tail: bytearray = attrs.field(factory=bytearray)
    _vram: int | None = None  # the most graphics memory since the order was given
    _over: asyncio.Event = attrs.field(factory=asyncio.Event)
    _resting: asyncio.Event = attrs.field(factory=asyncio.Event)
    _orders: int = attrs.field(init=False)
    _pid: int = 0
    _processes: int = 0  # number of processes before the first order, with the sandbox's processes
    _held: int = 0  # bytes of memory before the first order
    _life: "asyncio.Task[ProcessExit]" = attrs.field(init=False)
    _old_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._old_at = loop.time() + LIFE_SECONDS
        theirs, self._orders = os.pipe()
        self._life = loop.create_task(self._live(theirs))

    @property
    def out(self) -> Path:
        """Return the folder that the worker writes to."""
        return self.folder / "out"

    async def obey(self, order: Mapping[str, Any], hear: Hear, overhear: Overhear) -> ProcessExit:
        """Run one order, as ``Blender.obey`` does. Raises OSError if the worker could not start."""
        self._hear, self._overhear = hear, overhear
        self._last, self._tail, self.is_well = {}, bytearray(), False
        self._vram = None
        self._over.clear()
        self._resting.clear()
        try:
            async with asyncio.timeout(self.within):
                await asyncio.to_thread(self._say, order)
                await self._until(self._over)
            return await asyncio.to_thread(self._ended)
        except TimeoutError:
            return self._told(ProcessExit(code=None, last={}, tail=""))
        finally:
            self._hear = self._overhear = _unheard

    async def is_ready(self) -> bool:
        """Wait until the worker has closed the scene; return True if it can take another order."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESETTING_SECONDS):
                await self._until(self._resting)
                # The worker may have died since. Only an answer to a new message shows that it
                # lives.
                self._resting.clear()
                await asyncio.to_thread(self._say, {})
                await self._until(self._resting)
        is_old = asyncio.get_running_loop().time() >= self._old_at
        if is_old or not self._resting.is_set():
            return False
        return await asyncio.to_thread(self._left_bytes) <= LEFT_BYTES_MAX

    async def end(self) -> None:
        """End the worker, and remove its folder."""
        self._life.cancel()
        await asyncio.wait({self._life})
        await asyncio.to_thread(self.leave, self.folder / "home")
        await asyncio.to_thread(clear, self.folder)

    async def _live(self, orders: int) -> ProcessExit:
        """Run the process until it ends or is cancelled."""
        try:
            return await self.blender.obey(
                {},
                self.folder,
                threads=self.threads,
                within=self.within + LIFE_SECONDS,
                hear=self._take,
                overhear=self._keep,
                orders=orders,
                started=self._started,
                measured=self._measured,
            )
        finally:
            os.close(self._orders)

    def _started(self, pid: int) -> None:
        self._pid = pid

    def _measured(self, vram: int) -> None:
        self._vram = max(self._vram or 0, vram)

    async def _until(self, said: asyncio.Event) -> None:
        """Wait for the event, or for the end of the process."""
        waiting = asyncio.ensure_future(said.wait())
        try:
            await asyncio.wait({waiting, self._life}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def _say(self, order: Mapping[str, Any]) -> None:
        line = orjson.dumps(self.blender.said(order, self.folder, self.threads)) + b"\n"
        with contextlib.suppress(OSError):  # if the process has ended, its exit says why
            while line:
                line = line[os.write(self._orders, line) :]

    def _take(self, line: Mapping[str, Any]) -> None:
        if line.get("event") == RESTING:
            self._look()
            self._resting.set()
            return
        self._last = line
        self._hear(line)
        if line.get("event") in OVER:
            self._over.set()

    def _look(self) -> None:
        """Measure the process once, before its first order."""
        if not self._processes:
            processes = family(self._pid)
            self._processes, self._held = len(processes), held_bytes(processes)

    def _left_bytes(self) -> int:
        """Return the larger number of bytes that earlier units have left: in memory or on disk."""
        return max(held_bytes(family(self._pid)) - self._held, written_bytes(self.folder))

    def _keep(self, said: bytes) -> None:
        self._overhear(said)
        self._tail += said
        del self._tail[:-TAIL_BYTES_MAX]

    def _ended(self) -> ProcessExit:
        if self._life.done():
            return self._told(self._life.result())
        is_alone = len(family(self._pid)) <= self._processes
        self.is_well = is_alone and self._last.get("event") == "done"
        return self._told(ProcessExit(code=0, last={}, tail=""))

    def _told(self, ending: ProcessExit) -> ProcessExit:
        """Return the process's exit with the output since the order was given."""
        tail = self._tail.decode("utf-8", "replace")
        return attrs.evolve(ending, last=self._last, tail=tail, vram=self._vram)


@attrs.define(eq=False)
class ResidentBlenders:
    """Pool of the node's Blenders that wait for another unit, in folders below ``scratch``.

    ``compiled``: what drivers compiled for the last few jobs, also in a folder below ``scratch``.
    """

    scratch: Path
    rest_seconds: float = REST_SECONDS
    compiled: JobCaches = attrs.field(
        default=attrs.Factory(lambda self: JobCaches(self.scratch / "compiled"), takes_self=True)
    )
    _waiting: dict[ResidentBlender, tuple[BlenderKey, asyncio.TimerHandle]] = attrs.field(
        factory=dict
    )
    _ends: "set[asyncio.Task[None]]" = attrs.field(factory=set)

    @contextlib.asynccontextmanager
    async def lent(
        self, same: BlenderKey, blender: Blender, inputs: Path, within: float
    ) -> AsyncGenerator[ResidentBlender]:
        """Lend a Blender to a unit whose inputs are in ``inputs``.

        If a new Blender is started, the inputs move to its folder. After the unit, Blender waits
        for the next unit, or ends if it is not well.
        """
        resident = await self._waiting_for(same)
        if resident is None:
            folder = await asyncio.to_thread(self._moved, inputs, blender, same.job_id)
            leave = partial(self.compiled.keep, same.job_id, kind=blender.cache_kind)
            resident = ResidentBlender(blender, folder, same.threads, within, leave)
        try:
            yield resident
        finally:
            if resident.is_well and same.content:
                self._let_wait(resident, same)
            else:
                await resident.end()

    async def end(self) -> None:
        """End the waiting Blenders."""
        for resident in list(self._waiting):
            self._let_go(resident)
        await asyncio.gather(*self._ends)

    async def _waiting_for(self, same: BlenderKey) -> ResidentBlender | None:
        """Return a waiting Blender for this key, if any.

        End waiting Blenders of other keys to free memory.
        """
        for resident, (theirs, _) in list(self._waiting.items()):
            if not self._taken(resident):
                continue  # another slot took this Blender
            is_ready = False
            try:
                is_ready = theirs == same and await resident.is_ready()
            finally:  # also after cancellation, because the Blender is no longer in the pool
                if not is_ready:
                    await resident.end()
            if is_ready:
                return resident
        return None

    def _taken(self, resident: ResidentBlender) -> bool:
        waiting = self._waiting.pop(resident, None)
        if waiting is not None:
            waiting[1].cancel()
        return waiting is not None

    def _moved(self, inputs: Path, blender: Blender, job: str) -> Path:
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="blender-", dir=self.scratch))
        inputs.rename(folder / "in")
        blender.box.prepare(folder)
        self.compiled.give(job, folder / "home", blender.cache_kind)
        return folder

    def _let_wait(self, resident: ResidentBlender, same: BlenderKey) -> None:
        loop = asyncio.get_running_loop()
        over = loop.call_later(self.rest_seconds, self._let_go, resident)
        self._waiting[resident] = same, over

    def _let_go(self, resident: ResidentBlender) -> None:
        if self._taken(resident):
            end = asyncio.ensure_future(resident.end())
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)
