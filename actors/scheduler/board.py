"""All that the Scheduler knows: nodes, open units, who works on what. It waits for nothing.

The database is the truth. What is known here may be late, never ahead: a unit's age (attempt, then
state) tells which of two pieces of knowledge is the newer.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from actors.kernel import Message
from actors.ledger.messages import UnitState
from actors.node_session.messages import Assignments, NodeSession, Send, Stand, Withdraw
from actors.scheduler.circles import told
from actors.scheduler.demand import Demand
from actors.scheduler.index import Index
from actors.scheduler.messages import AllNodesFull, Assignment, Dispatch, NoCapableNode
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.policy import PENDING, age, has_ended, is_assigned, key_of
from actors.scheduler.queue import Queue
from actors.scheduler.strays import Strays
from actors.scheduler.unit import Placing, Unit, of_dispatch, of_row
from actors.scheduler.units import Units
from sql.work import NodeRow, OpenUnit, Standing

ORDER_SECONDS = 3.0  # who dispatches waits two: a booking that is not answered then never happens
PLACING_SECONDS = 30.0  # nobody waits for these: the Ledger may be slow
WINDOW = 16  # units of a job that are read with everything else
REFILL = 256  # units of a job that are read when few of it are left


@attrs.frozen
class Booking:
    """The tag of a commit that assigns ``unit`` to ``node``; node None: it only queues the job."""

    unit: Unit
    node: UUID | None
    attempt: int


class Board:
    """``say`` tells a node's session something, False if it was not taken."""

    def __init__(self, say: Callable[[Node, Message[NodeSession, None]], bool]) -> None:
        self.index = Index()
        self.queue = Queue()
        self.strays = Strays()
        self.units = Units()
        self._say = say
        self._more: set[UUID] = set()  # jobs of which more units wait than are known here
        self._behind: dict[UUID, Node] = {}
        self._ordered: dict[UnitKey, Node] = {}  # of new jobs whose first commit is under way
        self._placings: list[tuple[float, int, Unit, Placing]] = []
        self._placed = 0

    # -- placing

    def book(
        self, order: Dispatch, now: datetime, clock: float
    ) -> Booking | NoCapableNode | AllNodesFull:
        """Reserve a slot for a new job; no node, when it is to queue."""
        unit = of_dispatch(order, now)
        choice = self.index.choose(unit.demand)
        if isinstance(choice, AllNodesFull) and self.expire(now, clock):
            choice = self.index.choose(unit.demand)
        if isinstance(choice, Node):
            return self._reserve(unit, choice, clock + ORDER_SECONDS)
        if self._may_wait(order, unit, choice):
            self._keep(unit, Placing(None, 0, clock + ORDER_SECONDS))
            return Booking(unit, None, 0)
        return choice

    def _may_wait(self, order: Dispatch, unit: Unit, choice: NoCapableNode | AllNodesFull) -> bool:
        """Whether it may queue. A job of many units also where a node's hello is still awaited."""
        if isinstance(choice, AllNodesFull):
            return len(order.pieces) > 1
        if order.queue or len(order.pieces) < 2:
            return order.queue
        alone = attrs.evolve(unit.demand, kind=attrs.evolve(unit.kind, many=False))
        return not isinstance(self.index.choose(alone), NoCapableNode)

    def may_free(self, job_type: str) -> bool:
        """Whether a slot for it may come free at once: one that only an order has taken."""
        return any(node.eligible and job_type in node.does for node in self._ordered.values())

    def place(self, now: datetime, clock: float) -> Iterator[Booking]:
        """Reserve slots for units that wait, for a node or for another one.

        Each booking must be committed or refused.
        """
        alike = self.index.is_the_same_for_all
        waiting = self.queue.placeable(self._choose, alike=alike)
        for unit, node in itertools.chain(waiting, self.strays.placeable(self.index.choose)):
            yield self._reserve(unit, node, clock + PLACING_SECONDS)

    def _choose(
        self, demand: Demand, avoid: frozenset[UUID], /
    ) -> Node | NoCapableNode | AllNodesFull:
        """The best node for a unit that waits, if it is in need of one.

        The best has the fewest units per slot: if that has enough, all have.
        """
        choice = self.index.choose(demand, avoid)
        return AllNodesFull() if isinstance(choice, Node) and choice.is_provided else choice

    def due(self, now: datetime) -> datetime | None:
        """When the next unit may be placed that may not be yet."""
        dues = [self.queue.due(now), self.strays.due(now)]
        return min((due for due in dues if due is not None), default=None)

    def _reserve(self, unit: Unit, node: Node, expires: float) -> Booking:
        if unit.state == PENDING:
            self._ordered[unit.key] = node
        self._keep(unit, Placing(node, unit.attempt + 1, expires))
        self._take(unit, node)
        return Booking(unit, node.id, unit.attempt + 1)

    def _keep(self, unit: Unit, placing: Placing) -> None:
        self.units[unit.key], unit.placing = unit, placing
        self._placed += 1
        heapq.heappush(self._placings, (placing.expires, self._placed, unit, placing))

    def confirm(self, booking: Booking, now: datetime) -> None:
        """The commit is durable. It may be one of an earlier instance, or answered very late."""
        unit = self.units.get(booking.unit.key)
        is_new = unit is None or unit.state == PENDING
        if unit is None:
            unit = booking.unit
            unit.placing, unit.node, unit.ticket = None, None, 0
            self.units[unit.key] = unit
        if unit.units > 1 and is_new:  # of the others the queue knows when few are left
            self._look_for_more(unit.job)
        if booking.node is None:
            if unit.state == PENDING:
                unit.state, unit.placing = "QUEUED", None
                self.queue.add(unit, now)
        elif age("DISPATCHED", booking.attempt) > unit.age:
            unit.assigned_at = now
            self._assign(unit, self.index.node(booking.node), "DISPATCHED", booking.attempt)
            self._line_up(unit, now)

    def refuse(self, booking: Booking) -> None:
        """The commit did nothing: the slot is given back. A unit that waits is read again first."""
        unit = self.units.get(booking.unit.key)
        if unit is not None and unit.placing and unit.placing.attempt == booking.attempt:
            self._give_back(unit)
            if unit.state == PENDING:
                del self.units[unit.key]

    def expire(self, now: datetime, clock: float) -> bool:
        """Give back the slots of commits that were never answered; whether there were any."""
        expired = False
        while self._placings and self._placings[0][0] <= clock:
            _, _, unit, placing = heapq.heappop(self._placings)
            if unit.placing is not placing:
                continue
            expired = True
            self._give_back(unit)
            if unit.state == PENDING:
                del self.units[unit.key]
            else:
                self._line_up(unit, now)
        return expired

    # -- what is heard

    def hear(self, state: UnitState) -> bool:
        """A unit changed; whether the database must be asked for the rest of it.

        Of one that waits the next ``top_up`` tells it.
        """
        unit = self.units.get(key_of(state))
        if unit is None:
            if state.state == "QUEUED":
                self._look_for_more(state.job)
            return state.state == "QUEUED"
        if age(state.state, state.attempt) <= unit.age:
            return False
        if state.state == "RUNNING" and state.attempt == unit.attempt:
            unit.state = "RUNNING"
            return False
        # Ended; or queued again, or assigned by another: what to know of those stands in the books.
        finished = state.state in ("VERIFYING", "COMPLETED")
        if finished and unit.node is not None:
            unit.node.declines = 0
        self._drop(unit, finished=finished)
        if state.state == "QUEUED":
            self._look_for_more(state.job)
        return not has_ended(state.state)

    def reconcile(self, rows: Sequence[OpenUnit], now: datetime) -> None:
        """Take over what the database says about all open units, of each job the next ones."""
        seen: set[UnitKey] = set()
        waiting: dict[UUID, list[OpenUnit]] = {}
        for row in rows:
            seen.add((row.job, row.unit))
            if row.state == "QUEUED":
                waiting.setdefault(row.job, []).append(row)
            self._compare(row, now)
        windows = {job: line[0] for job, line in waiting.items() if len(line) >= WINDOW}
        self._more = set(windows)
        for unit in [u for u in self.units.values() if u.key not in seen and u.state != PENDING]:
            if not _is_beyond(unit, windows.get(unit.job)):
                self._drop(unit)
        self.queue.drained |= {job for job in windows if self.queue.is_low(job)}

    # -- jobs of which not all is known

    def _look_for_more(self, job: UUID) -> None:
        self._more.add(job)
        self.queue.drained.add(job)

    @property
    def hungry(self) -> frozenset[UUID]:
        """Jobs of which few units wait here, and perhaps more do."""
        return frozenset(self.queue.drained & self._more)

    def top_up(self, jobs: Iterable[UUID], rows: Sequence[OpenUnit], now: datetime) -> None:
        """Take over what the database says about the next units of jobs."""
        self.queue.drained.clear()
        found = Counter(row.job for row in rows)
        self._more -= {job for job in jobs if found[job] < REFILL}
        for row in rows:
            self._compare(row, now)
            unit = self.units.get((row.job, row.unit))
            if unit is not None and unit.placing is not None:
                self.queue.drained.add(row.job)  # these stood in the way of others

    def _compare(self, row: OpenUnit, now: datetime) -> None:
        unit = self.units.get((row.job, row.unit))
        if unit is None:
            self._admit(row, now)
        elif age(row.state, row.attempt) > unit.age:
            if row.state == "RUNNING" and row.attempt == unit.attempt:
                unit.state = "RUNNING"
                return
            self._drop(unit)
            self._admit(row, now)
        elif unit.waits and (unit.ticket == 0 or not _is_as(unit, row)):
            unit.avoid, unit.failures, unit.not_before = row.avoid, row.failures, row.not_before
            unit.priority, unit.barred = row.priority, row.barred
            self.queue.add(unit, now)
        elif row.attempt == unit.attempt:
            unit.told = unit.told or row.lease_until is not None
            if unit.ticket == 0:
                self._line_up(unit, now)

    def _admit(self, row: OpenUnit, now: datetime) -> None:
        unit = of_row(row)
        self.units[unit.key] = unit
        if is_assigned(row.state) and row.node is not None:
            self._assign(unit, self.index.node(row.node), row.state, row.attempt)
            unit.told = unit.told or row.lease_until is not None
        self._line_up(unit, now)

    def fall_behind(self, node: Node) -> None:
        """Its session must be told everything again: at the next ``catch_up``."""
        node.behind = True
        self._behind[node.id] = node

    @property
    def is_behind(self) -> bool:
        """Whether a session misses something."""
        return bool(self._behind)

    def catch_up(self) -> None:
        """Tell the sessions that missed something everything again."""
        behind, self._behind = self._behind, {}
        for node in behind.values():
            node.behind = node.session is not None and not self._say(node, self._assignments(node))
            if node.behind:
                self._behind[node.id] = node

    def _assignments(self, node: Node) -> Assignments:
        """Everything that a node is to work on."""
        known = (self.units[key] for key in sorted(node.taken) if key in self.units)
        units = [unit for unit in known if unit.node is node]
        for unit in units:
            unit.told = True
        said = tuple(self._assignment(unit, node) for unit in units)
        return Assignments(said, node.standing)

    def _assignment(self, unit: Unit, node: Node) -> Assignment:
        return unit.assignment(told(node, unit.user, self.index.circles))

    def refresh(self, rows: Sequence[NodeRow]) -> None:
        """Take over what the database says about healthy nodes."""
        healthy = {row.id for row in rows}
        for node in [n for n in self.index if n.healthy and n.id not in healthy]:
            node.healthy = False
            self.index.changed(node)
        for row in rows:
            node = self.index.node(row.id)
            node.owner, node.capabilities = row.owner, frozenset(row.capabilities)
            node.load, node.healthy = row.load, True
            self.index.changed(node)

    def stand(self, node: Node, standing: Standing) -> bool:
        """Take over what people say about a node, unless it is old; whether it is new."""
        if standing.version <= node.standing.version:
            return False
        node.standing = standing
        self.index.changed(node)
        if node.session is not None and not self._say(node, Stand(standing)):
            self.fall_behind(node)
        return True

    # -- steps

    def _assign(self, unit: Unit, node: Node, state: str, attempt: int) -> None:
        if unit.placing is not None and unit.placing.node is not node:
            self._give_back(unit)
        unit.placing = None
        self._ordered.pop(unit.key, None)
        if unit.node is not None and unit.node is not node:
            self._take_away(unit, unit.node)
        unit.node, unit.state, unit.attempt = node, state, attempt
        self._take(unit, node)
        self.index.larder.note(node.id, unit.payload_ref)
        unit.told = self._tell(node, Send(self._assignment(unit, node)))

    def _take(self, unit: Unit, node: Node) -> None:
        if unit.key not in node.taken:
            self.index.take(node, unit.key)
            self.queue.share(unit.user, +1)

    def _release(self, unit: Unit, node: Node) -> None:
        if unit.key in node.taken:
            self.index.release(node, unit.key)
            self.queue.share(unit.user, -1)

    def _line_up(self, unit: Unit, now: datetime) -> None:
        """Let it wait for a node, or for another one, if it does."""
        if unit.waits:
            self.queue.add(unit, now)
        elif unit.is_stray:
            self.strays.add(unit, now)

    def _give_back(self, unit: Unit) -> None:
        if unit.placing is not None:
            if unit.placing.node is not None:
                self._release(unit, unit.placing.node)
            unit.placing = None
            self._ordered.pop(unit.key, None)

    def _drop(self, unit: Unit, *, finished: bool = False) -> None:
        """Forget a unit; its node is told to, unless it was the one that finished it."""
        self._give_back(unit)
        del self.units[unit.key]
        if unit.node is not None:
            self._take_away(unit, unit.node, finished=finished)

    def _take_away(self, unit: Unit, node: Node, *, finished: bool = False) -> None:
        self._release(unit, node)
        if not finished:
            self._tell(node, Withdraw(unit.job, unit.number, unit.attempt))

    def _tell(self, node: Node, message: Message[NodeSession, None]) -> bool:
        """Tell its session; one that is behind will be told everything at once."""
        if node.session is None or node.behind:
            return False
        if not self._say(node, message):
            self.fall_behind(node)
        return not node.behind


def _is_as(unit: Unit, row: OpenUnit) -> bool:
    """Whether it waits as the database says."""
    mine = (unit.not_before, unit.priority, unit.barred)
    return mine == (row.not_before, row.priority, row.barred)


def _is_beyond(unit: Unit, first: OpenUnit | None) -> bool:
    """Whether it waits behind those that were read of its job, as these do."""
    if first is None or not unit.waits:
        return False
    return (unit.priority, unit.barred) == (first.priority, first.barred)
