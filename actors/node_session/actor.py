"""The session of one node: one for each socket, gone with it.

It owns the socket, sends units, hears of them, and asks the Ledger to book what it hears. Nothing
here is durable: units come from the Scheduler, and a node repeats what was not acknowledged.
"""

import logging

import attrs

from actors.kernel import handles
from actors.ledger.messages import UnitStart
from actors.node_session import dispatch_frames, thumbnails, unit_failures
from actors.node_session.flood_guard import FloodGuard
from actors.node_session.held_units import HeldUnit, Phase
from actors.node_session.messages import (
    AnnounceDue,
    Assignments,
    Close,
    Disconnected,
    FramesHandled,
    HelloDue,
    KeyProved,
    PingDue,
    PingSeen,
    PongSeen,
    ReadyDue,
    Received,
    ReopenSession,
    Send,
    Withdraw,
)
from actors.node_session.node_standing import frame_of
from actors.node_session.session_state import SessionPeers
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.node_session.socket import Socket
from actors.node_session.verifier_checks import VerifierChecks
from actors.notifier.messages import Progress, UnitLogLines
from actors.ports import ObjectsUnavailable
from actors.scheduler.messages import (
    NodeSeen,
    SessionClosed,
    SessionOpened,
    SessionReady,
)
from rendertrust.protocol import (
    CloseCode,
    Hello,
    JobCancel,
    JobResult,
    JobStatus,
    Log,
    Malformed,
    Pong,
    Preview,
    UrlsRequest,
    Welcome,
    decode_from_node,
)
from sql.database import Unavailable
from sql.retry_policy import HELD_NODES
from sql.scheduler_rows import QUARANTINED

EARLY_MOST = 256
log = logging.getLogger(__name__)


class NodeSessionActor(VerifierChecks):
    """``socket`` is accepted and authenticated; frames and pongs are told by whoever reads it."""

    def __init__(
        self, node: NodeIdentity, socket: Socket, peers: SessionPeers, settings: NodeSessionSettings
    ) -> None:
        super().__init__(node, socket, peers, settings)
        self._flood = FloodGuard(settings.flood_frames, settings.flood_seconds)
        self._early: list[JobResult] = []
        self._epoch = 0  # among the sessions of this node at all gateways; known once it starts
        self._seen_at = float("-inf")

    async def started(self) -> None:
        opened = await self._peers.store.session_opened(self._node.id)
        self._epoch = opened.epoch
        self._opened = (opened.at, self._peers.clock.monotonic())
        self._announce()
        self.after(self._settings.hello_seconds, HelloDue())
        self.after(0.0, PingDue())
        self._admit()

    async def stopped(self) -> None:
        self._peers.scheduler.tell(SessionClosed(self._node.id, self.ref))
        self._end_checks()
        await self._line.close(CloseCode.SERVICE_RESTART, "restart")

    # -- with the Scheduler

    def _announce(self) -> None:
        node = self._node
        opened = SessionOpened(
            node.id, node.owner, node.capabilities, self.ref, self._epoch, self._standing
        )
        self._peers.scheduler.tell(opened)
        self._ready = self._ready_at = None
        if self._hello is not None:
            self._tell_ready(self._hello)
        if not self._is_assigned:
            self.after(self._settings.announce_seconds, AnnounceDue())

    def _tell_ready(self, hello: Hello) -> None:
        """Tell the Scheduler what the node says of itself now. Each change makes it look at all
        that waits, so of many changes in a row the last is told, after a while.
        """
        ready = SessionReady(
            self._node.id,
            self.ref,
            hello.slots,
            hello.capabilities or None,
            hello.pools,
            device_class=hello.device_class,
            blender=hello.blender,
            ram=hello.ram,
            vram=hello.vram,
            opengl=hello.opengl,
        )
        now, seconds = self._peers.clock.monotonic(), self._settings.ready_seconds
        if ready == self._ready:
            return
        is_early = self._ready_at is not None and now - self._ready_at < seconds
        if not is_early and self._peers.scheduler.tell(ready):
            self._ready, self._ready_at = ready, now
        elif not self._is_ready_due:
            self._is_ready_due = True
            self.after(seconds, ReadyDue())

    @handles(ReadyDue)
    async def ready_due(self, message: ReadyDue) -> None:
        self._is_ready_due = False
        if self._hello is not None:
            self._tell_ready(self._hello)

    @handles(AnnounceDue)
    async def announce_due(self, message: AnnounceDue) -> None:
        if not self._is_assigned:
            self._announce()

    @handles(ReopenSession)
    async def who_are_you(self, message: ReopenSession) -> None:
        self._announce()

    @handles(KeyProved)
    async def proved(self, message: KeyProved) -> None:
        self._node = attrs.evolve(self._node, owner=message.owner, verified=True)

    @handles(Assignments)
    async def assignments(self, message: Assignments) -> None:
        given = {(unit.job, unit.unit) for unit in message.units}
        for held in self._work:
            if held.key not in given and held.phase is not Phase.ENDING:
                await self._forget(held)
        for unit in message.units:
            await self._hold(unit)
        is_first, self._is_assigned = not self._is_assigned, True
        early, self._early = self._early, []
        for result in early:
            await self._take_result(result)
        if is_first and self._hello is not None:
            await self._greet(self._hello)
        await self._stand(message.standing)
        await self._pump()

    @handles(Send)
    async def send(self, message: Send) -> None:
        await self._hold(message.assignment)
        await self._pump()

    @handles(Withdraw)
    async def withdraw(self, message: Withdraw) -> None:
        held = self._work.exactly(message.job, message.unit, message.attempt)
        if held is not None and held.phase is not Phase.ENDING:
            await self._forget(held)
            await self._pump()

    # -- with the node: out

    @handles(Close)
    async def close(self, message: Close) -> None:
        await self._close(message.code, message.reason)

    @handles(Disconnected)
    async def disconnected(self, message: Disconnected) -> None:
        self._line.hang_up()
        self.stop()

    # -- with the node: is it alive

    @handles(PingDue)
    async def ping_due(self, message: PingDue) -> None:
        if self._line.is_silent:
            await self._close(CloseCode.HEARTBEAT_TIMEOUT, "no pong")
        elif await self._line.ping():
            self.after(self._settings.ping_seconds, PingDue())
            self._tell_standing()
            await self._note_seen()
        else:
            self.stop()

    @handles(PongSeen)
    async def pong_seen(self, message: PongSeen) -> None:
        if await self._admits():
            await self._pong()

    @handles(PingSeen)
    async def ping_seen(self, message: PingSeen) -> None:
        await self._admits()

    async def _pong(self) -> None:
        now = self._line.pong_at = self._peers.clock.monotonic()
        if self._hello is None:  # its pongs are all that it says about its units
            for held in self._work:
                if held.is_out:
                    held.heard_at = now
        await self._note_seen()

    async def _note_seen(self) -> None:
        clock, node = self._peers.clock, self._node
        if self._line.is_silent or clock.monotonic() - self._seen_at < self._settings.seen_seconds:
            return
        self._seen_at = clock.monotonic()
        self._peers.scheduler.tell(NodeSeen(node.id, node.owner, node.capabilities, None))
        try:
            await self._peers.store.node_seen(node.id)
        except Unavailable:
            self._seen_at = float("-inf")  # at the next pong

    # -- with the node: in

    @handles(Received)
    async def received(self, message: Received) -> None:
        if not await self._admits():
            return
        frame = decode_from_node(message.text)
        if isinstance(frame, Malformed):
            await self._close(CloseCode.MALFORMED, frame.reason[:100])
        elif isinstance(frame, JobStatus):
            await self._take_status(frame)
        elif isinstance(frame, JobResult):
            await self._take_result(frame)
        elif isinstance(frame, Hello):
            await self._take_hello(frame)
        elif isinstance(frame, Pong):
            await self._pong()
        elif isinstance(frame, UrlsRequest):
            await self._take_urls(frame)
        elif isinstance(frame, Log):
            self._pass_on(self._work.named(frame.job_id, frame.unit, frame.attempt), frame.text)
        elif isinstance(frame, Preview):
            await self._keep(frame)

    @handles(FramesHandled)
    async def caught_up(self, message: FramesHandled) -> bool:
        return True

    async def _admits(self) -> bool:
        """Count a frame of whatever kind; one too many ends the session."""
        if self._flood.admits(self._peers.clock.monotonic()):
            return True
        await self._close(CloseCode.FLOOD, "too many frames")
        return False

    @handles(HelloDue)
    async def hello_due(self, message: HelloDue) -> None:
        if self._hello is None:
            self._is_plain = True
            await self._pump()

    async def _take_hello(self, hello: Hello) -> None:
        self._hello = hello
        self._tell_ready(hello)
        self._tell_checker(hello)
        if self._is_assigned:
            await self._greet(hello)
            await self._pump()

    async def _greet(self, hello: Hello) -> None:
        """Compare what the node has with what it was given, and tell it the difference."""
        now = self._peers.clock.monotonic()
        comparison = self._work.compare(hello.running)
        for held in comparison.keep:
            held.heard_at = now
            if held.phase is Phase.WAITING:
                held.phase, held.begun_at = Phase.SENT, self._begun(held.assignment)
        for held in comparison.unsent:
            held.phase = Phase.WAITING
        for held in comparison.lost:
            unit, node = held.assignment, self._node.id
            held.is_stuck = unit.tries > 1 and len(unit.avoid | {node}) >= HELD_NODES
            self._end(held, unit_failures.lost(unit, node))
        self._renew_in(self._settings.first_lease_seconds)
        keep = tuple(held.running for held in comparison.keep)
        await self._say(Welcome(keep=keep, drop=comparison.drop))
        if self._standing.name == QUARANTINED:
            await self._say(frame_of(self._standing))

    async def _take_status(self, frame: JobStatus) -> None:
        held = self._work.named(frame.job_id, frame.unit, frame.attempt)
        if held is None:
            if self._check_of(frame.job_id) is not None:
                return
            if self._is_assigned:
                await self._say(
                    JobCancel(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt)
                )
            return
        now = held.heard_at = self._peers.clock.monotonic()
        if held.phase is Phase.ENDING:
            return
        if frame.status == "failed":
            self._fail(held, "node", frame.detail or "the node says that it failed")
            return
        if held.begun_at is None:
            held.begun_at = now
        held.phase = Phase.RUNNING
        if not held.is_started and self._may_ask(held):
            unit = held.assignment
            start = UnitStart(unit.job, unit.unit, unit.attempt, self._node.id)
            self._ask(held, start, ends=False)
        if frame.progress is not None:
            self._move(held).tell(frame.progress, now)
            self._tell_progress(held, frame.progress, frame.detail or "")

    def _tell_progress(self, held: HeldUnit, value: float, detail: str) -> None:
        unit = held.assignment
        progress = Progress(unit.job, unit.unit, unit.attempt, value, detail)
        self._peers.notifier.tell(progress)

    def _pass_on(self, held: HeldUnit | None, text: str) -> None:
        """Lines about a unit of this node's, to whoever wants to know."""
        if held is not None and text:
            unit = held.assignment
            held.said.add(text)
            self._peers.notifier.tell(UnitLogLines(unit.job, unit.unit, unit.attempt, text))

    async def _keep(self, frame: Preview) -> None:
        """Keep a small picture of a frame. Nobody waits for it: where it cannot be, it is lost."""
        held = self._work.named(frame.job_id, frame.unit, frame.attempt)
        picture = thumbnails.picture_of(frame)
        if held is None or picture is None or held.phase is Phase.ENDING:
            return
        unit = held.assignment
        of_frame = thumbnails.frame_of(frame, unit.params, held.shown)
        if of_frame is None:
            return
        held.shown.add(of_frame)
        try:
            await self._peers.store.keep_thumbnail(
                unit.job, unit.unit, unit.attempt, self._node.id, frame=of_frame, picture=picture
            )
        except Unavailable as error:
            log.info("a picture is lost: %s", type(error).__name__)

    async def _take_result(self, frame: JobResult) -> None:
        check = self._check_of(frame.job_id)
        if check is not None:
            await self._take_report(check, frame)
            return
        if not self._is_assigned:
            if len(self._early) < EARLY_MOST:  # what is dropped is sent again
                self._early.append(frame)
            return
        held = self._work.named(frame.job_id, frame.unit, frame.attempt)
        if frame.status == "cancelled":
            if held is not None and held.phase is not Phase.ENDING:
                back = unit_failures.given_back(held.assignment)
                if back is None:
                    self._fail(held, "node", unit_failures.GIVEN_BACK, code="given_back")
                else:
                    self._end(held, back)
        elif held is None:
            log.info("a result that is not awaited is dropped")
            await self._acknowledge(frame)
        elif held.phase is not Phase.ENDING:
            self._pass_on(held, held.said.rest_of(frame.detail or ""))
            held.result, held.phase = frame, Phase.ENDING
            await self._finish(held)
        elif held.result is None:
            held.result = frame  # its end is on its way already; acknowledged when it is booked
        await self._pump()

    async def _take_urls(self, frame: UrlsRequest) -> None:
        check = self._check_of(frame.job_id)
        held = self._work.named(frame.job_id, frame.unit, frame.attempt)
        if held is None and check is None:
            return
        try:
            if check is not None:
                await self._say(await self._urls_of_check(check, frame))
                return
            assert held is not None, "one of the two is there"
            if frame.wanted is not None:
                self._take_parts(held, frame.wanted)
                return
            objects, base = self._peers.objects, self._node.base
            files = frame.files
            give = self._peers.manifests.urls(files) if files else dispatch_frames.urls
            given = await give(held.assignment, objects, self._settings, base)
            if frame.files:
                self._move(held).fetch((file.sha256, file.size) for file in given.inputs)
            await self._say(given)
        except (ObjectsUnavailable, Unavailable, ValueError) as fault:
            log.warning("no URLs for a unit: %s", type(fault).__name__)  # it will ask again
