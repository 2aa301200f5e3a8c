"""All that the Scheduler knows: nodes, open units, who works on what. It waits for nothing.

The database is the truth. What is known here may be late, never ahead: a unit's age (attempt, then
state) tells which of two pieces of knowledge is the newer.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import attrs

from actors.ledger.messages import UnitState
from actors.scheduler.access import is_anybodys, people_of
from actors.scheduler.base_state import PLACING_SECONDS, AssignmentTag
from actors.scheduler.device_pinning import pinned
from actors.scheduler.messages import AllNodesFull, Dispatch, NoCapableNode
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.placement_request import PlacementRequest, RequestKind
from actors.scheduler.policy import PENDING, age, can_do, has_ended, is_over, key_of
from actors.scheduler.units import Reservation, Unit, of_dispatch
from actors.scheduler.work_stealing import WorkStealing
from sql.scheduler_rows import OpenUnit

ORDER_SECONDS = 3.0  # who dispatches waits two: a booking that is not answered then never happens
WINDOW = 16  # units of a job that are read with everything else
CROWDED_MOST = 8  # nodes with more than they need that are looked at for one unit
CLAIMED = timedelta(seconds=2)  # a commit of another gateway's is under way
CLAIMS_MOST = 10_000
NOT_CLAIMED = (0, datetime.min.replace(tzinfo=UTC))
REFILL = 256  # units of a job that are read when few of it are left
REFILL_JOBS = 16  # jobs whose next units are read at once


class SchedulerState(WorkStealing):
    """Units that wait find nodes here, and what is heard of units and nodes is taken over."""

    # -- placing

    def book(
        self, order: Dispatch, now: datetime, clock: float
    ) -> AssignmentTag | NoCapableNode | AllNodesFull:
        """Reserve a slot for a new job; no node, when it is to queue."""
        alike = pinned(order, self.index, self.index.circles)
        if isinstance(alike, NoCapableNode):
            return alike
        unit = of_dispatch(alike, now)
        choice = self.index.choose(unit.demand)
        if isinstance(choice, AllNodesFull) and self.expire(now, clock):
            choice = self.index.choose(unit.demand)
        if isinstance(choice, Node):
            return self._reserve(unit, choice, clock + ORDER_SECONDS)
        if self._may_wait(order, unit, choice):
            self._keep(unit, Reservation(None, 0, clock + ORDER_SECONDS))
            return AssignmentTag(unit, None, 0)
        return choice

    def _may_wait(self, order: Dispatch, unit: Unit, choice: NoCapableNode | AllNodesFull) -> bool:
        """Whether it may queue. A job of many units also where a node's hello is still awaited."""
        if isinstance(choice, AllNodesFull):
            return order.queue or len(order.pieces) > 1
        if order.queue or len(order.pieces) < 2:
            return order.queue
        alone = attrs.evolve(unit.demand, kind=attrs.evolve(unit.kind, many=False))
        return not isinstance(self.index.choose(alone), NoCapableNode)

    def may_free(self, job_type: str) -> bool:
        """Whether a slot for it may come free at once: one that only an order has taken."""
        return any(node.eligible and job_type in node.does for node in self._ordered.values())

    def place(self, now: datetime, clock: float) -> Iterator[AssignmentTag]:
        """Reserve slots for units that wait, for a node or for another one.

        Each booking must be committed or refused.
        """
        if changed := self.index.take_changed():
            self._wake(changed)
        alike = self.index.is_the_same_for_all and not self.index.crowded
        waiting = self.queue.placeable(self.choose, alike=alike)
        unreachable_units = self.unreachable_units.placeable(self.index.choose)
        for unit, node in itertools.chain(self._promised(), waiting, unreachable_units):
            yield self._reserve(unit, node, clock + PLACING_SECONDS)

    def _wake(self, changed: Iterable[Node]) -> None:
        """Look again at what is parked that these nodes may be given.

        One of each sort of machine is asked: after a change of trust all nodes are among them.
        """
        sorts: dict[tuple[object, ...], list[Node]] = {}
        for node in changed:
            sorts.setdefault((node.does, node.slots is None, node.resources), []).append(node)
        for nodes in sorts.values():
            first = nodes[0]

            def can(kind: RequestKind, node: Node = first) -> bool:
                return can_do(node, kind.as_asked)

            if any(map(is_anybodys, nodes)):
                self.queue.wake(can)
            circles = self.index.circles
            users = frozenset[UUID]().union(*(people_of(node, circles) for node in nodes))
            self.queue.wake_of(users, can)

    def choose(
        self, demand: PlacementRequest, avoid: frozenset[UUID], failed: frozenset[UUID], /
    ) -> Node | NoCapableNode | AllNodesFull:
        """The best node for a unit that waits, if it is in need of one.

        The best has the fewest units per slot: if that has enough, all have. Those that were given
        more, past the queue, may take one all the same (``_may_crowd``): a few are looked at.
        """
        choice = self.index.choose(demand, avoid, failed)
        tried = avoid
        while isinstance(choice, Node) and choice.is_saturated:
            if self._may_crowd(choice, demand):
                return choice
            known = avoid or choice.id in tried or len(tried) >= CROWDED_MOST
            if known or not choice.is_oversubscribed:
                return AllNodesFull()
            tried |= {choice.id}
            choice = self.index.choose(demand, tried, tried)
        return choice

    def _may_crowd(self, node: Node, demand: PlacementRequest) -> bool:
        """Whether a node that has enough is given one more.

        What comes first among a user's own does not wait behind what comes later and was given
        before: as many of it as the node runs at once wait there. And who has nothing waiting at a
        node need not wait for the end of what it was given past the queue.
        """
        units = (self.units.get(key) for key in node.taken)
        own = [
            unit.turn
            for unit in units
            if unit is not None and unit.user == demand.user and unit.state != "RUNNING"
        ]
        if demand.turn is None or not own:
            return node.is_oversubscribed and not own
        before = sum(turn < demand.turn for turn in own)
        return before < min(len(own), max(node.slots or 1, 1))

    def due(self, now: datetime) -> datetime | None:
        """When the next unit may be placed that may not be yet."""
        dues = [self.queue.due(now), self.unreachable_units.due(now)]
        return min((due for due in dues if due is not None), default=None)

    def confirm(self, booking: AssignmentTag, now: datetime, clock: float) -> None:
        """The commit is durable. It may be one of an earlier instance, or answered very late."""
        shelf = self._shelf(booking.unit)
        unit = shelf.get(booking.unit.key)
        is_new = unit is None or unit.state == PENDING
        if unit is None:
            unit = booking.unit
            unit.placing, unit.node, unit.ticket = None, None, 0
            shelf[unit.key] = unit
        if (
            unit.units > 1 and is_new and not unit.is_copy
        ):  # of the others the queue knows when few are left
            self._look_for_more(unit.job)
        if booking.node is None:
            if unit.state == PENDING:
                unit.state, unit.placing = "QUEUED", None
                self.queue.add(unit, now)
        elif age("DISPATCHED", booking.attempt) > unit.age:
            unit.assigned_at, unit.given_at = now, clock
            self._assign(unit, self.index.node(booking.node), "DISPATCHED", booking.attempt)
            self._line_up(unit, now)
            if unit.is_copy:
                self._note_copy(unit)

    def refuse(self, booking: AssignmentTag) -> None:
        """The commit did nothing: the slot is given back. A unit that waits is read again first."""
        unit = self._shelf(booking.unit).get(booking.unit.key)
        if unit is not None and unit.placing and unit.placing.attempt == booking.attempt:
            self._give_back(unit)
            if unit.state == PENDING:
                del self._shelf(unit)[unit.key]

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
                del self._shelf(unit)[unit.key]
            else:
                self._line_up(unit, now)
        return expired

    # -- what is heard

    def hear(self, state: UnitState) -> bool:
        """A unit changed; whether the database must be asked for the rest of it.

        Of one that waits the next ``top_up`` tells it.
        """
        self._hear_of_copy(state)
        self._hear_of_failure(state)
        unit = self.units.get(key_of(state))
        if unit is None:
            self._hear_of_end(state)
            if state.state == "QUEUED":
                self._look_for_more(state.job)
            return state.state == "QUEUED"
        unit.copied, unit.answered = max(unit.copied, state.copied), state.answered
        if age(state.state, state.attempt) <= unit.age:
            return False
        if state.state == "RUNNING" and state.attempt == unit.attempt:
            self._begin(unit)
            return False
        if self._came_back(unit, state):
            return False
        # Ended; or queued again, or assigned by another: what to know of those stands in the books.
        by_it = state.attempt == unit.attempt  # else a copy of it was, and it is over
        finished = by_it and state.state in ("VERIFYING", "COMPLETED")
        if finished and unit.node is not None:
            unit.node.declines = 0
        self._drop(unit, finished=finished)
        self._hear_of_end(state)
        if state.state == "QUEUED":
            self._look_for_more(state.job)
        return not has_ended(state.state)

    def _hear_of_end(self, state: UnitState) -> None:
        if is_over(state.job_status):
            self.units.forget(state.job)

    def _hear_of_failure(self, state: UnitState) -> None:
        """A node that gave a unit up is given no other of its job before it is known why."""
        others = self.units.of(state.job)
        gone = state.state == "FAILED" or (state.state == "QUEUED" and state.attempt > 0)
        known = self.units.get(key_of(state))
        is_wanted = known is not None and known.is_recalled  # it goes to another node
        node = state.node or _had_by(known, state)
        if not gone or is_wanted or node is None or len(others) < 2:
            return
        for unit in others:
            if unit.waits:
                unit.barred |= {node}
        self._doubted.add(state.job)
        self._look_for_more(state.job)

    def reconcile(
        self, rows: Sequence[OpenUnit], now: datetime, jobs: Iterable[UUID] | None = None
    ) -> None:
        """Take over the open units that the database has of some jobs (None: of all known ones)."""
        read = self.jobs if jobs is None else frozenset(jobs)
        seen: set[UnitKey] = set()
        waiting: dict[UUID, list[OpenUnit]] = {}
        for row in (row for row in rows if not row.is_copy):
            seen.add((row.job, row.unit))
            if row.state == "QUEUED":
                waiting.setdefault(row.job, []).append(row)
            self._compare(row, now)
        windows = {job: line[0] for job, line in waiting.items() if len(line) >= WINDOW}
        self._more -= read
        self._more |= windows.keys()
        known = [unit for job in read for unit in self.units.of(job)]
        for unit in [unit for unit in known if unit.key not in seen]:
            # What is being placed is the Ledger's to decide: it looks as if it waited until then.
            if unit.placing is None and not _is_beyond(unit, windows.get(unit.job)):
                self._drop(unit)
                if unit.job in windows:
                    self.queue.drained.add(unit.job)  # more of it waits: that is read at once
        self._compare_copies([row for row in rows if row.is_copy], now, read)
        self.queue.drained |= {job for job in windows if self.queue.is_low(job)}

    def look_at(self, rows: Sequence[OpenUnit], now: datetime) -> None:
        """Take over what the database says about some units."""
        for row in rows:
            if not row.is_copy:
                self._compare(row, now)

    def leave(self, claims: Iterable[tuple[UUID, int, int]], now: datetime) -> None:
        """Another gateway gives these units out: here they wait no more, nor are they taken in as
        long as its commit may take. If it did not after all, a later reading finds them.
        """
        for job, number, attempt in claims:
            self._claims[job, number] = (attempt, now + CLAIMED)
            self._claims.move_to_end((job, number))
            if len(self._claims) > CLAIMS_MOST:
                self._claims.popitem(last=False)
            unit = self.units.get((job, number))
            if unit is None or not unit.waits or unit.next_attempt != attempt:
                continue
            self._drop(unit)
            if self.queue.is_low(job):
                self.queue.drained.add(job)

    def _is_claimed(self, row: OpenUnit, now: datetime) -> bool:
        attempt, until = self._claims.get((row.job, row.unit), NOT_CLAIMED)
        return row.state == "QUEUED" and row.attempt < attempt and now < until

    # -- jobs of which not all is known

    def _look_for_more(self, job: UUID) -> None:
        self._more.add(job)
        self.queue.drained.add(job)

    @property
    def hungry(self) -> frozenset[UUID]:
        """Jobs of which few units wait here, and perhaps more do."""
        return frozenset(self.queue.drained & self._more)

    def in_line(self, jobs: Iterable[UUID]) -> list[UnitKey]:
        """The units of jobs that wait here, or are being placed: they need not be read again."""
        units = (unit for job in set(jobs) - self._doubted for unit in self.units.of(job))
        return [unit.key for unit in units if unit.placing is not None or unit.ticket]

    def top_up(self, jobs: Iterable[UUID], rows: Sequence[OpenUnit], now: datetime) -> None:
        """Take over what the database says about the next units of jobs, but for those in line."""
        self.queue.drained = set(self.hungry.difference(jobs))
        found = Counter(row.job for row in rows)
        self._more -= {job for job in jobs if found[job] < REFILL}
        self._doubted -= set(jobs)
        for row in rows:
            self._compare(row, now)

    def _compare(self, row: OpenUnit, now: datetime) -> None:
        if self.copies:  # of thousands of rows hardly any has one
            self._promote_to(row.job, row.unit, row.attempt)
        unit = self.units.get((row.job, row.unit))
        if unit is None:
            if not (self._claims and self._is_claimed(row, now)):
                self._admit(row, now)
        elif age(row.state, row.attempt) > unit.age:
            if row.state == "RUNNING" and row.attempt == unit.attempt:
                unit.started_at = row.started_at
                self._begin(unit)
                return
            self._drop(unit)
            self._admit(row, now)
        elif unit.waits and (unit.ticket == 0 or not _is_as(unit, row)):
            unit.avoid, unit.failures, unit.not_before = row.avoid, row.failures, row.not_before
            unit.priority, unit.barred = row.priority, row.barred
            unit.faults, unit.unsent = row.faults, row.unsent
            self.queue.add(unit, now)
        elif row.attempt == unit.attempt:
            unit.copied, unit.answered = max(unit.copied, row.copied), row.answered
            unit.started_at = row.started_at
            unit.told = unit.told or row.lease_until is not None
            unit.learn(row)
            self._note_pause(unit, paused=row.paused == "owner")
            self._note_priority(unit, row.priority)
            if unit.ticket == 0:
                self._line_up(unit, now)


def _had_by(unit: Unit | None, state: UnitState) -> UUID | None:
    """Who had this attempt, as far as is known here: of what waits again nobody is named."""
    if unit is None or unit.node is None or unit.attempt != state.attempt:
        return None
    return unit.node.id


def _is_as(unit: Unit, row: OpenUnit) -> bool:
    """Whether it waits as the database says."""
    mine = (unit.not_before, unit.priority, unit.barred)
    return mine == (row.not_before, row.priority, row.barred)


def _is_beyond(unit: Unit, first: OpenUnit | None) -> bool:
    """Whether it waits behind those that were read of its job, as these do."""
    if first is None or not unit.waits:
        return False
    return (unit.priority, unit.barred) == (first.priority, first.barred)
