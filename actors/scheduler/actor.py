"""The Scheduler: finds a node for every unit, and sees that the node hears of it.

It books nothing itself: assignments are commits of the Ledger, and what is known here is read again
from the database every few seconds. So it may be restarted, or miss a message, at any time.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, cast
from uuid import UUID

from actors.kernel import Later, Ref, Timer, handles
from actors.ledger.messages import Decided, Ledger, LedgerUnavailable
from actors.node_session.messages import NodeSession, ReopenSession
from actors.notifier.messages import Notifier, ToOthers, UnitsMoved
from actors.ports import Clock, Store
from actors.scheduler import ledger_commands
from actors.scheduler.backlog_reader import JOBS_MOST, BacklogReader
from actors.scheduler.base_state import AssignmentTag
from actors.scheduler.messages import (
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
    PeerAssigned,
    PeerClaimed,
    PlaceDue,
    Poll,
    ReadJobs,
    RecallDeclined,
    Refill,
    StandingsDue,
    StealRequests,
    TooManyOpen,
    UnitsChanged,
    WaitCounts,
    Wake,
)
from actors.scheduler.node_events import NodeEvents
from actors.scheduler.placement_request import kind_of
from actors.scheduler.policy import PENDING
from actors.scheduler.queries import WaitReasons, checkable, elsewhere, fleet_of
from actors.scheduler.queues import PendingDispatches
from actors.scheduler.settings import SchedulerSettings
from actors.scheduler.state import REFILL, REFILL_JOBS
from actors.scheduler.straggler_search import straggling
from sql.database import Unavailable

USUAL: Final = SchedulerSettings()
PAUSE_TIMES: Final = 3  # the pause between two pages, by how long the last one took
UNSURE_MOST: Final = 4096  # jobs to be read again; of more all are read
log = logging.getLogger(__name__)


class SchedulerActor(NodeEvents):
    """``sessions`` gives the addresses of the living sessions: after a restart they are asked."""

    def __init__(
        self,
        ledger: Ref[Ledger],
        notifier: Ref[Notifier],
        store: Store,
        clock: Clock,
        *,
        sessions: Callable[[], Iterable[Ref[NodeSession]]],
        settings: SchedulerSettings = USUAL,
    ) -> None:
        super().__init__(store, clock, settings)
        self._ledger = ledger
        self._notifier = notifier
        self._sessions = sessions
        self._reasons = WaitReasons(self._board)
        self._pending = PendingDispatches()
        self._answers: dict[Any, Later[DispatchOutcome]] = {}  # of those who waited, by job
        self._backlog = BacklogReader(store, self._board, clock.now)
        self._nodes_due = -math.inf  # when the nodes are read again, by the monotonic clock
        self._poll: Timer | None = None
        self._poll_is_soon = False
        self._poll_again = False  # something changed while a pass was under way
        self._unsure: set[UUID] = set()  # jobs to be read again
        self._reread_due: Timer | None = None
        self._place_due: Timer | None = None
        self._refill_due: Timer | None = None
        self._relief_due: Timer | None = None

    async def started(self) -> None:
        for session in self._sessions():
            session.tell(ReopenSession())
        self._poll_in(0.0)
        self.after(self._settings.standings_seconds, StandingsDue(), jitter=0.1)

    # -- from the web

    @handles(Dispatch)
    async def dispatch(self, message: Dispatch) -> DispatchOutcome | Later[DispatchOutcome]:
        booking = self._book(message)
        if booking is None:
            later: Later[DispatchOutcome] = self.later(message)
            return later if self._pending.keep(message, later) else AllNodesFull(1)
        if not isinstance(booking, AssignmentTag):
            return booking
        commit = ledger_commands.of_order(message, booking, self.ref)
        return cast("Later[DispatchOutcome]", self.forward(self._ledger, commit))

    def _book(
        self, order: Dispatch
    ) -> AssignmentTag | NoCapableNode | AllNodesFull | TooManyOpen | None:
        """None: it must wait. The nodes are not known yet, or what fills them may be refused."""
        if not self._loaded:
            return None
        if (order.job, 0) in self._board.units:
            return AllNodesFull(1)  # the same retry was asked for twice, and is being placed
        if (refused := self._too_many(order)) is not None:
            return refused
        booking = self._board.book(order, self._clock.now(), self._clock.monotonic())
        if isinstance(booking, AllNodesFull) and self._board.may_free(order.job_type):
            return None
        return booking

    def _too_many(self, order: Dispatch) -> TooManyOpen | None:
        """Refuse what a user has too much of already: what waits is never given up for it."""
        units, most = self._board.units, self._settings
        if units.jobs_of(order.user) >= most.open_jobs:
            return TooManyOpen(most.open_jobs)
        if order.is_free and units.free_jobs_of(order.user) >= most.open_free_jobs:
            return TooManyOpen(most.open_free_jobs, "free jobs")
        kinds = units.kinds_of(order.user)
        if len(kinds) < most.open_kinds:
            return None
        kind = kind_of(order.job_type, order.params, many=len(order.pieces) > 1)
        return None if kind in kinds else TooManyOpen(most.open_kinds, "kinds")

    def _settle(self, order: Dispatch, later: Later[DispatchOutcome]) -> bool:
        """Book for somebody who waited, or tell him no; False if he has to wait on."""
        booking = self._book(order)
        if booking is None:
            return False
        if not isinstance(booking, AssignmentTag):
            later.answer(booking)
        elif self._ledger.tell(ledger_commands.of_order(order, booking, self.ref)):
            self._answers[order.job] = later
        else:
            self._board.refuse(booking)
            later.answer(AllNodesFull(1))
        return True

    @handles(IsLoaded)
    async def is_loaded(self, message: IsLoaded) -> bool:
        return self._loaded

    @handles(ExplainWaiting)
    async def why_waiting(self, message: ExplainWaiting) -> Mapping[int, WaitCounts]:
        return self._reasons.of(message.job, message.units, self._clock.monotonic())

    @handles(GetFleet)
    async def fleet_of(self, message: GetFleet) -> FleetSummary:
        return fleet_of(self._board, message.user, message.job_type, message.pool)

    @handles(GetVerifierCoverage)
    async def checkable(self, message: GetVerifierCoverage) -> Mapping[UUID, bool]:
        return checkable(self._board, message.nodes)

    @handles(FindAlternatives)
    async def who_else(self, message: FindAlternatives) -> None:
        if self._loaded:  # else it asks again
            message.session.tell(elsewhere(self._board, message))

    # -- from the Ledger

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        booking, outcome = message.tag, message.outcome
        assert isinstance(booking, AssignmentTag), "nothing but bookings is committed here"
        if ledger_commands.holds(booking, outcome):
            self._board.confirm(booking, self._clock.now(), self._clock.monotonic())
            ledger_commands.DISPATCHES.inc(booking.node is not None)
            self._notifier.tell(UnitsMoved(ledger_commands.units_of(outcome)))
            if booking.node is not None and not self._board.serves(booking.node):
                self._tell_others(PeerAssigned((booking.node,)))
        else:
            self._board.refuse(booking)
            ledger_commands.CLAIMS_LOST.inc(booking.unit.state != PENDING)
            # Somebody else changed it, or it may be in the books all the same: see what it is.
            if booking.unit.state != PENDING or isinstance(outcome, LedgerUnavailable):
                self._read_soon((booking.unit.job,))
        later = self._answers.pop(booking.unit.job, None)
        if later is not None:
            later.answer(outcome)
        self._place()

    # -- of units

    @handles(UnitsChanged)
    async def units_changed(self, message: UnitsChanged) -> None:
        unknown = [state for state in message.units if self._board.hear(state)]
        self._read_soon(state.job for state in unknown if state.state != "QUEUED")
        self._place()

    @handles(JobsChanged)
    async def jobs_changed(self, message: JobsChanged) -> None:
        self._read_soon(message.jobs)

    @handles(JobPaused)
    async def job_paused(self, message: JobPaused) -> None:
        self._board.pause(message.job)

    @handles(RecallDeclined)
    async def kept(self, message: RecallDeclined) -> None:
        of, attempt = (message.job, message.unit), message.attempt
        wanted_for = self._board.kept(of, attempt, message.node)
        if wanted_for is not None:
            self._tell_others(RecallDeclined(*of, attempt, wanted_for))
        self._see_who_is_idle()

    @handles(BalanceLoad)
    async def relieve(self, message: BalanceLoad) -> None:
        self._relief_due = None
        wishes = self._board.relieve(self._clock.now(), self._clock.monotonic())
        if wishes:
            self._tell_others(StealRequests(tuple(wishes)))
        self._see_who_is_idle()

    # -- with other gateways

    def _tell_others(self, hint: Hint) -> None:
        self._notifier.tell(ToOthers(hint))

    @handles(StealRequests)
    async def wanted(self, message: StealRequests) -> None:
        now, clock = self._clock.now(), self._clock.monotonic()
        for wish in message.wishes:
            if not self._board.lend(wish, now, clock):
                self._tell_others(RecallDeclined(wish.job, wish.unit, wish.attempt, wish.node))

    @handles(GatewayMembership)
    async def neighbours(self, message: GatewayMembership) -> None:
        self._board.among = (message.index, message.gateways)

    @handles(PeerClaimed)
    async def claimed(self, message: PeerClaimed) -> None:
        """It would be given in vain here."""
        self._board.leave(message.units, self._clock.now())
        self._see_who_is_hungry(self._settings.refill_seconds)

    @handles(PeerAssigned)
    async def given(self, message: PeerAssigned) -> None:
        """Look at what other gateways gave to nodes that are served here."""
        known = (self._board.index.get(node) for node in message.nodes)
        try:
            for node in [node for node in known if node is not None and node.session is not None]:
                self._board.look_at(await self._store.open_units_of(node.id), self._clock.now())
        except Unavailable as error:
            log.warning("what nodes were given cannot be read: %s", type(error).__name__)
        self._place()

    def _see_who_is_idle(self) -> None:
        if self._loaded and self._board.is_uneven and self._relief_due is None:
            self._relief_due = self.after(self._settings.relief_seconds, BalanceLoad(), jitter=0.1)

    @handles(Wake)
    async def wake(self, message: Wake) -> None:
        self._poll_soon()

    @handles(PlaceDue)
    async def place_due(self, message: PlaceDue) -> None:
        self._place_due = None
        self._place()

    def _place(self) -> None:
        """Find nodes for the units that wait, then for the dispatches that do."""
        if not self._loaded:
            return
        now = self._clock.now()
        due = self._board.due(now)
        claimed: list[tuple[UUID, int, int]] = []
        for booking in self._board.place(now, self._clock.monotonic()):
            if not self._ledger.tell(ledger_commands.of_waiting(booking, self.ref)):
                self._board.refuse(booking)  # the next poll queues it again
                break
            claimed.append((*booking.unit.key, booking.attempt))
        if claimed:
            self._tell_others(PeerClaimed(tuple(claimed)))
        self._pending.let_in(self._settle)
        if due is not None and self._place_due is None:
            self._place_due = self.after((due - now).total_seconds(), PlaceDue())
        self._see_who_is_behind()
        self._see_who_is_hungry(self._settings.refill_seconds)
        self._see_who_is_idle()

    def _see_who_is_hungry(self, seconds: float) -> None:
        if self._board.hungry and self._refill_due is None and self._loaded:
            self._refill_due = self.after(seconds, Refill())

    # -- from the database

    @handles(Refill)
    async def refill(self, message: Refill) -> None:
        self._refill_due = None
        jobs = sorted(self._board.hungry)[:REFILL_JOBS]
        try:
            known = self._board.in_line(jobs)
            rows = await self._store.ready_units(jobs, REFILL, known)
        except Unavailable as error:
            log.warning("the next units of jobs cannot be read: %s", type(error).__name__)
            self._see_who_is_hungry(self._settings.retry_seconds)
            return
        self._board.top_up(jobs, rows, self._clock.now())
        self._place()

    @handles(Poll)
    async def poll(self, message: Poll) -> None:
        self._poll = None
        try:
            wait = await self._read()
        except Unavailable as error:
            log.warning("open units cannot be read: %s", type(error).__name__)
            wait = self._settings.retry_seconds
        self._board.expire(self._clock.now(), self._clock.monotonic())
        self._answers = {job: later for job, later in self._answers.items() if not later.gone}
        self._catch_up()
        self._place()
        if not self._backlog.under_way:
            await self._copy_stragglers()
        self._poll_in(wait)

    async def _copy_stragglers(self) -> None:
        patience = self._settings.patience
        for booking in await straggling(self._board, self._store, self._clock, patience):
            if not self._ledger.tell(ledger_commands.of_waiting(booking, self.ref)):
                self._board.refuse(booking)

    async def _read(self) -> float:
        """Read a page of what is open; how many seconds later the next one is due."""
        began = self._clock.monotonic()
        if not self._backlog.under_way:
            await self._begin_pass()
        await self._read_nodes(began)
        if not await self._backlog.read_page():
            took = self._clock.monotonic() - began
            return took * PAUSE_TIMES if self._loaded else 0.0
        if not self._loaded:
            self._loaded = True
            log.info("scheduling, %d units are known", len(self._board.units))
        again, self._poll_again = self._poll_again, False
        return self._settings.soon_seconds if again else self._settings.poll_seconds

    async def _begin_pass(self) -> None:
        if not self._loaded:
            await self._read_standings()
        self._board.index.regroup(await self._store.circles())

    async def _read_nodes(self, now: float) -> None:
        """Read the healthy nodes if that is due. A pass over a large backlog takes minutes, so this
        is asked at each page. ``now`` is before the reading: what is newer counts at the next.
        """
        if now < self._nodes_due:
            return
        nodes = await self._store.healthy_nodes()
        self._nodes_due = now + self._settings.poll_seconds * self._settings.node_polls
        self._board.refresh(nodes, now)
        self._board.forget_silent(now)
        for row in nodes:  # what no hint has told
            self._heed(self._board.index.node(row.id), row.epoch)

    @handles(ReadJobs)
    async def read_jobs(self, message: ReadJobs) -> None:
        self._reread_due = None
        jobs = set(islice(self._unsure, JOBS_MOST))
        try:
            await self._backlog.read(jobs)
        except Unavailable as error:
            log.warning("jobs cannot be read: %s", type(error).__name__)
            self._reread_due = self.after(self._settings.retry_seconds, ReadJobs())
            return
        self._unsure -= jobs
        self._catch_up()
        self._place()
        self._read_soon(())

    def _read_soon(self, jobs: Iterable[UUID]) -> None:
        """Read again what is open of jobs of which something is not known."""
        self._unsure.update(jobs)
        if len(self._unsure) > UNSURE_MOST:
            self._unsure.clear()
            self._poll_soon()
        if self._unsure and self._reread_due is None:
            self._reread_due = self.after(self._settings.soon_seconds, ReadJobs())

    def _poll_soon(self) -> None:
        if self._backlog.under_way:
            self._poll_again = True
        elif not self._poll_is_soon:
            self._poll_in(self._settings.soon_seconds)
            self._poll_is_soon = True

    def _poll_in(self, seconds: float) -> None:
        if self._poll is not None:
            self._poll.cancel()
        self._poll_is_soon = False
        self._poll = self.after(seconds, Poll())
