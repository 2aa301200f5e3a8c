"""One run of the agent: creates the agent's parts and passes relay frames to them."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any, Final

import aiohttp
import attrs

from rendertrust import __version__
from rendertrust.node import machine_facts, plugins
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.agent_snapshot import ACTIVE, AgentActivity, snapshot, told_of
from rendertrust.node.attester import attester
from rendertrust.node.automatic_update import AutomaticUpdate
from rendertrust.node.cache import Cache
from rendertrust.node.connection import Connection
from rendertrust.node.decline_reasons import DRAINING, RESTING, STOPPED
from rendertrust.node.enrolment import NodeLogin
from rendertrust.node.gateway_key_middleware import GatewayPin
from rendertrust.node.health_page import HealthPage
from rendertrust.node.hello import hello, pools_of
from rendertrust.node.plugin import Failed
from rendertrust.node.readiness import readiness_of
from rendertrust.node.renderer_list_updates import RendererListUpdates
from rendertrust.node.result_delivery import Uploader
from rendertrust.node.rmtree import clear
from rendertrust.node.slots import Slots
from rendertrust.node.spool import EVIDENCE, RESULT, Spool
from rendertrust.node.state_folder import Enrolment, StateFolder
from rendertrust.node.unit_run import ref_of
from rendertrust.node.update_notice import UpdateNotice
from rendertrust.protocol import (
    Ack,
    Drain,
    FromGateway,
    JobCancel,
    JobDispatch,
    JobStatus,
    NodeStanding,
    Running,
    TokenRenewal,
    Urls,
    Welcome,
)

TELL_SECONDS: Final = 1.0


@attrs.frozen(kw_only=True)
class AgentExit:
    """Reason why the agent ended; ``ok`` is True only after a drain or a stop.

    ``for_good``: a restart is useless until the operator acts. ``updates``: a newer program is
    prepared.
    """

    reason: str
    ok: bool
    for_good: bool = False
    updates: bool = False


_STOP: Final = AgentExit(reason="stopped", ok=True)
_DRAIN: Final = AgentExit(reason="drained", ok=True)
_UPDATE: Final = AgentExit(reason="changing to a newer program", ok=True, updates=True)
UPDATING: Final = "the node changes to a newer program"


class Agent:
    """One run of the agent. ``guard`` is the HTTP middleware of ``session``."""

    def __init__(
        self,
        folder: StateFolder,
        enrolment: Enrolment,
        *,
        settings: AgentSettings,
        offer: plugins.PluginOffer,
        session: aiohttp.ClientSession,
        guard: GatewayPin,
        narrate: Callable[[str], None],
        count: Callable[[str], None],
        updates: AutomaticUpdate | None = None,
    ) -> None:
        self._folder, self._count, self._updates = folder, count, updates
        self._settings = settings
        self._offer = offer
        self._narrate = narrate
        self._readiness = readiness_of(settings, folder)
        self._doing = AgentActivity(rest=self._readiness.why_not())
        clear(folder.work)  # work folders of an agent that was killed
        folder.forget_drain()
        self._changed = asyncio.Event()
        # set when a unit arrives, whose lease may be shorter than those of the other units
        self._leased = asyncio.Event()
        self._renew_seconds = settings.lease_seconds
        self._spool = Spool(folder.spool, on_fault=narrate)
        Cache.forget_parts(folder.cache)
        self._cache = Cache(folder.cache, settings.cache_bytes_max, session)
        self._login = NodeLogin(folder, enrolment, session, tuple(sorted(offer.plugins)))
        guard.look = self._login.check_gateway
        self._update = UpdateNotice(session, enrolment.url, narrate)
        self._connection = Connection(
            self._login,
            settings,
            on_return=self._refresh,
            on_open=self._greet,
            on_frame=self._take,
            narrate=narrate,
        )
        self._uploader = Uploader(
            self._spool, session, settings, send=self._connection.send, narrate=narrate
        )
        self._renderers = self._list_updates(session)
        self._renders = asyncio.Event()
        if offer.render is not None:
            self._renders.set()
        self._slots: Slots

    async def run(self, stop: asyncio.Event) -> AgentExit:
        """Run until the agent ends. Afterwards no task, process or open port remains."""
        health = HealthPage(self.snapshot)
        await self._show_health(health)
        if self._doing.rest is not None:
            self._narrate(f"resting: {self._doing.rest}")
        try:
            with _stop_signals(stop):
                return await self._run(stop)
        finally:
            with contextlib.suppress(OSError):
                self._folder.tell({**self.snapshot(), "connected": False})
            await health.stop()
            await self._offer.end()
            self._spool.close()

    async def _show_health(self, page: HealthPage) -> None:
        """Start the health page.

        If its port is in use, take a free port. If no port is free, run without the page.
        """
        wanted = self._settings.health_port
        if wanted is None:
            return
        port = self._doing.health_port = await page.start(wanted)
        if port is None:
            self._narrate("no port for the health page: the node runs without it")
        elif wanted not in (0, port):
            self._narrate(f"port {wanted} is in use: the health page is at {page.address}")

    async def _run(self, stop: asyncio.Event) -> AgentExit:
        async with asyncio.TaskGroup() as tasks:
            self._slots = self._make_slots(tasks)
            if self._doing.rest is not None and not self._spool.held():
                await self._connection.rest()
            connection = tasks.create_task(self._connection.run())
            background = [
                connection,
                tasks.create_task(self._uploader.run()),
                tasks.create_task(self._renew_leases()),
                tasks.create_task(self._tell_state()),
                tasks.create_task(self._beat()),
                tasks.create_task(self._look_around()),
                tasks.create_task(self._update.run()),
                tasks.create_task(self._warm()),
            ]
            if self._updates is not None:
                background.append(tasks.create_task(self._updates.run()))
            if self._renderers is not None:
                background.append(tasks.create_task(self._renderers.run()))
            ended = await self._wait_for_end(stop, connection)
            if ended is _STOP and self._settings.finish_seconds:
                await self._finish(stop)
            if not connection.done():
                await self._give_back(stop)
            self._slots.stop(STOPPED)
            for task in background:
                task.cancel()
        return ended

    def _list_updates(self, session: aiohttp.ClientSession) -> RendererListUpdates | None:
        """Return the upkeep of the store's list of renderers; None without a store."""
        store = self._offer.store
        if store is None:
            return None
        store.narrate = self._narrate
        login = self._login
        return RendererListUpdates(
            store,
            session,
            login.enrolment.url,
            lambda: login.enrolment.gateway_key,
            self._offer_renderers,
        )

    async def _refresh(self) -> None:
        """Fetch the list of renderers before the node tells the gateway its versions again."""
        if self._renderers is not None:
            await self._renderers.refresh()

    async def _offer_renderers(self) -> None:
        """Tell the gateway the store's versions, of which the first may let the node render."""
        if await self._offer.ask_again():
            self._login.capabilities = tuple(sorted(self._offer.plugins))
            self._narrate("rendering from now on")
            self._renders.set()
        self._say_hello()

    async def _warm(self) -> None:
        """Compile shaders once the node renders."""
        await self._renders.wait()
        await self._offer.warm()

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
            count=self._count,
            pools=frozenset(pools_of(self._offer)) or None,
            attester=attester(self._folder.key, lambda: self._login.enrolment.node_id),
        )

    async def _wait_for_end(self, stop: asyncio.Event, connection: asyncio.Task[str]) -> AgentExit:
        stopped = asyncio.ensure_future(stop.wait())
        drained = asyncio.ensure_future(self._drained())
        updatable = asyncio.ensure_future(self._updatable())
        ends = (stopped, drained, updatable)
        try:
            await asyncio.wait((*ends, connection), return_when=asyncio.FIRST_COMPLETED)
            if connection.done():
                return AgentExit(reason=connection.result(), ok=False, for_good=True)
            if drained.done():
                return _DRAIN
            return _STOP if stopped.done() else _UPDATE
        finally:
            for end in ends:
                end.cancel()

    async def _updatable(self) -> None:
        """Wait until a newer program is prepared, then until no unit and no result is left."""
        if self._updates is None:
            await asyncio.Event().wait()
            return
        await self._updates.is_ready.wait()
        self._turn(UPDATING)
        while self._slots.units or self._spool.held():
            self._changed.clear()
            await self._changed.wait()

    async def _drained(self) -> None:
        while not (self._doing.is_draining and not self._slots.units and not self._spool.held()):
            self._changed.clear()
            await self._changed.wait()

    async def _finish(self, stop: asyncio.Event) -> None:
        """Wait at most ``finish_seconds`` until running units are done and acked.

        A second signal ends the wait.
        """
        self._narrate("stopping once the running units are done; a second signal stops at once")
        self._stop_taking(DRAINING)
        stop.clear()
        await self._first(self._drained(), stop, self._settings.finish_seconds)

    async def _first(
        self, awaited: Coroutine[Any, Any, None], stop: asyncio.Event, within: float
    ) -> None:
        waits = (asyncio.ensure_future(awaited), asyncio.ensure_future(stop.wait()))
        try:
            await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _give_back(self, stop: asyncio.Event) -> None:
        """Stop running units and wait up to ``stop_seconds`` until their results are acked.

        A second signal ends the wait.
        """
        self._slots.stop(STOPPED)
        stop.clear()
        await self._first(self._settled(), stop, self._settings.stop_seconds)

    async def _settled(self) -> None:
        while self._slots.units or (self._connection.is_open and self._spool.ready()):
            self._changed.clear()
            await self._changed.wait()
        await self._connection.flush()

    def snapshot(self) -> Mapping[str, Any]:
        """Return the data of the health page and of ``status``."""
        return snapshot(
            self._doing,
            enrolment=self._login.enrolment,
            offer=self._offer,
            settings=self._settings,
            slots=getattr(self, "_slots", None),
            spool=self._spool,
            connected=self._connection.is_open,
            silent_seconds=self._connection.silent_seconds,
        )

    # ---------------------------------------------------------------- frames

    def _greet(self) -> None:
        self._narrate(f"connected to {self._login.enrolment.url}")
        if self._updates is not None:
            self._updates.connected()
        # The gateway sends the node's standing right after the connect, unless the standing is
        # ACTIVE.
        self._doing.standing, self._doing.standing_reason = ACTIVE, ""
        self._resume()
        self._say_hello()
        self._slots.tell()
        self._uploader.resend()

    def _say_hello(self) -> None:
        here = [*self._slots.units, *self._spool.held()]
        self._connection.send(hello(self._offer, self._settings, here))

    async def _take(self, frame: FromGateway) -> None:
        if isinstance(frame, JobDispatch):
            self._dispatch(frame)
        elif isinstance(frame, JobCancel):
            self._slots.cancel(_ref(frame), frame.reason)
        elif isinstance(frame, Ack):
            self._spool.settle(_ref(frame))
            self._changed.set()
        elif isinstance(frame, Welcome):
            for dropped in frame.drop:
                self._slots.cancel(dropped)
            self._update.hear(frame.version)
        elif isinstance(frame, Urls):
            self._redirect(frame)
        elif isinstance(frame, NodeStanding):
            self._stand(frame)
        elif isinstance(frame, TokenRenewal):
            await self._login.take(frame.token)
        else:
            self._drain(frame)

    def _dispatch(self, frame: JobDispatch) -> None:
        is_known = ref_of(frame) in self._slots.units
        if (self._doing.is_draining or self._doing.rest is not None) and not is_known:
            self._slots.refuse(ref_of(frame), DRAINING if self._doing.is_draining else RESTING)
        else:
            self._renew_seconds = _renewal_seconds(frame, self._settings)
            self._leased.set()
            self._slots.accept(frame)

    def _redirect(self, frame: Urls) -> None:
        ref = _ref(frame)
        if frame.offered is not None:
            self._uploader.take(ref, frame.offered)
            return
        self._slots.address(ref, frame)
        places = ((RESULT, frame.output), (EVIDENCE, frame.evidence))
        changed = [w for w, place in places if place and self._spool.redirect(ref, w, place)]
        if changed:
            self._uploader.redirect(ref)

    def _stand(self, frame: NodeStanding) -> None:
        """Tell the operator the node's new standing; end a drain that the gateway has cancelled."""
        said, doing = (frame.standing, frame.reason or ""), self._doing
        if said != (doing.standing, doing.standing_reason) or doing.is_told_to_drain:
            doing.standing, doing.standing_reason = said
            self._resume()
            self._narrate(told_of(said[0], self._login.enrolment.node_id, said[1]))

    def _resume(self) -> None:
        """End a drain that the gateway asked for. A drain that the operator asked for goes on."""
        if self._doing.is_told_to_drain:
            self._doing.is_draining = self._doing.is_told_to_drain = False

    def _drain(self, told: Drain | None = None) -> None:
        self._narrate("draining: running units finish, no new ones are taken")
        self._stop_taking(DRAINING, is_told=told is not None)

    def _stop_taking(self, failure: Failed, *, is_told: bool = False) -> None:
        """Return waiting units to the gateway. The agent ends when the running units are done."""
        self._doing.is_draining, self._doing.is_told_to_drain = True, is_told
        self._slots.give_back_waiting(failure)
        self._changed.set()

    def _on_spooled(self) -> None:
        self._uploader.wake()
        self._changed.set()

    # ---------------------------------------------------------------- background

    async def _renew_leases(self) -> None:
        """Renew leases regularly. The task is on time because workers have a lower priority."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._renew_seconds):
                    await self._leased.wait()
            self._leased.clear()
            self._slots.tell()
            for ref in self._uploader.uploading():
                self._connection.send(_uploading(ref))

    async def _tell_state(self) -> None:
        told: Mapping[str, Any] = {}
        while True:
            facts = dict(self.snapshot()) | {"uptime_seconds": None}
            if facts != told:
                with contextlib.suppress(OSError):  # a full disk must not end the agent
                    self._folder.tell(facts)
                    told = facts
            if not self._doing.is_draining and self._folder.drain_wished:
                self._drain()
            await asyncio.sleep(TELL_SECONDS)

    async def _look_around(self) -> None:
        """Rest or work, depending on working hours, disk space and other use of the machine."""
        while True:
            is_updating = self._updates is not None and self._updates.is_ready.is_set()
            self._turn(UPDATING if is_updating else self._readiness.why_not())
            is_done = not self._slots.units and not self._spool.held()
            if self._doing.rest is not None and is_done and self._connection.is_wanted:
                await self._login.beat(0.0, self._facts())
                await self._connection.flush()
                await self._connection.rest()
            await asyncio.sleep(self._settings.look_seconds)

    def _turn(self, rest: str | None) -> None:
        if rest == self._doing.rest:
            return
        before, self._doing.rest = self._doing.rest, rest
        if rest is not None:
            self._narrate(f"resting: {rest}")
            self._slots.give_back_waiting(RESTING)
        elif before is not None:
            self._narrate("working again")
            self._connection.wake()

    async def _beat(self) -> None:
        """Send heartbeats unless the node rests. A heartbeat that fails is not repeated."""
        while True:
            load = min(self._slots.busy / self._settings.slots, 1.0)
            if self._connection.is_wanted and await self._login.beat(load, self._facts()):
                self._connection.hear()
            await asyncio.sleep(self._settings.heartbeat_seconds)

    def _facts(self) -> Mapping[str, Any]:
        """Return the heartbeat's metadata.

        ``resting`` is the reason why the node takes no work now.
        """
        load = round(machine_facts.load(), 3)
        return {"cpu_load": load, "version": __version__, "resting": self._doing.rest}


def _ref(frame: JobCancel | Ack | Urls) -> Running:
    return Running(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt)


def _renewal_seconds(frame: JobDispatch, settings: AgentSettings) -> float:
    """Return the interval of status reports: at most a quarter of the newest unit's lease."""
    given = frame.lease_seconds
    return settings.lease_seconds if given is None else min(settings.lease_seconds, given / 4)


def _uploading(ref: Running) -> JobStatus:
    """Return the status of a unit whose result is being uploaded."""
    return JobStatus(
        job_id=ref.job_id,
        unit=ref.unit,
        attempt=ref.attempt,
        progress=1.0,
        detail="uploading",
    )


@contextlib.contextmanager
def _stop_signals(stop: asyncio.Event) -> Generator[None]:
    """Let SIGTERM and SIGINT set ``stop``. Outside the main thread and on Windows, do nothing."""
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
