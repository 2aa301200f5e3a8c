"""What a session keeps, and the steps that all its handlers are made of."""

import logging
from datetime import datetime
from uuid import UUID

import attrs

from actors.kernel import Actor, Ref, Timer, fail_point
from actors.ledger.messages import Commit, Effect, Ledger, UnitFail
from actors.node_session import dispatch_frames, unit_failures
from actors.node_session.connection import NodeConnection
from actors.node_session.fair_order import FairOrder
from actors.node_session.held_units import HeldUnit, HeldUnits, Phase
from actors.node_session.manifests import Manifests
from actors.node_session.messages import (
    AlternativesFound,
    NodeSession,
    RenewDue,
    RunCheck,
    TryAgain,
)
from actors.node_session.overrun import OverrunTracker
from actors.node_session.progress import AttemptProgress, ProgressTracker, inputs
from actors.node_session.sampling import Sampling
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.node_session.socket import Socket
from actors.notifier.messages import Notifier
from actors.ports import Clock, NodeTokens, Objects, ObjectsUnavailable, ReceiptSigner, Store
from actors.scheduler.messages import (
    MEMORY_MOST,
    Assignment,
    FindAlternatives,
    NodeDeclined,
    Scheduler,
    SessionReady,
)
from actors.verifier.messages import Verifier
from rendertrust.protocol import Ack, FromGateway, Hello, JobCancel, JobResult
from sql.error_code import REPORTED, ErrorCode
from sql.scheduler_rows import ANY

log = logging.getLogger(__name__)


@attrs.frozen
class PendingCommit:
    """The tag of a commit: which unit it was about, and whether it ends the unit here."""

    held: HeldUnit
    ends: bool


@attrs.frozen
class SessionPeers:
    """Whom a session talks to, beside its node."""

    scheduler: Ref[Scheduler]
    ledger: Ref[Ledger]
    notifier: Ref[Notifier]
    store: Store
    objects: Objects
    clock: Clock
    tokens: NodeTokens
    moves: ProgressTracker  # of all sessions
    pacing: OverrunTracker  # of all sessions
    signer: ReceiptSigner | None = None  # None: no receipts are given
    verifier: Ref[Verifier] | None = None  # None: nothing is checked
    sampling: Sampling | None = None  # of all sessions; None: nothing is checked
    manifests: Manifests = attrs.field(factory=Manifests)  # of all sessions


class SessionState(Actor[NodeSession], partial=True):
    """The state of a session, without its handlers."""

    def __init__(
        self, node: NodeIdentity, socket: Socket, peers: SessionPeers, settings: NodeSessionSettings
    ) -> None:
        self._node = node
        self._peers = peers
        self._settings = settings
        self._line = NodeConnection(socket, peers.clock, settings)
        self._work = HeldUnits()
        self._turns = FairOrder()
        self._hello: Hello | None = None
        self._ready: SessionReady | None = None  # what the Scheduler was told last, and when
        self._ready_at: float | None = None
        self._is_ready_due = False
        self._is_plain = False  # a client of the reference: it says no hello
        self._is_assigned = False  # the Scheduler has said what this node is to work on
        self._renew: tuple[float, Timer] | None = None
        self._standing = node.standing
        self._is_draining = False  # the node was told so
        self._checks: dict[UUID, RunCheck] = {}  # that the node makes
        self._opened: tuple[datetime, float] | None = None  # by the database's clock, and ours

    # -- out to the node

    async def _say(self, frame: FromGateway) -> bool:
        fail_point.reach("before_send", (frame,))
        if not await self._line.send(frame):
            self.stop()
            return False
        fail_point.reach("after_send", (frame,))
        return True

    async def _close(self, code: int, reason: str) -> None:
        await self._line.close(code, reason)
        self.stop()

    async def _acknowledge(self, result: JobResult) -> None:
        await self._say(Ack(job_id=result.job_id, unit=result.unit, attempt=result.attempt))

    async def _pump(self) -> None:
        """Send what waits, as far as the node has slots."""
        if not self._is_assigned or (self._hello is None and not self._is_plain):
            return
        self._withhold()
        slots = None if self._hello is None else self._hello.slots
        while (held := self._turns.next(self._work.sendable(slots))) is not None:
            if not await self._dispatch(held):
                return

    def _withhold(self) -> None:
        """What the node is not to begin, as people say, goes back to the queue."""
        node = self._node
        for held in self._work.waiting():
            unit = held.assignment
            if unit.paused:
                self._end(held, unit_failures.paused(unit))
            elif not self._standing.may_work_for(unit.user, node.owner):
                self._end(held, unit_failures.withheld(unit))
            elif not self._serves(dispatch_frames.pool_of(unit, node.owner)):
                self._peers.scheduler.tell(NodeDeclined(node.id, self.ref))
                self._end(held, unit_failures.withheld(unit))

    def _serves(self, pool: str) -> bool:
        """Whether the node takes work of a pool, as its hello says."""
        named = () if self._hello is None else self._hello.pools
        return not named or pool in named

    async def _dispatch(self, held: HeldUnit) -> bool:
        """Send one unit; its lease begins."""
        try:
            frame = await dispatch_frames.dispatch(
                held.assignment,
                self._peers.objects,
                self._settings,
                self._node.base,
                self._node.owner,
            )
            if not await self._say(frame):
                return False
        except ObjectsUnavailable:
            self._again(held)
            return False
        except ValueError as fault:
            return await self._return_unsendable(held, fault)
        unit, move = held.assignment, self._move(held)
        held.phase, held.heard_at, held.tries = Phase.SENT, self._peers.clock.monotonic(), 0
        # A plain client is sent a unit as soon as it is assigned, and again each time it connects.
        held.begun_at = self._begun(unit) if self._hello is None else move.since
        move.fetch(inputs(unit.params, (part.size for part in unit.parts)))
        self._turns.took(held)
        self._renew_in(self._settings.first_lease_seconds)
        return True

    async def _return_unsendable(self, held: HeldUnit, fault: ValueError) -> bool:
        """End a unit that no frame can hold; return it where only this connection is at fault.
        False: the object store is away, and the unit waits.
        """
        unit, node = held.assignment, self._node
        try:
            is_sendable = await dispatch_frames.is_sendable(
                unit, self._peers.objects, self._settings
            )
        except ObjectsUnavailable:
            self._again(held)
            return False
        if not is_sendable:
            log.error("a unit cannot be sent: %s", fault)
            error = f"cannot be sent to a node: {fault}"
            self._fail(held, "gateway", error, code="unsendable", final=True)
            return True
        log.warning(
            "a unit cannot be sent to node %s by the address it came to: %s", node.id, fault
        )
        self._peers.scheduler.tell(NodeDeclined(node.id, self.ref))
        self._end(held, unit_failures.unsendable(unit, node.id))
        return True

    def _move(self, held: HeldUnit) -> AttemptProgress:
        """How far a unit is."""
        return self._peers.moves.of(held, self._peers.clock.monotonic())

    # -- units

    async def _hold(self, unit: Assignment) -> None:
        known = self._work.get(unit.job, unit.unit)
        if known is not None:
            if known.attempt == unit.attempt and known.phase is Phase.WAITING:
                known.assignment = unit  # its priority may be another
            if known.attempt >= unit.attempt:
                return
            await self._forget(known)
        held = HeldUnit(unit)
        if unit.state == "RUNNING":
            held.phase, held.is_started = Phase.RUNNING, True
            held.begun_at = self._begun(unit)
        self._work.add(held)
        self._renew_in(self._settings.first_lease_seconds)  # other gateways see that it is ours

    def _begun(self, unit: Assignment) -> float:
        """Return when an attempt began that an earlier session sent: when it was assigned, at the
        earliest. Sessions at other gateways may have sent it, of which nothing is known here.

        The database's times are compared with the time that it gave when this session began, as
        this machine's clock may be wrong.
        """
        now = self._peers.clock.monotonic()
        if unit.given_at is not None:
            return min(unit.given_at, now)
        if unit.assigned_at is None or self._opened is None:
            return now
        at, steady = self._opened
        return min(steady + (unit.assigned_at - at).total_seconds(), now)

    async def _forget(self, held: HeldUnit) -> None:
        """It is this node's no more."""
        self._work.remove(held)
        if held.is_out:
            said = held.running
            await self._say(JobCancel(job_id=said.job_id, unit=said.unit, attempt=said.attempt))

    # -- to the Ledger

    def _ask(self, held: HeldUnit, effect: Effect, *, ends: bool) -> None:
        held.asked_at = self._peers.clock.monotonic()
        commit = Commit(effects=(effect,), observer=self.ref, tag=PendingCommit(held, ends))
        if not self._peers.ledger.tell(commit):
            held.asked_at = None
            self._again(held)

    def _may_ask(self, held: HeldUnit) -> bool:
        """Whether no answer about the unit is awaited, or it has been awaited for too long."""
        now = self._peers.clock.monotonic()
        return held.asked_at is None or now - held.asked_at > self._settings.answer_seconds

    def _end(self, held: HeldUnit, effect: Effect) -> None:
        """Ask for the unit's end here; it is held until that is booked."""
        held.phase, held.effect = Phase.ENDING, effect
        self._ask(held, effect, ends=True)

    def _fail(
        self,
        held: HeldUnit,
        error_class: str,
        error: str,
        *,
        code: ErrorCode = REPORTED,
        final: bool = False,
        given_back: bool = False,
        confirmed: bool = True,
        accused: str | None = None,
        caught: str | None = None,
        others: AlternativesFound | None = None,
    ) -> None:
        """End the attempt as failed. Before a stranger's word ends the unit it is found out what
        ``others`` there are.
        """
        now = self._peers.clock.now()
        unit, node = held.assignment, self._node.id

        def effect(known: AlternativesFound | None) -> UnitFail:
            said = unit_failures.failed(
                unit,
                node,
                error_class,
                error,
                now,
                code=code,
                final=final,
                given_back=given_back,
                confirmed=confirmed,
                others=known,
            )
            return attrs.evolve(said, accused=accused, caught=caught)

        is_certain = final or (error_class == unit_failures.SCENE and confirmed)
        is_word = not is_certain and self._is_strangers(unit)
        if is_word and others is None and effect(None).retry_at is None:
            held.phase, held.doubted = Phase.ENDING, effect
            self._ask_elsewhere(held)
        else:
            self._end(held, effect(others if is_word else None))

    def _is_strangers(self, unit: Assignment) -> bool:
        """Whether the node is neither the gateway's own nor its creator's, nor one he trusts."""
        node, own = self._node, self._settings.own
        return dispatch_frames.pool_of(unit, node.owner) == ANY and node.id not in own

    def _ask_elsewhere(self, held: HeldUnit) -> None:
        """Ask who else could do it; again, where no answer comes."""
        unit, lacks = held.assignment, None if held.result is None else held.result.lacks
        memory = self._given_bytes + 1 if lacks == unit_failures.MEMORY else 0
        of = (unit.job, unit.unit, unit.attempt, self._node.id, self.ref)
        self._peers.scheduler.tell(
            FindAlternatives(*of, memory=memory, opengl=lacks == unit_failures.OPENGL)
        )
        self._again(held)

    @property
    def _given_bytes(self) -> int:
        """The memory that the node gives to one unit, as it said and as far as it is believed."""
        hello = self._hello
        return 0 if hello is None else min(hello.ram or 0, MEMORY_MOST) // hello.slots

    def _again(self, held: HeldUnit) -> None:
        settings, unit = self._settings, held.assignment
        held.tries += 1
        wait = min(settings.retry_seconds * 2.0 ** (held.tries - 1), settings.retry_seconds_most)
        self.after(wait, TryAgain(unit.job, unit.unit, unit.attempt), jitter=0.2)

    def _renew_in(self, seconds: float) -> None:
        due = self._peers.clock.monotonic() + seconds
        if self._renew is not None:
            if self._renew[0] <= due:
                return
            self._renew[1].cancel()
        self._renew = (due, self.after(seconds, RenewDue()))
