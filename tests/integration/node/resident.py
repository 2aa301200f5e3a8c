"""One resident Blender in its sandbox that carries out the orders of all tests of a process.

A worker takes longer to start than most tests take to render. The worker is the node's own
(``rendertrust.node.resident_blender``), but takes orders of any job and is replaced after an order
fails. The worker runs on a separate thread, because each test has its own event loop.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import attrs

from rendertrust.node.blender import Blender
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugins.render import RenderPlugin, hand_over
from rendertrust.node.resident_blender import (
    BlenderKey,
    Hear,
    Overhear,
    ResidentBlender,
    ResidentBlenders,
)
from rendertrust.node.rmtree import empty
from rendertrust.node.sandbox import DELIVERED

WITHIN = 240.0
T = TypeVar("T")


class Host:
    """Thread with an event loop on which the worker lives; it carries out one order at a time."""

    def __init__(self, found: Blender) -> None:
        self._found = found
        self._resident: ResidentBlender | None = None
        self._turn = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @contextlib.asynccontextmanager
    async def lent(self, work: Path, threads: int, within: float) -> AsyncGenerator["Borrowed"]:
        """Lend the worker for one order on the inputs in a work folder."""
        await self._there(self._turn.acquire())
        try:
            resident = await self._there(self._ready(work))
            resident.threads, resident.within = threads, within
            try:
                yield Borrowed(self, resident)
            finally:
                if not resident.is_well:
                    await self._there(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._turn.release)

    async def obey(
        self, resident: ResidentBlender, order: Mapping[str, Any], hear: Hear, overhear: Overhear
    ) -> ProcessExit:
        """Carry out one order; the callbacks run on the caller's loop."""
        loop = asyncio.get_running_loop()

        def heard(line: Mapping[str, Any]) -> None:
            loop.call_soon_threadsafe(hear, line)

        def overheard(said: bytes) -> None:
            loop.call_soon_threadsafe(overhear, said)

        return await self._there(resident.obey(order, heard, overheard))

    def close(self) -> None:
        """End the worker and the thread."""
        for last in (self._end(), self._loop.shutdown_default_executor()):
            asyncio.run_coroutine_threadsafe(last, self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _ready(self, work: Path) -> ResidentBlender:
        """Return the worker with the inputs laid out for it; start one if needed."""
        if self._resident is not None and not await self._resident.is_ready():
            await self._end()
        if self._resident is None:
            folder = Path(tempfile.mkdtemp(prefix="resident-"))
            (folder / DELIVERED).mkdir()
            self._found.box.prepare(folder)
            self._resident = ResidentBlender(self._found, folder, threads=2, within=WITHIN)
        for part in ("in", DELIVERED):
            _lay_out(work / part, self._resident.folder / part)
        return self._resident

    async def _end(self) -> None:
        resident, self._resident = self._resident, None
        if resident is not None:
            await resident.end()


@attrs.frozen
class Borrowed:
    """The worker while it is lent: a ``ResidentBlender`` that can be used from another event
    loop.
    """

    host: Host
    resident: ResidentBlender

    @property
    def out(self) -> Path:
        """Folder into which the worker writes."""
        return self.resident.out

    async def obey(self, order: Mapping[str, Any], hear: Hear, overhear: Overhear) -> ProcessExit:
        """Carry out one order."""
        return await self.host.obey(self.resident, order, hear, overhear)


@attrs.frozen(kw_only=True)
class Resident(Blender):
    """A Blender that sends every order to the resident worker."""

    host: Host

    async def obey(
        self,
        order: Mapping[str, Any],
        folder: Path,
        *,
        threads: int = 1,
        within: float,
        hear: Hear,
        overhear: Overhear = lambda _: None,
        orders: int | None = None,
        started: Callable[[int], None] = lambda _: None,
        measured: Callable[[int], None] = lambda _: None,
    ) -> ProcessExit:
        """Carry out one order in the work folder."""
        assert orders is None, "only its residents start a Blender for several orders"
        out = folder / "out"
        async with self.host.lent(folder, threads, within) as worker:
            kept = out.rename(folder / "kept")
            out.symlink_to(worker.out)  # files that the worker reports must be visible here at once
            try:
                return await worker.obey(order, hear, overhear)
            finally:
                out.unlink()
                kept.rename(out)
                await asyncio.to_thread(hand_over, worker.out, out)

    def render(self, scratch: Path) -> RenderPlugin:
        """Return a render plugin that uses this Blender."""
        return RenderPlugin(scratch=scratch, found=self, residents=Lending(scratch, host=self.host))


@attrs.define(eq=False)
class Lending(ResidentBlenders):
    """Lends the resident worker to units of any job."""

    host: Host = attrs.field(kw_only=True)

    @contextlib.asynccontextmanager
    async def lent(
        self, same: BlenderKey, blender: Blender, inputs: Path, within: float
    ) -> AsyncGenerator[ResidentBlender]:
        """Lend the worker with its inputs laid out."""
        async with self.host.lent(inputs.parent, same.threads, within) as borrowed:
            yield cast("ResidentBlender", borrowed)


def _lay_out(files: Path, place: Path) -> None:
    """Replace the worker's files with hard links to those of one order."""
    empty(place)
    if files.is_dir():
        shutil.copytree(files, place, copy_function=os.link, dirs_exist_ok=True)


@contextlib.contextmanager
def resident(found: Blender) -> Generator[Resident]:
    """Yield a Blender that stays until the block ends."""
    host = Host(found)
    try:
        yield Resident(**attrs.asdict(found, recurse=False), host=host)
    finally:
        host.close()
