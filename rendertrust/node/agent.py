"""The agent: one process that keeps a node connected and its units running.

How it ends: drained (all done and acked), stopped by SIGTERM or SIGINT, replaced by another
connection of the same node, or refused by the gateway. When stopped, what runs is given back at
once as failed, class ``network``: nobody's fault, so it costs no reputation and this node may get
it again; a gateway that cannot be told finds out by the lease. A second signal does not wait.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from rendertrust import __version__
from rendertrust.node import heartbeat, machine, plugins
from rendertrust.node.cache import Cache
from rendertrust.node.connection import Connection
from rendertrust.node.enrolment import Login
from rendertrust.node.health import HealthPage
from rendertrust.node.plugin import Failed
from rendertrust.node.settings import Settings
from rendertrust.node.slots import Slots
from rendertrust.node.spool import Spool
from rendertrust.node.state import Enrolment, StateFolder
from rendertrust.node.status import NotJoined, Status, status
from rendertrust.node.unit import ref_of
from rendertrust.node.uploader import Uploader
from rendertrust.protocol import (
    Ack,
    Drain,
    FromGateway,
    Hello,
    JobCancel,
    JobDispatch,
    JobPause,
    JobStatus,
    Running,
    TokenRenewal,
    Urls,
    Welcome,
)

__all__ = ["Agent", "Ended", "NotJoined", "Status", "run", "status"]

STOPPED: Final = Failed(failure="network", error="the node was stopped; the unit is given back")
DRAINING: Final = Failed(failure="network", error="the node is draining; the unit is given back")
TELL_SECONDS: Final = 1.0


@attrs.frozen(kw_only=True)
class Ended:
    """Why the agent ended; ``ok`` is False when somebody must act before it can run again."""

    reason: str
    ok: bool


async def run(
    state: Path | None = None,
    *,
    settings: Settings | None = None,
    narrator: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Ended:
    """Run the agent until it ends; ``stop`` does what SIGTERM does."""
    folder = StateFolder(state) if state else StateFolder()
    enrolment = folder.enrolment()
    if enrolment is None:
        return Ended(reason=NotJoined().reason, ok=False)
    lock = folder.lock()
    if lock is None:
        return Ended(reason=f"another agent runs on {folder.path}", ok=False)
    narrate = narrator or _silence
    chosen = settings or Settings()
    try:
        narrate("trying out what this machine can do")
        offer = await plugins.offer(folder, chosen)
        async with aiohttp.ClientSession() as session:
            agent = Agent(
                folder,
                enrolment,
                settings=chosen,
                offer=offer,
                session=session,
                narrate=narrate,
            )
            return await agent.run(stop or asyncio.Event())
    finally:
        os.close(lock)


class Agent:
    """The parts of one run, and the way of frames between them."""

    def __init__(
        self,
        folder: StateFolder,
        enrolment: Enrolment,
        *,
        settings: Settings,
        offer: plugins.Offer,
        session: aiohttp.ClientSession,
        narrate: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._offer = offer
        self._narrate = narrate
        self._started = time.monotonic()
        shutil.rmtree(folder.work, ignore_errors=True)  # what an agent that was killed left
        self._health_port: int | None = None
        self._is_draining = False
        self._changed = asyncio.Event()
        self._leased = asyncio.Event()  # a unit came, perhaps with a shorter lease
        self._renew_seconds = settings.lease_seconds
        self._spool = Spool(folder.spool)
        self._cache = Cache(folder.cache, settings.cache_bytes_max, session)
        self._login = Login(folder, enrolment, session, tuple(sorted(offer.plugins)))
        self._connection = Connection(
            self._login, settings, on_open=self._greet, on_frame=self._take, narrate=narrate
        )
        self._uploader = Uploader(
            self._spool, session, settings, send=self._connection.send, narrate=narrate
        )
        self._slots: Slots

    async def run(self, stop: asyncio.Event) -> Ended:
        """Until one of the ends; leaves no task, process or port behind."""
        health = HealthPage(self.snapshot)
        if self._settings.health_port is not None:
            self._health_port = await health.start(self._settings.health_port)
        try:
            with _signals(stop):
                return await self._run(stop)
        finally:
            self._folder.tell({**self.snapshot(), "connected": False})
            await health.stop()
            self._spool.close()

    async def _run(self, stop: asyncio.Event) -> Ended:
        async with asyncio.TaskGroup() as tasks:
            self._slots = self._make_slots(tasks)
            connection = tasks.create_task(self._connection.run())
            background = [
                connection,
                tasks.create_task(self._uploader.run()),
                tasks.create_task(self._renew_leases()),
                tasks.create_task(self._tell_state()),
                tasks.create_task(self._beat()),
            ]
            ended = await self._wait_for_end(stop, connection)
            if not connection.done():
                await self._give_back(stop)
            self._slots.stop(STOPPED)
            for task in background:
                task.cancel()
        return ended

    def _make_slots(self, tasks: asyncio.TaskGroup) -> Slots:
        return Slots(
            tasks,
            self._offer.plugins,
            spool=self._spool,
            cache=self._cache,
            settings=self._settings,
            work=self._folder.work,
            send=self._connection.send,
            on_spooled=self._on_spooled,
            narrate=self._narrate,
        )

    async def _wait_for_end(self, stop: asyncio.Event, connection: asyncio.Task[str]) -> Ended:
        stopped = asyncio.ensure_future(stop.wait())
        drained = asyncio.ensure_future(self._drained())
        try:
            await asyncio.wait((stopped, drained, connection), return_when=asyncio.FIRST_COMPLETED)
            if connection.done():
                return Ended(reason=connection.result(), ok=False)
            return Ended(reason="drained" if drained.done() else "stopped", ok=True)
        finally:
            stopped.cancel()
            drained.cancel()

    async def _drained(self) -> None:
        while not (self._is_draining and not self._slots.units and not self._spool.held()):
            self._changed.clear()
            await self._changed.wait()

    async def _give_back(self, stop: asyncio.Event) -> None:
        """End what runs and give the gateway a moment to hear of it; not on a second signal."""
        self._slots.stop(STOPPED)
        stop.clear()
        waits = (asyncio.ensure_future(self._settled()), asyncio.ensure_future(stop.wait()))
        try:
            await asyncio.wait(
                waits, timeout=self._settings.stop_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _settled(self) -> None:
        while self._slots.units or (self._connection.is_open and self._spool.ready()):
            self._changed.clear()
            await self._changed.wait()
        await self._connection.flush()

    def snapshot(self) -> Mapping[str, Any]:
        """What the health page and ``status`` show."""
        enrolment = self._login.enrolment
        slots = getattr(self, "_slots", None)
        return {
            "status": "draining" if self._is_draining else "running",
            "node_id": enrolment.node_id,
            "name": enrolment.name,
            "gateway": enrolment.url,
            "connected": self._connection.is_open,
            "version": __version__,
            "pid": os.getpid(),
            "health_port": self._health_port,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "capabilities": sorted(self._offer.plugins),
            "not_offered": dict(self._offer.not_offered),
            "slots": self._settings.slots,
            "units": [_shown(unit.status()) for unit in slots.units.values()] if slots else [],
            "units_done": slots.done if slots else 0,
            "waiting_results": len(self._spool.held()),
        }

    # ---------------------------------------------------------------- frames

    def _greet(self) -> None:
        self._narrate(f"connected to {self._login.enrolment.url}")
        render = self._offer.render
        blender = render.found if render else None
        here = [*self._slots.units, *self._spool.held()]
        self._connection.send(
            Hello(
                version=__version__,
                slots=self._settings.slots,
                device_class=f"cpu/{machine.isa()}" + (f"/{blender.build}" if blender else ""),
                cores=machine.cores(),
                ram=machine.ram_bytes(),
                vram=0,
                blender=blender.version if blender else None,
                build=(blender.build or None) if blender else None,
                isa=machine.isa(),
                capabilities=tuple(sorted(self._offer.plugins)),
                running=tuple(dict.fromkeys(here))[:256],
            )
        )
        self._slots.tell()
        self._uploader.resend()

    async def _take(self, frame: FromGateway) -> None:
        if isinstance(frame, JobDispatch):
            self._dispatch(frame)
        elif isinstance(frame, JobCancel):
            self._slots.cancel(_ref(frame))
        elif isinstance(frame, Ack):
            self._spool.settle(_ref(frame))
            self._changed.set()
        elif isinstance(frame, Welcome):
            for dropped in frame.drop:
                self._slots.cancel(dropped)
        elif isinstance(frame, JobPause):
            self._slots.pause(frame.job_id)
        elif isinstance(frame, Urls):
            self._redirect(frame)
        elif isinstance(frame, TokenRenewal):
            await self._login.take(frame.token)
        else:
            self._drain(frame)

    def _dispatch(self, frame: JobDispatch) -> None:
        if self._is_draining and ref_of(frame) not in self._slots.units:
            self._slots.refuse(ref_of(frame), DRAINING)
        else:
            self._renew_seconds = renewal_seconds(frame, self._settings)
            self._leased.set()
            self._slots.accept(frame)

    def _redirect(self, frame: Urls) -> None:
        if frame.output is not None and self._spool.redirect(_ref(frame), frame.output):
            self._uploader.redirect(_ref(frame))

    def _drain(self, _: Drain) -> None:
        self._narrate("draining: what runs is finished, nothing new is taken")
        self._is_draining = True
        self._changed.set()

    def _on_spooled(self) -> None:
        self._uploader.wake()
        self._changed.set()

    # ---------------------------------------------------------------- background

    async def _renew_leases(self) -> None:
        """A task of its own; the workers run at a lower priority, so it is always in time."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._renew_seconds):
                    await self._leased.wait()
            self._leased.clear()
            self._slots.tell()
            for ref in self._uploader.uploading():
                self._connection.send(
                    JobStatus(
                        job_id=ref.job_id,
                        unit=ref.unit,
                        attempt=ref.attempt,
                        progress=1.0,
                        detail="uploading",
                    )
                )

    async def _tell_state(self) -> None:
        told: Mapping[str, Any] = {}
        while True:
            facts = dict(self.snapshot()) | {"uptime_seconds": None}
            if facts != told:
                self._folder.tell(facts)
                told = facts
            await asyncio.sleep(TELL_SECONDS)

    async def _beat(self) -> None:
        await heartbeat.keep_beating(
            self._login,
            self._settings.heartbeat_seconds,
            load=lambda: min(self._slots.busy / self._settings.slots, 1.0),
            metadata=lambda: {"cpu_load": round(machine.load(), 3), "version": __version__},
        )


def renewal_seconds(frame: JobDispatch, settings: Settings) -> float:
    """How often to speak of units: four times in the lease that the gateway gives to the newest."""
    given = frame.lease_seconds
    return settings.lease_seconds if given is None else min(settings.lease_seconds, given / 4)


def _silence(_: str) -> None:
    """Nobody listens."""


def _ref(frame: JobCancel | Ack | Urls) -> Running:
    return Running(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt)


def _shown(frame: JobStatus) -> Mapping[str, Any]:
    return attrs.asdict(frame, filter=lambda field, _: field.name != "status")


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Generator[None, None, None]:
    """SIGTERM and SIGINT set ``stop``, where this is the main thread of a system that has them."""
    loop = asyncio.get_running_loop()
    taken: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
