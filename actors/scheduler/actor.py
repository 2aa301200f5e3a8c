"""The Scheduler: finds a node for every unit, and sees that the node hears of it.

It books nothing itself: assignments are commits of the Ledger, and what is known here is read again
from the database every few seconds. So it may be restarted, or miss a message, at any time.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from actors.kernel import Actor, Down, Later, Ref, Timer, handles
from actors.ledger.messages import BooksAway, Decided, Ledger
from actors.node_session.messages import Close, NodeSession, Proved, WhoAreYou
from actors.notifier.messages import Notifier, UnitsMoved
from actors.ports import Clock, Store
from actors.scheduler import bookings
from actors.scheduler.board import REFILL, WINDOW, Board
from actors.scheduler.fleet import fleet_of
from actors.scheduler.floor import Booking
from actors.scheduler.lobby import Lobby
from actors.scheduler.messages import (
    AllNodesFull,
    CatchUp,
    CirclesChanged,
    Dispatch,
    DispatchOutcome,
    Fleet,
    FleetOf,
    JobPaused,
    NoCapableNode,
    NodeDeclined,
    NodeGone,
    NodeProved,
    NodeSeen,
    NodeStands,
    PauseOver,
    PlaceDue,
    Poll,
    Refill,
    Scheduler,
    SessionClosed,
    SessionOpened,
    SessionReady,
    StandingsDue,
    TooManyOpen,
    UnitsChanged,
    Waiting,
    Wake,
    WhyWaiting,
)
from actors.scheduler.node import Node
from actors.scheduler.policy import PENDING, pause_seconds
from actors.scheduler.reasons import Reasons
from actors.scheduler.settings import SchedulerSettings
from actors.scheduler.straggling import straggling
from rendertrust.protocol import CloseCode
from sql.database import Unavailable

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP: Final = timedelta(seconds=10)  # what was said earlier may be committed later
USUAL: Final = SchedulerSettings()
log = logging.getLogger(__name__)


class SchedulerActor(Actor[Scheduler]):
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
        self._ledger = ledger
        self._notifier = notifier
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._settings = settings
        self._board = Board(Node.tell)
        self._reasons = Reasons(self._board)
        self._serving: dict[Ref[NodeSession], Node] = {}
        self._lobby = Lobby()
        self._answers: dict[Any, Later[DispatchOutcome]] = {}  # of those who waited, by job
        self._loaded = False
        self._spoken = EVER  # what was said about nodes until then is known
        self._polls = 0
        self._poll: Timer | None = None
        self._poll_is_soon = False
        self._place_due: Timer | None = None
        self._catch_up_due: Timer | None = None
        self._refill_due: Timer | None = None

    async def started(self) -> None:
        for session in self._sessions():
            session.tell(WhoAreYou())
        self._poll_in(0.0)
        self.after(self._settings.standings_seconds, StandingsDue(), jitter=0.1)

    # -- from the web

    @handles(Dispatch)
    async def dispatch(self, message: Dispatch) -> DispatchOutcome | Later[DispatchOutcome]:
        booking = self._book(message)
        if booking is None:
            later: Later[DispatchOutcome] = self.later(message)
            return later if self._lobby.keep(message, later) else AllNodesFull(1)
        if not isinstance(booking, Booking):
            return booking
        commit = bookings.of_order(message, booking, self.ref)
        return cast("Later[DispatchOutcome]", self.forward(self._ledger, commit))

    def _book(self, order: Dispatch) -> Booking | NoCapableNode | AllNodesFull | TooManyOpen | None:
        """None: it must wait. The nodes are not known yet, or what fills them may be refused."""
        if not self._loaded:
            return None
        if (order.job, 0) in self._board.units:
            return AllNodesFull(1)  # the same retry was asked for twice, and is being placed
        if self._board.units.jobs_of(order.user) >= self._settings.open_jobs:
            return TooManyOpen(self._settings.open_jobs)
        booking = self._board.book(order, self._clock.now(), self._clock.monotonic())
        if isinstance(booking, AllNodesFull) and self._board.may_free(order.job_type):
            return None
        return booking

    def _settle(self, order: Dispatch, later: Later[DispatchOutcome]) -> bool:
        """Book for somebody who waited, or tell him no; False if he has to wait on."""
        booking = self._book(order)
        if booking is None:
            return False
        if not isinstance(booking, Booking):
            later.answer(booking)
        elif self._ledger.tell(bookings.of_order(order, booking, self.ref)):
            self._answers[order.job] = later
        else:
            self._board.refuse(booking)
            later.answer(AllNodesFull(1))
        return True

    @handles(WhyWaiting)
    async def why_waiting(self, message: WhyWaiting) -> Mapping[int, Waiting]:
        return self._reasons.of(message.job, message.units, self._clock.monotonic())

    @handles(FleetOf)
    async def fleet_of(self, message: FleetOf) -> Fleet:
        return fleet_of(self._board, message.user, message.job_type, message.pool)

    # -- from the Ledger

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        booking, outcome = message.tag, message.outcome
        assert isinstance(booking, Booking), "nothing but bookings is committed here"
        if bookings.holds(booking, outcome):
            self._board.confirm(booking, self._clock.now())
            bookings.DISPATCHES.inc(booking.node is not None)
            self._notifier.tell(UnitsMoved(bookings.units_of(outcome)))
        else:
            self._board.refuse(booking)
            # Somebody else changed it, or it may be in the books all the same: see what it is.
            if booking.unit.state != PENDING or isinstance(outcome, BooksAway):
                self._poll_soon()
        later = self._answers.pop(booking.unit.job, None)
        if later is not None:
            later.answer(outcome)
        self._place()

    # -- of nodes

    @handles(NodeSeen)
    async def node_seen(self, message: NodeSeen) -> None:
        node = self._board.index.node(message.node)
        node.owner, node.capabilities = message.owner, frozenset(message.capabilities)
        node.healthy = True
        if message.load is not None:
            node.load = message.load
        self._board.index.changed(node)
        self._place()

    @handles(NodeProved)
    async def node_proved(self, message: NodeProved) -> None:
        node = self._board.index.get(message.node)
        if node is not None:
            node.tell(Proved(message.owner))

    @handles(NodeStands)
    async def node_stands(self, message: NodeStands) -> None:
        if self._board.stand(self._board.index.node(message.node), message.standing):
            self._place()

    @handles(StandingsDue)
    async def standings_due(self, message: StandingsDue) -> None:
        try:
            await self._read_standings()
        except Unavailable as error:
            log.warning("standings cannot be read: %s", type(error).__name__)
        self.after(self._settings.standings_seconds, StandingsDue(), jitter=0.1)

    async def _read_standings(self) -> None:
        rows = await self._store.standings(self._spoken)
        if rows:
            self._spoken = max(self._spoken, rows[-1].at - OVERLAP)
        if self._board.stand_all(rows):
            self._place()

    @handles(CirclesChanged)
    async def circles_changed(self, _: CirclesChanged) -> None:
        self._board.index.regroup(await self._store.circles())
        self._place()

    @handles(NodeGone)
    async def node_gone(self, message: NodeGone) -> None:
        self._board.note_silent(message.node)

    @handles(SessionOpened)
    async def session_opened(self, message: SessionOpened) -> None:
        node = self._board.index.node(message.node)
        if node.session is not message.session and not self._serve(node, message):
            return
        node.owner, node.capabilities = message.owner, frozenset(message.capabilities)
        self._board.index.changed(node)
        self._board.stand(node, message.standing)
        self._board.fall_behind(node)
        self._catch_up()
        self._place()

    def _serve(self, node: Node, message: SessionOpened) -> bool:
        """Let a new session serve the node, or close it, if there is a newer one."""
        if message.epoch < node.epoch and node.session is not None:
            message.session.tell(Close(CloseCode.REPLACED, "replaced"))
            return False
        if node.session is not None:
            node.session.tell(Close(CloseCode.REPLACED, "replaced"))
            self._serving.pop(node.session, None)
        node.session, node.epoch = message.session, message.epoch
        node.forget()
        self._serving[message.session] = node
        self.watch(message.session)
        return True

    @handles(SessionReady)
    async def session_ready(self, message: SessionReady) -> None:
        node = self._serving.get(message.session)
        if node is not None:
            node.hear(message)
            self._board.index.changed(node)
            self._place()

    @handles(SessionClosed)
    async def session_closed(self, message: SessionClosed) -> None:
        self._lose(message.session)

    @handles(Down)
    async def session_down(self, message: Down) -> None:
        self._lose(message.ref)

    @handles(NodeDeclined)
    async def node_declined(self, message: NodeDeclined) -> None:
        node = self._serving.get(message.session)
        if node is None or node.is_paused:
            return
        node.declines += 1
        node.is_paused = True
        self._board.index.changed(node)
        self.after(pause_seconds(node.declines), PauseOver(node.id))

    @handles(PauseOver)
    async def pause_over(self, message: PauseOver) -> None:
        node = self._board.index.node(message.node)
        node.is_paused = False
        self._board.index.changed(node)
        self._place()

    @handles(CatchUp)
    async def catch_up(self, message: CatchUp) -> None:
        self._catch_up_due = None
        self._catch_up()

    def _catch_up(self) -> None:
        """Tell sessions what they missed; before the first reading nothing is known to tell."""
        if self._loaded and self._board.is_behind:
            self._board.catch_up()
        self._see_who_is_behind()

    def _see_who_is_behind(self) -> None:
        if self._board.is_behind and self._catch_up_due is None and self._loaded:
            self._catch_up_due = self.after(self._settings.soon_seconds, CatchUp())

    def _lose(self, session: Ref[Any]) -> None:
        node = self._serving.pop(session, None)
        if node is not None:
            node.session = None
            node.forget()
            self._board.index.changed(node)

    # -- of units

    @handles(UnitsChanged)
    async def units_changed(self, message: UnitsChanged) -> None:
        unknown = [state for state in message.units if self._board.hear(state)]
        if any(state.state != "QUEUED" for state in unknown):
            self._poll_soon()
        self._place()

    @handles(JobPaused)
    async def job_paused(self, message: JobPaused) -> None:
        self._board.pause(message.job)

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
        for booking in self._board.place(now, self._clock.monotonic()):
            if not self._ledger.tell(bookings.of_waiting(booking, self.ref)):
                self._board.refuse(booking)  # the next poll queues it again
                break
        self._lobby.let_in(self._settle)
        if due is not None and self._place_due is None:
            self._place_due = self.after((due - now).total_seconds(), PlaceDue())
        self._see_who_is_behind()
        self._see_who_is_hungry(self._settings.refill_seconds)

    def _see_who_is_hungry(self, seconds: float) -> None:
        if self._board.hungry and self._refill_due is None and self._loaded:
            self._refill_due = self.after(seconds, Refill())

    # -- from the database

    @handles(Refill)
    async def refill(self, message: Refill) -> None:
        self._refill_due = None
        jobs = self._board.hungry
        try:
            known = self._board.in_line(jobs)
            rows = await self._store.ready_units(sorted(jobs), REFILL, known)
        except Unavailable as error:
            log.warning("the next units of jobs cannot be read: %s", type(error).__name__)
            self._see_who_is_hungry(self._settings.retry_seconds)
            return
        self._board.top_up(jobs, rows, self._clock.now())
        self._place()

    @handles(Poll)
    async def poll(self, message: Poll) -> None:
        self._poll = None
        wait = self._settings.poll_seconds
        try:
            await self._read()
        except Unavailable as error:
            log.warning("open units cannot be read: %s", type(error).__name__)
            wait = self._settings.retry_seconds
        self._board.expire(self._clock.now(), self._clock.monotonic())
        self._answers = {job: later for job, later in self._answers.items() if not later.gone}
        self._catch_up()
        self._place()
        patience = self._settings.patience
        for booking in await straggling(self._board, self._store, self._clock, patience):
            if not self._ledger.tell(bookings.of_waiting(booking, self.ref)):
                self._board.refuse(booking)
        self._poll_in(wait)

    async def _read(self) -> None:
        if not self._loaded:
            await self._read_standings()
        if self._polls % self._settings.node_polls == 0:
            self._board.refresh(await self._store.healthy_nodes())
        self._board.index.regroup(await self._store.circles())
        rows = await self._store.open_units(WINDOW)
        self._board.reconcile(rows, self._clock.now())
        self._polls += 1
        if not self._loaded:
            self._loaded = True
            log.info("scheduling, %d units are open", len(rows))

    def _poll_soon(self) -> None:
        if not self._poll_is_soon:
            self._poll_in(self._settings.soon_seconds)
            self._poll_is_soon = True

    def _poll_in(self, seconds: float) -> None:
        if self._poll is not None:
            self._poll.cancel()
        self._poll_is_soon = False
        self._poll = self.after(seconds, Poll())
