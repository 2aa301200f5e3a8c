"""The scheduler: chooses a node for every unit and sends the assignment to the node's session.

The scheduler writes nothing to the books: the Ledger commits the scheduler's assignments. The
scheduler reads its state again from the database every few seconds, so it may be restarted, or miss
a message, at any time.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any, Final, cast
from uuid import UUID

from prometheus_client import Counter

from actors.kernel import Actor, DeferredReply, Down, Ref, Timer, handles
from actors.ledger.effects import JobInsert
from actors.ledger.messages import Decided, Ledger, LedgerUnavailable, units_of
from actors.node_session.messages import Close, KeyProved, NodeSession, ReopenSession
from actors.notifier.messages import Notifier, ToOthers, UnitsMoved
from actors.ports import Ports
from actors.scheduler import placement, queries
from actors.scheduler.backlog_reader import JOBS_MOST, BacklogReader
from actors.scheduler.messages import (
    LONG_AGO,
    AccessChanged,
    AllNodesFull,
    BalanceLoad,
    Dispatch,
    DispatchOutcome,
    ExplainWaiting,
    FindAlternatives,
    FleetSummary,
    GatewayMembership,
    GetFleet,
    GetVerifierCoverage,
    Hint,
    IsLoaded,
    JobPaused,
    JobsChanged,
    NoCapableNode,
    NodeDeclined,
    NodeFailed,
    NodeGone,
    NodeProved,
    NodeSeen,
    PauseOver,
    PeerAssigned,
    PeerClaimed,
    PeerServes,
    PlaceDue,
    Poll,
    ReadJobs,
    RecallDeclined,
    Refill,
    ResendMissed,
    RestOver,
    Scheduler,
    SessionClosed,
    SessionOpened,
    SessionReady,
    StandingChanged,
    StandingsDue,
    StealRequests,
    TooManyOpen,
    UnitsChanged,
    WaitCounts,
    Wake,
)
from actors.scheduler.node import Node, capability_set
from actors.scheduler.policy import pause_seconds
from actors.scheduler.queues import PendingDispatches
from actors.scheduler.settings import SchedulerSettings
from actors.scheduler.speculation import speculate
from actors.scheduler.state import REFILL, REFILL_JOBS, SchedulerState
from actors.scheduler.units import (
    PENDING,
    AssignmentTag,
    commit_of_dispatch,
    commit_of_waiting,
    is_committed,
    kind_of,
)
from actors.scheduler.work_stealing import WorkStealing
from rendertrust.protocol import CloseCode
from sql.database import Conflict, Unavailable
from sql.node_failures import rest_seconds

CLAIMS_LOST: Final = Counter(
    "rendertrust_claims_lost", "Assignments that failed, usually as another gateway was faster."
)
DISPATCHES: Final = Counter("rendertrust_dispatches", "Units assigned to a node.")
DEFAULT_SETTINGS: Final = SchedulerSettings()
POLL_SECONDS: Final = 5.0
SOON_SECONDS: Final = 0.1  # delay from a hint to the read that it causes
REFILL_SECONDS: Final = 0.02  # delay from a placement to the read of the job's next units
BALANCE_SECONDS: Final = 0.5  # seconds between two attempts to balance the load
RETRY_SECONDS: Final = 1.0  # seconds between two tries to read while the database is down
NODE_POLLS: Final = 12  # nodes are read every ``NODE_POLLS * POLL_SECONDS`` seconds
PAGE_PAUSE_FACTOR: Final = 3  # pause after reading a page, as a multiple of the time of the read
# The longest time until delayed units are examined again. The timer is not shortened when a unit
# with an earlier start time is queued.
PLACE_SECONDS_MOST: Final = 60.0
REREAD_MOST: Final = 4096  # jobs that wait to be read again; beyond this, all open jobs are read
# Each read of standings starts this long before the newest known standing, as an older one may be
# committed later.
OVERLAP: Final = timedelta(seconds=10)
log = logging.getLogger(__name__)


class SchedulerActor(Actor[Scheduler]):
    """Places units on nodes. The handlers are in the order of a unit's life cycle.

    ``sessions`` returns the addresses of all open node sessions. When the actor starts, it asks all
    sessions to send ``SessionOpened`` again.
    """

    def __init__(
        self,
        ports: Ports,
        ledger: Ref[Ledger],
        notifier: Ref[Notifier],
        sessions: Callable[[], Iterable[Ref[NodeSession]]],
        settings: SchedulerSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._ledger, self._notifier = ledger, notifier
        self._store, self._clock = ports.store, ports.clock
        self._sessions, self._settings = sessions, settings
        self._state = SchedulerState(Node.tell, settings.ours)
        self._work_stealing = WorkStealing(self._state)
        self._wait_reasons = queries.WaitReasons(self._state)
        self._backlog = BacklogReader(ports.store, self._state, ports.clock.now)
        self._loaded = False  # all open units have been read from the database once
        self._pending = PendingDispatches()
        # Replies to pending dispatches whose jobs are being committed, by job.
        self._answers: dict[Any, DeferredReply[DispatchOutcome]] = {}
        self._serving: dict[Ref[NodeSession], Node] = {}
        self._standings_until = LONG_AGO  # all standings up to this time have been read
        self._nodes_due = -math.inf  # when the nodes are read again, by the monotonic clock
        self._to_reread: set[UUID] = set()  # jobs to be read again
        self._poll: Timer | None = None
        self._poll_is_soon = False
        self._poll_again = False  # begin a new pass soon after the present one
        self._reread_due: Timer | None = None
        self._refill_due: Timer | None = None
        self._place_due: Timer | None = None
        self._balance_due: Timer | None = None
        self._resend_due: Timer | None = None
        self._access_due: Timer | None = None
        # Replies to changes of access that are not read yet.
        self._access_answers: list[DeferredReply[None]] = []

    async def started(self) -> None:
        for session in self._sessions():
            session.tell(ReopenSession())
        self._poll_in(0.0)
        self.after(self._settings.standings_seconds, StandingsDue(), jitter=0.1)

    # -- a job is dispatched

    @handles(Dispatch)
    async def dispatch(self, message: Dispatch) -> DispatchOutcome | DeferredReply[DispatchOutcome]:
        tag = self._reserve(message)
        if tag is None:
            later: DeferredReply[DispatchOutcome] = self.later(message)
            return later if self._pending.keep(message, later) else AllNodesFull(1)
        if not isinstance(tag, AssignmentTag):
            return tag
        commit = commit_of_dispatch(message, tag, self.ref)
        return cast("DeferredReply[DispatchOutcome]", self.forward(self._ledger, commit))

    def _reserve(
        self, order: Dispatch
    ) -> AssignmentTag | NoCapableNode | AllNodesFull | TooManyOpen | None:
        """Reserve a slot for a new job, or return why the job is refused; None if the job must
        wait.

        A dispatch waits until the state is loaded. If all nodes are full, it also waits while a
        slot is held for another new job that is being committed.
        """
        if not self._loaded:
            return None
        if (order.insert.job, 0) in self._state.units:
            return AllNodesFull(1)  # a repeated request: the job is already being placed
        if (refused := self._too_many(order.insert)) is not None:
            return refused
        now, clock = self._clock.now(), self._clock.monotonic()
        tag = placement.reserve(self._state, order.insert, now, clock)
        job_type = order.insert.plan.job_type
        if isinstance(tag, AllNodesFull) and self._state.is_committing_new_job(job_type):
            return None
        return tag

    def _too_many(self, insert: JobInsert) -> TooManyOpen | None:
        """Return the limit for a user's open jobs that a new job would exceed, if any."""
        units, most = self._state.units, self._settings.limits
        if units.jobs_of(insert.user) >= most.open_jobs:
            return TooManyOpen(most.open_jobs)
        if insert.is_free and units.free_jobs_of(insert.user) >= most.open_free_jobs:
            return TooManyOpen(most.open_free_jobs, "free jobs")
        kinds = units.kinds_of(insert.user)
        if len(kinds) < most.open_kinds:
            return None
        kind = kind_of(insert.plan, many=insert.is_many)
        return None if kind in kinds else TooManyOpen(most.open_kinds, "kinds")

    def _try_dispatch(self, order: Dispatch, later: DeferredReply[DispatchOutcome]) -> bool:
        """Reserve a slot for a pending dispatch, or refuse it; return False if it must wait."""
        tag = self._reserve(order)
        if tag is None:
            return False
        if not isinstance(tag, AssignmentTag):
            later.answer(tag)
        elif self._ledger.tell(commit_of_dispatch(order, tag, self.ref)):
            self._answers[order.insert.job] = later
        else:
            self._state.refuse(tag)
            later.answer(AllNodesFull(1))
        return True

    # -- units that wait are placed

    @handles(PlaceDue)
    async def place_due(self, message: PlaceDue) -> None:
        self._place_due = None
        self._place()

    def _place(self) -> None:
        """Find nodes for the units that wait, then for the pending dispatches.

        Must be called after every change that may allow a waiting unit to be placed.
        """
        if not self._loaded:
            return
        now = self._clock.now()
        due = self._state.due(now)
        claimed: list[tuple[UUID, int, int]] = []
        for tag in placement.place(self._state, now, self._clock.monotonic()):
            if not self._commit(tag):
                break  # the next poll queues the unit again
            claimed.append((*tag.unit.key, tag.attempt))
        if claimed:
            self._tell_others(PeerClaimed(tuple(claimed)))
        self._pending.answer_waiting(self._try_dispatch)
        if due is not None and self._place_due is None:
            within = min((due - now).total_seconds(), PLACE_SECONDS_MOST)
            self._place_due = self.after(within, PlaceDue())
        self._resend_soon()
        self._refill_in(REFILL_SECONDS)
        self._balance_soon()

    def _commit(self, tag: AssignmentTag) -> bool:
        """Commit the assignment; free the slot if the Ledger's mailbox is full."""
        if self._ledger.tell(commit_of_waiting(tag, self.ref)):
            return True
        self._state.refuse(tag)
        return False

    # -- the Ledger has decided

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        tag, outcome = message.tag, message.outcome
        assert isinstance(tag, AssignmentTag), "only assignments are committed here"
        if is_committed(tag, outcome):
            self._state.confirm(tag, self._clock.now(), self._clock.monotonic())
            DISPATCHES.inc(tag.node is not None)
            self._notifier.tell(UnitsMoved(units_of(outcome)))
            if tag.node is not None and not self._state.serves(tag.node):
                self._tell_others(PeerAssigned((tag.node,)))
        else:
            self._state.refuse(tag)
            CLAIMS_LOST.inc(tag.unit.state != PENDING)
            # Another gateway has changed the unit, or the unanswered commit took effect: read the
            # unit.
            if tag.unit.state != PENDING or isinstance(outcome, LedgerUnavailable):
                self._read_soon((tag.unit.job,))
        later = self._answers.pop(tag.unit.job, None)
        if later is not None:
            later.answer(outcome)
        self._place()

    # -- units begin, end, or are queued again

    @handles(UnitsChanged)
    async def units_changed(self, message: UnitsChanged) -> None:
        unknown = [state for state in message.units if self._state.apply(state)]
        self._read_soon(state.job for state in unknown if state.state != "QUEUED")
        self._place()

    @handles(JobsChanged)
    async def jobs_changed(self, message: JobsChanged) -> None:
        self._read_soon(message.jobs)

    @handles(JobPaused)
    async def job_paused(self, message: JobPaused) -> None:
        self._state.pause(message.job)

    # -- units move to idle nodes, or get a second attempt there

    @handles(BalanceLoad)
    async def balance_load(self, message: BalanceLoad) -> None:
        self._balance_due = None
        requests = self._work_stealing.balance(self._clock.now(), self._clock.monotonic())
        if requests:
            self._tell_others(StealRequests(tuple(requests)))
        self._balance_soon()

    @handles(RecallDeclined)
    async def recall_declined(self, message: RecallDeclined) -> None:
        key, attempt = (message.job, message.unit), message.attempt
        wanted_for = self._state.recall_declined(key, attempt, message.node)
        if wanted_for is not None:
            self._tell_others(RecallDeclined(*key, attempt, wanted_for))
        self._balance_soon()

    @handles(StealRequests)
    async def steal_requests(self, message: StealRequests) -> None:
        now, clock = self._clock.now(), self._clock.monotonic()
        for one in message.requests:
            if not self._work_stealing.recall_for_peer(one, now, clock):
                self._tell_others(RecallDeclined(one.job, one.unit, one.attempt, one.node))

    def _balance_soon(self) -> None:
        if self._balance_due is None and self._loaded and self._work_stealing.is_uneven:
            self._balance_due = self.after(BALANCE_SECONDS, BalanceLoad(), jitter=0.1)

    async def _copy_stragglers(self) -> None:
        policy = self._settings.scheduling
        for tag in await speculate(self._state, self._store, self._clock, policy):
            self._commit(tag)

    # -- other gateways

    def _tell_others(self, hint: Hint) -> None:
        self._notifier.tell(ToOthers(hint))

    @handles(GatewayMembership)
    async def gateway_membership(self, message: GatewayMembership) -> None:
        self._state.membership = (message.index, message.gateways)

    @handles(PeerClaimed)
    async def peer_claimed(self, message: PeerClaimed) -> None:
        self._state.note_claims(message.units, self._clock.now())
        self._refill_in(REFILL_SECONDS)

    @handles(PeerAssigned)
    async def peer_assigned(self, message: PeerAssigned) -> None:
        """Read the units that another gateway assigned to nodes with a session here."""
        known = (self._state.index.get(node) for node in message.nodes)
        try:
            for node in [node for node in known if node is not None and node.session is not None]:
                self._state.take_over(await self._store.open_units_of(node.id), self._clock.now())
        except (Unavailable, Conflict) as error:
            log.warning("other gateways' assignments cannot be read: %s", type(error).__name__)
        self._place()

    # -- nodes

    @handles(NodeSeen)
    async def node_seen(self, message: NodeSeen) -> None:
        node = self._state.index.node(message.node)
        load = node.load if message.load is None else message.load
        seen = (True, message.owner, capability_set(message.capabilities), load)
        if seen != (node.healthy, node.owner, node.capabilities, node.load):
            node.healthy, node.owner, node.capabilities, node.load = seen
            self._state.index.changed(node)
            self._place()

    @handles(NodeGone)
    async def node_gone(self, message: NodeGone) -> None:
        self._state.note_silent(message.node)

    @handles(NodeProved)
    async def node_proved(self, message: NodeProved) -> None:
        node = self._state.index.get(message.node)
        if node is not None:
            node.tell(KeyProved(message.owner))

    @handles(StandingChanged)
    async def standing_changed(self, message: StandingChanged) -> None:
        if self._state.set_standing(self._state.index.node(message.node), message.standing):
            self._place()

    @handles(StandingsDue)
    async def standings_due(self, message: StandingsDue) -> None:
        try:
            await self._read_standings()
        except (Unavailable, Conflict) as error:
            log.warning("standings cannot be read: %s", type(error).__name__)
        self.after(self._settings.standings_seconds, StandingsDue(), jitter=0.1)

    async def _read_standings(self) -> None:
        rows = await self._store.standings(self._standings_until)
        if rows:
            self._standings_until = max(self._standings_until, rows[-1].at - OVERLAP)
        if self._state.set_standings(rows):
            self._place()

    @handles(AccessChanged)
    async def access_changed(self, message: AccessChanged) -> DeferredReply[None]:
        """Read the change, and answer; if the database is down, read again later."""
        waiting = [later for later in self._access_answers if not later.gone]
        self._access_answers = [*waiting, self.later(message)]
        if self._access_due is not None:
            self._access_due.cancel()
        try:
            self._state.index.set_access(await self._store.circles())
        except (Unavailable, Conflict) as error:
            log.warning("a change of access cannot be read: %s", type(error).__name__)
            self._access_due = self.after(RETRY_SECONDS, AccessChanged())
            return self._access_answers[-1]
        answers, self._access_answers = self._access_answers, []
        for later in answers:
            later.answer(None)
        self._place()
        return answers[-1]

    # -- sessions of nodes

    @handles(SessionOpened)
    async def session_opened(self, message: SessionOpened) -> None:
        node = self._state.index.node(message.node)
        if node.session is not message.session and not self._serve(node, message):
            return
        node.owner, node.capabilities = message.owner, capability_set(message.capabilities)
        self._state.index.changed(node)
        self._state.set_standing(node, message.standing)
        self._state.fall_behind(node)
        self._resend()
        self._place()

    def _serve(self, node: Node, message: SessionOpened) -> bool:
        """Let a new session serve the node; close the session instead if any gateway has a newer
        session of the node.
        """
        if message.epoch < node.epoch:
            message.session.tell(Close(CloseCode.REPLACED, "replaced"))
            return False
        if node.session is not None:
            node.session.tell(Close(CloseCode.REPLACED, "replaced"))
            self._serving.pop(node.session, None)
        node.session, node.epoch = message.session, message.epoch
        node.forget()
        self._serving[message.session] = node
        self.watch(message.session)
        self._tell_others(PeerServes(node.id, node.epoch))
        return True

    @handles(SessionReady)
    async def session_ready(self, message: SessionReady) -> None:
        node = self._serving.get(message.session)
        if node is not None:
            node.take_hello(message.hello)
            self._state.index.changed(node)
            self._place()

    @handles(NodeDeclined)
    async def node_declined(self, message: NodeDeclined) -> None:
        node = self._serving.get(message.session)
        if node is None or node.is_paused:
            return
        node.declines += 1
        node.is_paused = True
        self._state.index.changed(node)
        self.after(pause_seconds(node.declines), PauseOver(message.session))

    @handles(PauseOver)
    async def pause_over(self, message: PauseOver) -> None:
        node = self._serving.get(message.session)
        if node is None:
            return
        node.is_paused = False
        self._state.index.changed(node)
        self._place()

    @handles(NodeFailed)
    async def node_failed(self, message: NodeFailed) -> None:
        node, seconds = self._serving.get(message.session), rest_seconds(message.failures)
        if node is None or not seconds:
            return
        node.rests_until = self._clock.monotonic() + seconds
        self._state.index.changed(node)
        self.after(seconds, RestOver(node.id))

    @handles(RestOver)
    async def rest_over(self, message: RestOver) -> None:
        node = self._state.index.get(message.node)
        if node is not None and node.end_rest(self._clock.monotonic()):
            self._state.index.changed(node)
            self._place()

    @handles(ResendMissed)
    async def resend_missed(self, message: ResendMissed) -> None:
        self._resend_due = None
        self._resend()

    def _resend(self) -> None:
        """Once all open units are loaded, send all assignments again to sessions that missed a
        message.
        """
        if self._loaded and self._state.is_behind:
            self._state.catch_up()
        self._resend_soon()

    def _resend_soon(self) -> None:
        if self._state.is_behind and self._resend_due is None and self._loaded:
            self._resend_due = self.after(SOON_SECONDS, ResendMissed())

    @handles(PeerServes)
    async def peer_serves(self, message: PeerServes) -> None:
        self._heed_epoch(self._state.index.node(message.node), message.epoch)

    def _heed_epoch(self, node: Node, epoch: int) -> None:
        """Close the node's session here if another gateway has a newer session of the node."""
        if epoch <= node.epoch:
            return
        node.epoch, session = epoch, node.session
        if session is not None:
            session.tell(Close(CloseCode.REPLACED, "replaced"))
            self._lose(session)

    @handles(SessionClosed)
    async def session_closed(self, message: SessionClosed) -> None:
        self._lose(message.session)

    @handles(Down)
    async def session_down(self, message: Down) -> None:
        self._lose(message.ref)

    def _lose(self, session: Ref[Any]) -> None:
        node = self._serving.pop(session, None)
        if node is not None:
            node.leave(self._clock.monotonic())
            self._state.index.changed(node)

    # -- everything is read again from the database

    @handles(Poll)
    async def poll(self, message: Poll) -> None:
        self._poll = None
        try:
            wait = await self._read()
        except (Unavailable, Conflict) as error:
            log.warning("open units cannot be read: %s", type(error).__name__)
            wait = RETRY_SECONDS
        self._state.expire(self._clock.now(), self._clock.monotonic())
        self._answers = {job: later for job, later in self._answers.items() if not later.gone}
        self._resend()
        self._place()
        if not self._backlog.under_way:
            await self._copy_stragglers()
        self._poll_in(wait)

    async def _read(self) -> float:
        """Read the next page of open jobs; return the seconds until the following page is due."""
        began = self._clock.monotonic()
        if not self._backlog.under_way:
            await self._begin_pass()
        await self._read_nodes(began)
        if not await self._backlog.read_page():
            took = self._clock.monotonic() - began
            return took * PAGE_PAUSE_FACTOR if self._loaded else 0.0
        if not self._loaded:
            self._loaded = True
            log.info("the scheduler has loaded %d open units", len(self._state.units))
        again, self._poll_again = self._poll_again, False
        return SOON_SECONDS if again else POLL_SECONDS

    async def _begin_pass(self) -> None:
        if not self._loaded:
            await self._read_standings()
        self._state.index.set_access(await self._store.circles())

    async def _read_nodes(self, now: float) -> None:
        """Read the healthy nodes if that is due.

        The function is called for each page, as a pass over a large backlog takes minutes. ``now``
        must be from before the query, so that a node whose session ends during the query does not
        count as alive again.
        """
        if now < self._nodes_due:
            return
        nodes = await self._store.healthy_nodes()
        self._nodes_due = now + POLL_SECONDS * NODE_POLLS
        self._state.refresh(nodes, now)
        self._state.forget_silent(now)
        for row in nodes:  # the hint of a newer session may have been lost
            self._heed_epoch(self._state.index.node(row.id), row.epoch)

    @handles(Wake)
    async def wake(self, message: Wake) -> None:
        self._poll_soon()

    def _poll_soon(self) -> None:
        if self._backlog.under_way:
            self._poll_again = True
        elif not self._poll_is_soon:
            self._poll_in(SOON_SECONDS)
            self._poll_is_soon = True

    def _poll_in(self, seconds: float) -> None:
        if self._poll is not None:
            self._poll.cancel()
        self._poll_is_soon = False
        self._poll = self.after(seconds, Poll())

    @handles(ReadJobs)
    async def read_jobs(self, message: ReadJobs) -> None:
        self._reread_due = None
        jobs = set(islice(self._to_reread, JOBS_MOST))
        try:
            await self._backlog.read(jobs)
        except (Unavailable, Conflict) as error:
            log.warning("jobs cannot be read: %s", type(error).__name__)
            self._reread_due = self.after(RETRY_SECONDS, ReadJobs())
            return
        self._to_reread -= jobs
        self._resend()
        self._place()
        self._read_soon(())

    def _read_soon(self, jobs: Iterable[UUID]) -> None:
        """Schedule a read of the open units of these jobs, and of the jobs scheduled before."""
        self._to_reread.update(jobs)
        if len(self._to_reread) > REREAD_MOST:
            self._to_reread.clear()
            self._poll_soon()
        if self._to_reread and self._reread_due is None:
            self._reread_due = self.after(SOON_SECONDS, ReadJobs())

    @handles(Refill)
    async def refill(self, message: Refill) -> None:
        self._refill_due = None
        jobs = sorted(self._state.jobs_to_refill)[:REFILL_JOBS]
        try:
            known = self._state.waiting_keys(jobs)
            rows = await self._store.ready_units(jobs, REFILL, known)
        except (Unavailable, Conflict) as error:
            log.warning("the next units of jobs cannot be read: %s", type(error).__name__)
            self._refill_in(RETRY_SECONDS)
            return
        self._state.top_up(jobs, rows, self._clock.now())
        self._place()

    def _refill_in(self, seconds: float) -> None:
        if self._refill_due is None and self._loaded and self._state.jobs_to_refill:
            self._refill_due = self.after(seconds, Refill())

    # -- questions

    @handles(IsLoaded)
    async def is_loaded(self, message: IsLoaded) -> bool:
        return self._loaded

    @handles(ExplainWaiting)
    async def explain_waiting(self, message: ExplainWaiting) -> Mapping[int, WaitCounts]:
        return self._wait_reasons.of(message.job, message.units, self._clock.monotonic())

    @handles(GetFleet)
    async def get_fleet(self, message: GetFleet) -> FleetSummary:
        return queries.fleet_of(self._state, message.user, message.job_type, message.pool)

    @handles(GetVerifierCoverage)
    async def get_verifier_coverage(self, message: GetVerifierCoverage) -> Mapping[UUID, bool]:
        return queries.verifier_coverage(self._state, message.nodes)

    @handles(FindAlternatives)
    async def find_alternatives(self, message: FindAlternatives) -> None:
        if self._loaded:  # until then the session repeats its question
            message.session.tell(queries.alternatives(self._state, message))
