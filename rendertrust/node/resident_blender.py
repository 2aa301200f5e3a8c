"""One Blender for a job: it stays, and renders one unit after another.

A Blender takes longer to start than many a frame to render. Units share one that are of one job,
and have the same inputs; each opens the scene anew, so what the one before did is gone. It has a
folder of its own, with the job's inputs, emptied of what was written between two units. One that
failed, that left a process or much else behind, or that nothing more came for, is ended.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from rendertrust.node.blender import Blender
from rendertrust.node.child_process import TAIL_BYTES_MAX, ProcessExit
from rendertrust.node.resource_monitor import family, held_bytes, written_bytes
from rendertrust.node.rmtree import clear

LIFE_SECONDS: Final = 1800.0  # no order after it: what Blender leaks grows no further
REST_SECONDS: Final = 4.0
RESETTING_SECONDS: Final = 20.0
LEFT_BYTES_MAX: Final = 512 * 2**20  # in memory, or on disk: a unit has its bounds for itself
OVER: Final = ("done", "failed")
RESTING: Final = "resting"
Hear = Callable[[Mapping[str, Any]], None]
Overhear = Callable[[bytes], None]


def _unheard(_: object) -> None:
    """Between two orders nobody listens."""


@attrs.frozen
class BlenderKey:
    """What units have alike that one Blender may render: the job, its inputs (as a hash), and the
    threads that it may use.
    """

    job_id: str
    content: str
    threads: int


@attrs.define(eq=False)
class ResidentBlender:
    """A worker in its sandbox, in a folder of its own, which obeys an order for ``within`` seconds.

    ``is_well``: its last order ended well, it is alone, and it may be given another.
    """

    blender: Blender
    folder: Path
    threads: int
    within: float
    is_well: bool = False
    _hear: Hear = _unheard
    _overhear: Overhear = _unheard
    _last: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    _tail: bytearray = attrs.field(factory=bytearray)
    _over: asyncio.Event = attrs.field(factory=asyncio.Event)
    _resting: asyncio.Event = attrs.field(factory=asyncio.Event)
    _orders: int = attrs.field(init=False)
    _pid: int = 0
    _processes: int = 0  # its own, and the sandbox's around it
    _held: int = 0  # bytes, before its first order
    _life: "asyncio.Task[ProcessExit]" = attrs.field(init=False)
    _old_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._old_at = loop.time() + LIFE_SECONDS
        theirs, self._orders = os.pipe()
        self._life = loop.create_task(self._live(theirs))

    @property
    def out(self) -> Path:
        """Where it writes."""
        return self.folder / "out"

    async def obey(self, order: Mapping[str, Any], hear: Hear, overhear: Overhear) -> ProcessExit:
        """Carry out one order, as ``Blender.obey`` does. Raises OSError if it could not start."""
        self._hear, self._overhear = hear, overhear
        self._last, self._tail, self.is_well = {}, bytearray(), False
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
        """Whether it takes another order, once it has done away with the last scene."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESETTING_SECONDS):
                await self._until(self._resting)
                # It may have died since, which is not seen at once.
                self._resting.clear()
                await asyncio.to_thread(self._say, {})
                await self._until(self._resting)
        is_old = asyncio.get_running_loop().time() >= self._old_at
        if is_old or not self._resting.is_set():
            return False
        return await asyncio.to_thread(self._left_bytes) <= LEFT_BYTES_MAX

    async def end(self) -> None:
        """End it, and remove its folder."""
        self._life.cancel()
        await asyncio.wait({self._life})
        await asyncio.to_thread(clear, self.folder)

    async def _live(self, orders: int) -> ProcessExit:
        """Its whole life; by then it has ended, cancelled too."""
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
            )
        finally:
            os.close(self._orders)

    def _started(self, pid: int) -> None:
        self._pid = pid

    async def _until(self, said: asyncio.Event) -> None:
        """Until that is said, or it has ended."""
        waiting = asyncio.ensure_future(said.wait())
        try:
            await asyncio.wait({waiting, self._life}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def _say(self, order: Mapping[str, Any]) -> None:
        line = orjson.dumps(self.blender.said(order, self.folder, self.threads)) + b"\n"
        with contextlib.suppress(OSError):  # it has ended, and that says why
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
        """What it is by itself, before it has obeyed anything."""
        if not self._processes:
            processes = family(self._pid)
            self._processes, self._held = len(processes), held_bytes(processes)

    def _left_bytes(self) -> int:
        """What units before left of theirs."""
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
        """The end of an order: what was said since it was given."""
        tail = self._tail.decode("utf-8", "replace")
        return attrs.evolve(ending, last=self._last, tail=tail)


@attrs.define(eq=False)
class ResidentBlenders:
    """The Blenders of this node that wait for another unit of their job, below ``scratch``."""

    scratch: Path
    rest_seconds: float = REST_SECONDS
    _waiting: dict[ResidentBlender, tuple[BlenderKey, asyncio.TimerHandle]] = attrs.field(
        factory=dict
    )
    _ends: "set[asyncio.Task[None]]" = attrs.field(factory=set)

    @contextlib.asynccontextmanager
    async def lent(
        self, same: BlenderKey, blender: Blender, inputs: Path, within: float
    ) -> AsyncGenerator[ResidentBlender]:
        """One for a unit whose inputs lie in ``inputs``; they are moved to it if it is new. Given
        back, it waits for the next, or is ended if it is not well.
        """
        standing = await self._waiting_for(same)
        if standing is None:
            folder = await asyncio.to_thread(self._moved, inputs, blender)
            standing = ResidentBlender(blender, folder, same.threads, within)
        try:
            yield standing
        finally:
            if standing.is_well and same.content:
                self._let_wait(standing, same)
            else:
                await standing.end()

    async def end(self) -> None:
        """End those that wait."""
        for standing in list(self._waiting):
            self._let_go(standing)
        await asyncio.gather(*self._ends)

    async def _waiting_for(self, same: BlenderKey) -> ResidentBlender | None:
        """One that may render it, if there is one. Those of other jobs are ended, for the memory
        that they hold.
        """
        for standing, (theirs, _) in list(self._waiting.items()):
            if not self._taken(standing):
                continue  # by another slot meanwhile
            is_ready = False
            try:
                is_ready = theirs == same and await standing.is_ready()
            finally:  # cancelled too: it waits for nobody any more
                if not is_ready:
                    await standing.end()
            if is_ready:
                return standing
        return None

    def _taken(self, standing: ResidentBlender) -> bool:
        waiting = self._waiting.pop(standing, None)
        if waiting is not None:
            waiting[1].cancel()
        return waiting is not None

    def _moved(self, inputs: Path, blender: Blender) -> Path:
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="blender-", dir=self.scratch))
        inputs.rename(folder / "in")
        blender.box.prepare(folder)
        return folder

    def _let_wait(self, standing: ResidentBlender, same: BlenderKey) -> None:
        loop = asyncio.get_running_loop()
        over = loop.call_later(self.rest_seconds, self._let_go, standing)
        self._waiting[standing] = same, over

    def _let_go(self, standing: ResidentBlender) -> None:
        if self._taken(standing):
            end = asyncio.ensure_future(standing.end())
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)
