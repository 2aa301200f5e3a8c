"""Session of one connected node: an actor that lives as long as the node's socket.

The actor owns the socket, sends units, receives reports and results, and asks the Ledger to book
them. Its state need not survive a crash: the Scheduler knows the units, and a node repeats results
that were not acknowledged.
"""

import logging
from typing import Final

import attrs

from actors.kernel import Actor, Ref, handles
from actors.ledger.effects import UnitFail
from actors.ledger.messages import (
    DataRefused,
    Decided,
    GuardFailed,
    Ledger,
    LedgerUnavailable,
    Outcome,
    units_of,
)
from actors.node_session import unit_failures
from actors.node_session.announcements import Announcements
from actors.node_session.connection import NodeConnection, Socket
from actors.node_session.failure_tracker import FailureTracker
from actors.node_session.ledger_requests import LeaseRenewal, PendingCommit, UnitCommits
from actors.node_session.messages import (
    AlternativesFound,
    AnnounceDue,
    Assignments,
    Close,
    Disconnected,
    DropCheck,
    HelloDue,
    KeyProved,
    NodeSession,
    PartsInspected,
    PingDue,
    PingSeen,
    PongSeen,
    Promote,
    ReadyDue,
    Recall,
    Received,
    RelayFramesHandled,
    RenewDue,
    ReopenSession,
    ResultInspected,
    RunCheck,
    Send,
    StandingUpdate,
    TokenDue,
    TryAgain,
    Withdraw,
)
from actors.node_session.node_standing import StandingUpdates
from actors.node_session.progress_watchdog import (
    OverrunTracker,
    ProgressTracker,
    ProgressWatchdog,
)
from actors.node_session.relay_frame_builder import Manifests, RelayFrameBuilder
from actors.node_session.result_objects import PartOffers, ResultObjects
from actors.node_session.result_settlement import ResultSettlement, alert_admins
from actors.node_session.sampling import Sampling
from actors.node_session.session_state import HeldUnit, Phase, SessionState
from actors.node_session.settings import NodeSessionSettings
from actors.node_session.unit_dispatch import UnitDispatcher
from actors.node_session.unit_failures import Failure
from actors.node_session.unit_reports import UnitReports
from actors.node_session.verifier_checks import VerifierChecks
from actors.notifier.messages import Notifier, announce
from actors.ports import ObjectsUnavailable, Ports
from actors.scheduler.messages import (
    Assignment,
    RecallDeclined,
    Scheduler,
)
from actors.verifier.messages import Verifier
from rendertrust import __version__
from rendertrust.protocol import (
    CloseCode,
    Hello,
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
from rendertrust.unit_error_code import GIVEN_BACK
from sql.database import Conflict, Unavailable
from sql.nodes import NodeIdentity
from sql.unit_retry_policy import HELD_NODES

HELLO_SECONDS: Final = 2.0  # wait for a hello, then the node counts as a simple node
PING_SECONDS: Final = 30.0  # interval of pings
SEEN_SECONDS: Final = 45.0  # least time between records of a pong in the database
EARLY_MOST: Final = 256  # results that are kept until the assignments arrive
log = logging.getLogger(__name__)


@attrs.frozen
class SessionPeers:
    """Actors and services that a session uses, besides its node's socket."""

    scheduler: Ref[Scheduler]
    ledger: Ref[Ledger]
    notifier: Ref[Notifier]
    ports: Ports
    progress: ProgressTracker  # shared by all sessions
    overruns: OverrunTracker  # shared by all sessions
    verifier: Ref[Verifier]
    sampling: Sampling  # shared by all sessions
    manifests: Manifests = attrs.field(factory=Manifests)  # shared by all sessions


class NodeSessionActor(Actor[NodeSession]):
    """Actor that serves one node over a ``socket`` that is already accepted and authenticated.

    The relay reads the socket, and sends the session each relay frame, ping and pong as a message.
    The handlers below are in the order of a session's life.
    """

    def __init__(
        self, node: NodeIdentity, socket: Socket, peers: SessionPeers, settings: NodeSessionSettings
    ) -> None:
        self._peers, self._settings, ports = peers, settings, peers.ports
        self._state = state = SessionState(node, settings, ports.clock)
        self._connection = connection = NodeConnection(socket, ports.clock, settings, self.stop)
        self._commits = commits = UnitCommits(state, peers.ledger, peers.scheduler, self)
        self._leases = LeaseRenewal(state, peers.ledger, self)
        self._relay_frames = RelayFrameBuilder(ports.objects, peers.manifests, settings, node.base)
        self._announcements = Announcements(state, peers.scheduler, self)
        self._dispatcher = UnitDispatcher(
            state,
            connection,
            commits,
            self._leases,
            relay_frames=self._relay_frames,
            progress=peers.progress,
        )
        self._reports = UnitReports(state, commits, peers.progress, peers.notifier, ports.store)
        self._failures = FailureTracker(state, peers.scheduler, ports.store, self)
        self._watchdog = ProgressWatchdog(
            state,
            connection,
            commits,
            store=ports.store,
            progress=peers.progress,
            overruns=peers.overruns,
        )
        self._offers = PartOffers(
            state, connection, commits, self, progress=peers.progress, objects_of=self._objects_of
        )
        self._settlement = ResultSettlement(
            state,
            commits,
            self._reports,
            self._objects_of,
            self,
            sampling=peers.sampling,
            signer=ports.signer,
        )
        self._checks = VerifierChecks(state, connection, self._relay_frames, peers.verifier, self)
        self._standing = StandingUpdates(
            state, connection, ports.tokens, self, self._checks.refresh
        )
        self._early: list[JobResult] = []  # results that arrived before the assignments
        self._seen_at = float("-inf")  # when the database was last told that the node is alive

    def _objects_of(self, unit: Assignment) -> ResultObjects:
        ports, base = self._peers.ports, self._state.node.base
        return ResultObjects(unit, ports.objects, ports.store, ports.clock, self._settings, base)

    # -- opening

    async def started(self) -> None:
        opened = await self._peers.ports.store.session_opened(self._state.node.id)
        self._state.epoch = opened.epoch
        self._state.opened_at = (opened.at, self._state.now)
        self._failures.begin(opened.failures)
        self._announcements.opened()
        self.after(HELLO_SECONDS, HelloDue())
        self.after(0.0, PingDue())
        self._standing.start()

    @handles(AnnounceDue)
    async def announce_due(self, message: AnnounceDue) -> None:
        if not self._state.is_assigned:
            self._announcements.opened()

    @handles(ReopenSession)
    async def reopen_session(self, message: ReopenSession) -> None:
        self._announcements.opened()

    @handles(KeyProved)
    async def key_proved(self, message: KeyProved) -> None:
        self._state.node = attrs.evolve(self._state.node, owner=message.owner, verified=True)

    # -- relay frames from the node

    @handles(Received)
    async def received(self, message: Received) -> None:
        if not await self._connection.admits():
            return
        relay_frame = decode_from_node(message.text)
        if isinstance(relay_frame, Malformed):
            await self._connection.end(CloseCode.MALFORMED, relay_frame.reason[:100])
        elif isinstance(relay_frame, JobStatus):
            await self._take_status(relay_frame)
        elif isinstance(relay_frame, JobResult):
            await self._take_result(relay_frame)
        elif isinstance(relay_frame, Hello):
            await self._take_hello(relay_frame)
        elif isinstance(relay_frame, Pong):
            await self._take_pong()
        elif isinstance(relay_frame, UrlsRequest):
            await self._take_urls_request(relay_frame)
        elif isinstance(relay_frame, Log):
            self._reports.log(self._held_of(relay_frame), relay_frame.text)
        elif isinstance(relay_frame, Preview):
            await self._reports.thumbnail(self._held_of(relay_frame), relay_frame)

    def _held_of(
        self, relay_frame: JobStatus | JobResult | UrlsRequest | Log | Preview
    ) -> HeldUnit | None:
        return self._state.units.named(relay_frame.job_id, relay_frame.unit, relay_frame.attempt)

    @handles(RelayFramesHandled)
    async def relay_frames_handled(self, message: RelayFramesHandled) -> bool:
        return True

    # -- hello

    async def _take_hello(self, hello: Hello) -> None:
        self._state.hear(hello)
        self._announcements.ready()
        self._checks.offer()
        if self._state.is_assigned:
            await self._welcome(hello)
            await self._dispatcher.send_waiting()

    @handles(HelloDue)
    async def hello_due(self, message: HelloDue) -> None:
        if self._state.hello is None:
            self._state.is_plain = True
            await self._dispatcher.send_waiting()

    @handles(ReadyDue)
    async def ready_due(self, message: ReadyDue) -> None:
        self._announcements.ready_again()

    async def _welcome(self, hello: Hello) -> None:
        """Tell the node which of the units that its hello lists it shall keep or drop.

        Units that ran, and that the node does not list, are requeued.
        """
        state = self._state
        comparison, now = state.units.compare(hello.running), state.now
        for held in comparison.keep:
            held.heard_at = now
            if held.phase is Phase.WAITING:
                held.phase, held.begun_at = Phase.SENT, state.assigned_time(held.assignment)
        for held in comparison.unsent:
            held.phase = Phase.WAITING
        for held in comparison.lost:
            unit, node = held.assignment, state.node.id
            held.is_stuck = unit.tries > 1 and len(unit.avoid | {node}) >= HELD_NODES
            self._commits.end(held, unit_failures.lost(unit, node))
        self._leases.soon()
        keep = tuple(held.running for held in comparison.keep)
        await self._connection.send(Welcome(keep=keep, drop=comparison.drop, version=__version__))
        await self._standing.greet()

    # -- assignments

    @handles(Assignments)
    async def assignments(self, message: Assignments) -> None:
        state, assigned = self._state, {(unit.job, unit.number) for unit in message.units}
        for held in state.units:
            if held.key not in assigned and held.phase is not Phase.ENDING:
                await self._dispatcher.drop(held)
        for unit in message.units:
            await self._dispatcher.add(unit)
        is_first, state.is_assigned = not state.is_assigned, True
        early, self._early = self._early, []
        for result in early:
            await self._take_result(result)
        if is_first and state.hello is not None:
            await self._welcome(state.hello)
        await self._standing.update(message.standing)
        await self._dispatcher.send_waiting()

    @handles(Send)
    async def send(self, message: Send) -> None:
        await self._dispatcher.add(message.assignment)
        await self._dispatcher.send_waiting()

    @handles(Withdraw)
    async def withdraw(self, message: Withdraw) -> None:
        held = self._state.units.exactly(message.job, message.unit, message.attempt)
        if held is not None and held.phase is not Phase.ENDING:
            await self._dispatcher.drop(held)
            await self._dispatcher.send_waiting()

    @handles(Recall)
    async def recall(self, message: Recall) -> None:
        held = self._state.units.exactly(message.job, message.unit, message.attempt)
        if not message.for_another:
            if held is not None:
                held.assignment = attrs.evolve(held.assignment, paused=True)
                await self._dispatcher.send_waiting()
        elif held is not None and held.phase is Phase.WAITING:
            self._commits.end(held, unit_failures.stolen(held.assignment))
        elif held is None or held.phase is not Phase.ENDING:  # sent to the node, or already ended
            declined = RecallDeclined(message.job, message.unit, message.attempt)
            self._peers.scheduler.tell(declined)

    @handles(Promote)
    async def promote(self, message: Promote) -> None:
        held = self._state.units.exactly(message.job, message.unit, message.attempt)
        if held is not None:
            held.assignment = attrs.evolve(held.assignment, priority=message.priority)

    # -- progress

    async def _take_status(self, status: JobStatus) -> None:
        held = self._held_of(status)
        if held is not None:
            self._reports.status(held, status)
        elif self._checks.find(status.job_id) is None and self._state.is_assigned:
            await self._connection.cancel(status)

    async def _take_urls_request(self, request: UrlsRequest) -> None:
        check, held = self._checks.find(request.job_id), self._held_of(request)
        try:
            if check is not None:
                await self._connection.send(await self._checks.urls(check, request))
            elif held is not None and request.wanted is not None:
                self._offers.request(held, request.wanted)
            elif held is not None:
                urls = await self._relay_frames.urls(held.assignment, request.files)
                if request.files:
                    progress = self._peers.progress.of(held.id, self._state.now)
                    progress.allow_transfer((file.sha256, file.size) for file in urls.inputs)
                await self._connection.send(urls)
        except (ObjectsUnavailable, Unavailable, Conflict, ValueError) as fault:
            # The node will send the request for URLs again.
            log.warning("URLs for a unit could not be signed: %s", type(fault).__name__)

    @handles(PartsInspected)
    async def parts_inspected(self, message: PartsInspected) -> None:
        held = self._state.units.exactly(message.job, message.unit, message.attempt)
        if held is not None:
            await self._offers.answer(held, message)

    @handles(RenewDue)
    async def renew_due(self, message: RenewDue) -> None:
        now = self._leases.begin()
        await self._watchdog.check()
        for held in self._state.units:
            is_asked = held.phase is Phase.ENDING and held.asked_at is not None
            if is_asked and self._commits.may_ask(held):
                await self._settlement.settle(held)
        self._leases.renew(now)

    # -- results

    async def _take_result(self, result: JobResult) -> None:
        check = self._checks.find(result.job_id)
        if check is not None:
            await self._checks.report(check, result)
            return
        if not self._state.is_assigned:
            if len(self._early) < EARLY_MOST:  # the node sends dropped results again
                self._early.append(result)
            return
        held = self._held_of(result)
        if result.status == "cancelled":
            if held is not None and held.phase is not Phase.ENDING:
                self._requeue_returned(held)
        elif held is None:
            log.info("dropped a result of a unit that this session does not hold")
            await self._connection.acknowledge(result)
        elif held.phase is not Phase.ENDING:
            self._reports.log(held, held.log.new_lines(result.detail or ""))
            held.result, held.phase = result, Phase.ENDING
            await self._settlement.settle(held)
        elif held.result is None:
            held.result = result  # acknowledged once the unit's end, already requested, is booked
        await self._dispatcher.send_waiting()

    def _requeue_returned(self, held: HeldUnit) -> None:
        """Requeue a unit that the node returned unfinished, or fail it after too many returns."""
        effect = unit_failures.returned(held.assignment)
        if effect is None:
            self._commits.fail(held, Failure("node", unit_failures.RETURNED, GIVEN_BACK))
        else:
            self._commits.end(held, effect)

    @handles(ResultInspected)
    async def result_inspected(self, message: ResultInspected) -> None:
        held = self._state.units.exactly(message.job, message.unit, message.attempt)
        if held is not None and held.result is not None and held.effect is None:
            await self._settlement.inspected(held, held.result, message.found)
            await self._dispatcher.send_waiting()

    @handles(AlternativesFound)
    async def alternatives_found(self, message: AlternativesFound) -> None:
        held = self._state.units.exactly(message.job, message.unit, message.attempt)
        if held is not None:
            await self._settlement.alternatives_found(held, message)

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        commit, outcome = message.tag, message.outcome
        assert isinstance(commit, PendingCommit), "every commit of a session is about a unit"
        held = commit.held
        held.asked_at = None
        if isinstance(outcome, LedgerUnavailable):  # all other outcomes decide the commit
            if commit.ends:
                self._commits.retry(held)
            return
        if units := units_of(outcome):
            announce(units, self._peers.scheduler, self._peers.notifier)
        if self._state.units.exactly(*held.id) is not held:
            return
        if commit.ends:
            await self._close_unit(held, outcome)
        elif not isinstance(outcome, GuardFailed | DataRefused):
            held.is_started = True
        elif held.phase is not Phase.ENDING:  # the unit was cancelled or given to another node
            await self._dispatcher.drop(held)
        await self._dispatcher.send_waiting()

    async def _close_unit(self, held: HeldUnit, outcome: Outcome) -> None:
        """Remove a unit whose end is booked from the session, and acknowledge its result."""
        is_failed = isinstance(held.effect, UnitFail)
        if is_failed:
            await self._reports.keep_log(held)
        self._watchdog.note_pace(held, outcome)
        await self._failures.note(held, outcome)
        self._state.units.remove(held)
        self._peers.progress.forget(held.id)
        alert_admins(held, self._state.node.id, outcome)
        if isinstance(held.effect, UnitFail) and held.effect.caught is not None:
            self._checks.report_lie()
        if held.result is not None:
            await self._connection.acknowledge(held.result)
        if not is_failed and not isinstance(outcome, GuardFailed | DataRefused):
            await self._reports.keep_log(held, completed=True)

    @handles(TryAgain)
    async def try_again(self, message: TryAgain) -> None:
        held = self._state.units.exactly(message.job, message.unit, message.attempt)
        if held is not None and held.phase is Phase.ENDING:
            if self._commits.may_ask(held):
                await self._settlement.settle(held)
            elif held.effect is None:  # the Ledger has yet to answer about the unit's start
                self._commits.retry(held)
        await self._dispatcher.send_waiting()

    # -- checks for the Verifier

    @handles(RunCheck)
    async def run_check(self, message: RunCheck) -> None:
        await self._checks.run(message)

    @handles(DropCheck)
    async def drop_check(self, message: DropCheck) -> None:
        await self._checks.drop(message.check)

    # -- standing and token

    @handles(StandingUpdate)
    async def standing_update(self, message: StandingUpdate) -> None:
        if await self._standing.update(message.standing):
            await self._dispatcher.send_waiting()

    @handles(TokenDue)
    async def token_due(self, message: TokenDue) -> None:
        await self._standing.renew_token()

    # -- liveness of the node

    @handles(PingDue)
    async def ping_due(self, message: PingDue) -> None:
        if self._connection.is_silent:
            await self._connection.end(CloseCode.HEARTBEAT_TIMEOUT, "no pong")
        elif await self._connection.ping():
            self.after(PING_SECONDS, PingDue())
            self._checks.refresh()
            await self._note_seen()

    @handles(PingSeen)
    async def ping_seen(self, message: PingSeen) -> None:
        await self._connection.admits()

    @handles(PongSeen)
    async def pong_seen(self, message: PongSeen) -> None:
        if await self._connection.admits():
            await self._take_pong()

    async def _take_pong(self) -> None:
        now = self._connection.pong_at = self._state.now
        if self._state.hello is None:  # a node without a hello renews its leases by pongs alone
            for held in self._state.units:
                if held.is_out:
                    held.heard_at = now
        await self._note_seen()

    async def _note_seen(self) -> None:
        """Record that the node is alive, at most once per ``SEEN_SECONDS``."""
        now = self._state.now
        if self._connection.is_silent or now - self._seen_at < SEEN_SECONDS:
            return
        self._seen_at = now
        self._announcements.seen()
        try:
            await self._peers.ports.store.node_seen(self._state.node.id)
        except (Unavailable, Conflict):
            self._seen_at = float("-inf")  # try again at the next ping or pong

    # -- close

    @handles(Close)
    async def close(self, message: Close) -> None:
        await self._connection.end(message.code, message.reason)

    @handles(Disconnected)
    async def disconnected(self, message: Disconnected) -> None:
        self._connection.lost()

    async def stopped(self) -> None:
        self._announcements.closed()
        self._checks.withdraw()
        await self._connection.close(CloseCode.SERVICE_RESTART, "restart")
