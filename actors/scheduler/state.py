"""The scheduler's state: nodes, open units, queues, and every transition between them.

Only this module assigns units to nodes, removes them, and sends them to nodes' sessions.
``placement``, ``work_stealing`` and ``speculation`` decide; this module carries out their
decisions. Nothing here waits for I/O.

The database is authoritative. This state may be behind it, but never ahead. Of two reports about a
unit, the one with the greater age (attempt, then state) is newer.
"""

import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from actors.kernel import Message
from actors.ledger.messages import UnitState
from actors.node_session.messages import (
    Assignments,
    NodeSession,
    Promote,
    Recall,
    Send,
    StandingUpdate,
    Withdraw,
)
from actors.scheduler.access import is_trusted, pool_for_node
from actors.scheduler.messages import Assignment
from actors.scheduler.node import Node, UnitKey, capability_set
from actors.scheduler.node_index import NodeIndex
from actors.scheduler.policy import begins_elsewhere
from actors.scheduler.queues import UnitQueue, UnreachableUnits
from actors.scheduler.units import (
    PENDING,
    AssignmentTag,
    Reservation,
    Unit,
    Units,
    age,
    key_of,
    of_row,
)
from rendertrust.job_status import AT_WORK, ENDED, REACHED, UnitStatus
from sql.job_plan import JobPlan
from sql.nodes import NodeRow, StandingRecord, StandingRow
from sql.units import OpenUnit

SILENCE_MOST: Final = 86_400.0  # seconds after which a silent node is forgotten
WINDOW: Final = 16  # waiting units of each job that a pass over all jobs reads
REFILL: Final = 256  # further waiting units of a job that are read when few are left here
REFILL_JOBS: Final = 16  # jobs whose further units one query reads
CLAIMED: Final = timedelta(seconds=2)  # how long another gateway's commit may be under way
CLAIMS_MOST: Final = 10_000
NOT_CLAIMED: Final = (0, datetime.min.replace(tzinfo=UTC))


class SchedulerState:
    """Units, nodes, queues and indices of one gateway's scheduler.

    ``send`` sends a message to a node's session and returns False if it was not accepted. ``ours``
    are the nodes that the gateway's owner runs. ``membership``: this gateway's number, and the
    number of gateways. ``copies``: speculative attempts, by the key of the unit that each copies.
    """

    def __init__(
        self, send: Callable[[Node, Message[NodeSession, None]], bool], ours: Collection[UUID] = ()
    ) -> None:
        self.index = NodeIndex(ours)
        self.queue = UnitQueue()
        self.unreachable = UnreachableUnits()
        self.units = Units()
        self.copies: dict[UnitKey, Unit] = {}
        self.membership: tuple[int, int] = (0, 1)
        self.partial_jobs: set[UUID] = set()  # jobs with more waiting units than are known here
        self._stale: set[UUID] = set()  # jobs whose waiting units must be read again
        self._send = send
        self._behind: dict[UUID, Node] = {}  # nodes whose session missed a message
        self._new_jobs: dict[UnitKey, Node] = {}  # nodes of new jobs that are being committed
        self._expiries: list[tuple[float, int, Unit, Reservation]] = []
        self._reservations = 0
        self._claims: OrderedDict[UnitKey, tuple[int, datetime]] = OrderedDict()
        # Units that were recalled for nodes of other gateways, each with that node.
        self._returned: list[tuple[Unit, Node]] = []

    # -- lookups

    @property
    def jobs(self) -> frozenset[UUID]:
        """Jobs of which units or copies are known here."""
        return frozenset(self.units.jobs) | {copy.job for copy in self.copies.values()}

    def plan_of(self, job: UUID) -> JobPlan | None:
        """Return the plan of a job that is known here; it never changes."""
        return next((unit.plan for unit in self.units.of(job)), None)

    def serves(self, name: UUID) -> bool:
        """Return whether a node has its session at this gateway."""
        node = self.index.get(name)
        return node is not None and node.session is not None

    def is_committing_new_job(self, job_type: str) -> bool:
        """Return whether a new job that is being committed holds a slot of a node that does this
        type of job and may get work.

        The slot is free again if the commit fails.
        """
        return any(node.eligible and job_type in node.does for node in self._new_jobs.values())

    def due(self, now: datetime) -> datetime | None:
        """Return when the next delayed or unreachable unit may be placed."""
        dues = [self.queue.due(now), self.unreachable.due(now)]
        return min((due for due in dues if due is not None), default=None)

    # -- reservations: a slot is held while the Ledger commits the assignment

    def reserve(self, unit: Unit, node: Node, expires: float) -> AssignmentTag:
        """Hold a slot of the node; the commit with this tag must be confirmed or refused."""
        if unit.state == PENDING and not unit.is_copy:
            self._new_jobs[unit.key] = node
        attempt = unit.next_attempt
        self._keep(unit, Reservation(node, attempt, expires))
        self._take(unit, node)
        return AssignmentTag(unit, node.id, attempt)

    def reserve_queued(self, unit: Unit, expires: float) -> AssignmentTag:
        """Register a new job that is committed without a node and will wait in the queue."""
        self._keep(unit, Reservation(None, 0, expires))
        return AssignmentTag(unit, None, 0)

    def confirm(self, tag: AssignmentTag, now: datetime, clock: float) -> None:
        """Assign or queue the unit: its commit is durable.

        The commit may be one of an earlier instance of the actor, or be answered very late.
        """
        table = self._table_of(tag.unit)
        unit = table.get(tag.unit.key)
        is_new = unit is None or unit.state == PENDING
        if unit is None:
            unit = tag.unit
            unit.reservation, unit.node, unit.ticket = None, None, 0
            table[unit.key] = unit
        if unit.units > 1 and is_new and not unit.is_copy:
            self._look_for_more(unit.job)  # afterwards the queue finds when few units are left
        if tag.node is None:
            if unit.state == PENDING:
                unit.state, unit.reservation = "QUEUED", None
                self.queue.add(unit, now)
        elif age("DISPATCHED", tag.attempt) > unit.age:
            unit.assigned_at, unit.given_at = now, clock
            self._assign(unit, self.index.node(tag.node), "DISPATCHED", tag.attempt)
            self._enqueue(unit, now)
            if unit.is_copy:
                self._note_copy(unit)

    def refuse(self, tag: AssignmentTag) -> None:
        """Release the slot of a commit that changed nothing.

        A waiting unit is placed again only after it was read again.
        """
        unit = self._table_of(tag.unit).get(tag.unit.key)
        if unit is not None and unit.reservation and unit.reservation.attempt == tag.attempt:
            self._release_reservation(unit)
            if unit.state == PENDING:
                del self._table_of(unit)[unit.key]

    def expire(self, now: datetime, clock: float) -> bool:
        """Release the slots of commits that were never answered; return whether there were any."""
        expired = False
        while self._expiries and self._expiries[0][0] <= clock:
            _, _, unit, reservation = heapq.heappop(self._expiries)
            if unit.reservation is not reservation:
                continue
            expired = True
            self._release_reservation(unit)
            if unit.state == PENDING:
                del self._table_of(unit)[unit.key]
            else:
                self._enqueue(unit, now)
        return expired

    # -- what happens to units

    def apply(self, state: UnitState) -> bool:
        """Apply a unit's new state; return whether the unit must be read from the database.

        A waiting unit is read by the next ``top_up``.
        """
        self._apply_to_copy(state)
        self._note_failure(state)
        unit = self.units.get(key_of(state))
        if unit is None:
            self._note_end(state)
            if state.state == "QUEUED":
                self._look_for_more(state.job)
            return state.state == "QUEUED"
        unit.copied, unit.answered = max(unit.copied, state.copied), state.answered
        if age(state.state, state.attempt) <= unit.age:
            return False
        if state.state == "RUNNING" and state.attempt == unit.attempt:
            self._begin(unit)
            return False
        if self._requeue_returned(unit, state):
            return False
        # The unit ended, or was queued or assigned by another gateway: the database knows the rest.
        is_its_attempt = state.attempt == unit.attempt  # otherwise its copy ended
        finished = is_its_attempt and state.state in ("VERIFYING", "COMPLETED")
        if finished and unit.node is not None:
            unit.node.declines = 0
        self._drop(unit, finished=finished, ended=state.job_status in ENDED)
        self._note_end(state)
        if state.state == "QUEUED":
            self._look_for_more(state.job)
        return state.state in REACHED

    def _note_end(self, state: UnitState) -> None:
        if state.job_status in ENDED:
            self.units.forget(state.job)

    def _note_failure(self, state: UnitState) -> None:
        """Bar a node that failed or returned a unit from the job's other units until these are read
        again.
        """
        failed = state.state == "FAILED" or (state.state == "QUEUED" and state.attempt > 0)
        if not failed:
            return
        others, known = self.units.of(state.job), self.units.get(key_of(state))
        is_recalled = known is not None and known.is_recalled  # returned, not failed
        node = state.node or _node_with_attempt(known, state)
        if is_recalled or node is None or len(others) < 2:
            return
        for unit in others:
            if unit.waits:
                unit.barred |= {node}
        self._stale.add(state.job)
        self._look_for_more(state.job)

    def _begin(self, unit: Unit) -> None:
        unit.state = "RUNNING"
        self._end_recall(unit)

    def pause(self, job: UUID) -> None:
        """Recall units that nodes have not begun, of a job that its owner paused."""
        copies = [unit for unit in self.copies.values() if unit.job == job]
        for unit in (*self.units.of(job), *copies):
            self._note_pause(unit, paused=True)

    def _note_pause(self, unit: Unit, *, paused: bool) -> None:
        """Recall a unit of a job that was paused; its session knows whether the node has it."""
        is_new = paused and not unit.paused
        unit.paused = paused
        if is_new and unit.state == "DISPATCHED" and unit.node is not None:
            self._tell(unit.node, Recall(unit.job, unit.number, unit.attempt))

    def _note_priority(self, unit: Unit, priority: int) -> None:
        """Let the session reorder a unit that it has not sent to its node yet."""
        is_new, unit.priority = priority != unit.priority, priority
        if is_new and unit.state == "DISPATCHED" and unit.node is not None:
            self._tell(unit.node, Promote(unit.job, unit.number, unit.attempt, priority))

    # -- recalls: a unit moves to another node; until its session returns it, it stays assigned

    def recall(self, unit: Unit, idle: Node, expires: float) -> bool:
        """Ask the session of the unit's node to return it, and hold a slot of the idle node."""
        assert unit.node is not None, "a unit that is recalled has a node"
        message = Recall(unit.job, unit.number, unit.attempt, for_another=True)
        if not self._tell(unit.node, message):
            return False
        self.reserve_recalled(unit, idle, expires)
        return True

    def reserve_recalled(self, unit: Unit, idle: Node, expires: float) -> None:
        """Hold a slot of an idle node for a unit that is recalled from its node."""
        self._keep(unit, Reservation(idle, unit.next_attempt, expires, is_recall=True))
        self._take(unit, idle)

    def recall_declined(self, key: UnitKey, attempt: int, node: UUID | None = None) -> UUID | None:
        """Leave a recalled unit at its node, which has already received it.

        ``node``: the node for which the unit was recalled, if another gateway reports this. Return
        the node for which another gateway asked for the unit, so that it can be informed.
        """
        unit = self.units.get(key)
        if unit is None or unit.attempt != attempt or not unit.is_recalled:
            return None
        idle = unit.reservation.node if unit.reservation is not None else None
        if idle is None or node not in (None, idle.id):
            return None
        unit.recall_refused = True
        self._end_recall(unit)
        return idle.id if node is None and idle.session is None else None

    def _end_recall(self, unit: Unit) -> None:
        if unit.is_recalled:
            self._release_reservation(unit)

    def _requeue_returned(self, unit: Unit, state: UnitState) -> bool:
        """Queue a recalled unit that its session returned; return False for any other unit."""
        is_back = state.state == "QUEUED" and state.attempt == unit.attempt
        reservation = unit.reservation
        if not is_back or reservation is None or not reservation.is_recall:
            return False
        if state.job_status == "PAUSED" or unit.node is None or reservation.node is None:
            return False
        self._release_reservation(unit)
        self._take_away(unit, unit.node, finished=True)
        unit.state, unit.node, unit.unsent = "QUEUED", None, unit.unsent + 1
        unit.is_at_session, unit.not_before = False, None
        if reservation.node.session is None:
            self._returned.append((unit, reservation.node))
        else:
            self.queue.add(unit, unit.queued_at)  # may be placed at once
        return True

    def take_returned(self) -> list[tuple[Unit, Node]]:
        """Remove and return the units recalled for nodes of other gateways, each with that node."""
        returned, self._returned = self._returned, []
        return returned

    # -- copies: speculative attempts, each a ``Unit`` beside the one that it copies

    def _table_of(self, unit: Unit) -> MutableMapping[UnitKey, Unit]:
        return self.copies if unit.is_copy else self.units

    def _note_copy(self, copy: Unit) -> None:
        """Record at the copied unit that the copy's attempt number is used."""
        first = self.units.get(copy.key)
        if first is not None:
            first.copied = max(first.copied, copy.attempt)

    def _apply_to_copy(self, state: UnitState) -> None:
        copy = self.copies.get(key_of(state))
        if copy is None or copy.state == PENDING:
            return
        self._promote_copy(state.job, state.unit, state.attempt)
        is_over = state.copied >= copy.attempt and state.copy_node is None
        if copy.is_copy and (is_over or state.attempt > copy.attempt):
            self._drop(copy)

    def _promote_copy(self, job: UUID, number: int, attempt: int) -> None:
        """Replace the unit by its copy, if ``attempt`` is the copy's."""
        copy = self.copies.get((job, number))
        if copy is None or copy.state == PENDING or copy.attempt != attempt:
            return
        first = self.units.get(copy.key)
        if first is not None:
            self._drop(first)
        del self.copies[copy.key]
        copy.is_copy = False
        self.units[copy.key] = copy

    def _compare_copies(
        self, rows: Sequence[OpenUnit], now: datetime, jobs: AbstractSet[UUID]
    ) -> None:
        """Make the copies of these jobs match the database's rows."""
        for row in rows:
            copy = self.copies.get((row.job, row.number))
            if copy is not None and copy.attempt < row.attempt:
                self._drop(copy)
                copy = None
            if copy is None:
                self._admit(row, now)
            elif copy.attempt == row.attempt:
                copy.state, copy.started_at = row.state, row.started_at
                copy.is_at_session = copy.is_at_session or row.lease_until is not None
                self._note_pause(copy, paused=row.paused == "owner")
        seen = {(row.job, row.number, row.attempt) for row in rows}
        for copy in [c for c in self.copies.values() if c.state != PENDING]:
            if copy.job in jobs and (*copy.key, copy.attempt) not in seen:
                self._drop(copy)

    # -- claims of other gateways

    def note_claims(self, claims: Iterable[tuple[UUID, int, int]], now: datetime) -> None:
        """Drop units that another gateway is assigning.

        While its commit may be under way, rows read from the database do not add them again. If
        that commit fails, a later read adds them.
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
        attempt, until = self._claims.get((row.job, row.number), NOT_CLAIMED)
        return row.state == "QUEUED" and row.attempt < attempt and now < until

    # -- nodes and their sessions

    def refresh(self, rows: Sequence[NodeRow], now: float) -> None:
        """Update all nodes from the database's list of healthy nodes."""
        healthy = {row.id for row in rows}
        for node in [n for n in self.index if n.healthy and n.id not in healthy]:
            node.healthy = False
            self.index.changed(node)
        for row in rows:
            node = self.index.node(row.id)
            node.owner, node.capabilities = row.owner, capability_set(row.capabilities)
            node.load = row.load
            node.healthy = node.healthy or node.is_back(row.silent_seconds, now)
            self.index.changed(node)

    def forget_silent(self, now: float) -> None:
        """Forget nodes that were silent for a day, as anybody can register many nodes."""
        for node in list(self.index):
            if node.is_known:
                node.silent_since = None
            elif node.silent_since is None:
                node.silent_since = now
            elif now - node.silent_since > SILENCE_MOST:
                self.index.forget(node)

    def note_silent(self, name: UUID) -> None:
        """Record that a node is not healthy."""
        node = self.index.get(name)
        if node is not None:
            node.healthy = False
            self.index.changed(node)

    def set_standing(self, node: Node, standing: StandingRecord) -> bool:
        """Set a node's standing; return False if it is not newer than the known one."""
        if standing.version <= node.standing.version:
            return False
        node.standing = standing
        self.index.changed(node)
        if node.session is not None and not self._send(node, StandingUpdate(standing)):
            self.fall_behind(node)
        return True

    def set_standings(self, rows: Iterable[StandingRow]) -> bool:
        """Set standings that were read; return whether one of them is new."""
        news = False
        for row in rows:
            node = self.index.node(row.node)
            node.owner = node.owner or row.owner
            news |= self.set_standing(node, row.standing)
        return news

    def fall_behind(self, node: Node) -> None:
        """Let the next ``catch_up`` send all assignments to the node's session again."""
        node.behind = True
        self._behind[node.id] = node

    @property
    def is_behind(self) -> bool:
        """True if a session missed a message."""
        return bool(self._behind)

    def catch_up(self) -> None:
        """Send all assignments again to the sessions that missed a message."""
        behind, self._behind = self._behind, {}
        for node in behind.values():
            node.behind = node.session is not None and not self._send(node, self._assignments(node))
            if node.behind:
                self._behind[node.id] = node

    def _assignments(self, node: Node) -> Assignments:
        """Return all assignments of a node, and mark its units as sent to the session."""
        tables = (self.units, self.copies)
        known = (table.get(key) for key in sorted(node.assigned) for table in tables)
        units = [unit for unit in known if unit is not None and unit.node is node]
        for unit in units:
            unit.is_at_session = True
        assignments = tuple(self._assignment(unit, node) for unit in units)
        return Assignments(assignments, node.standing)

    def _assignment(self, unit: Unit, node: Node) -> Assignment:
        user, access = unit.user, self.index.access
        trusted = is_trusted(node, user, access)
        return unit.assignment(pool_for_node(node, user, access), is_trusted=trusted)

    # -- rows read from the database

    def reconcile(
        self, rows: Sequence[OpenUnit], now: datetime, jobs: Iterable[UUID] | None = None
    ) -> None:
        """Make the units of these jobs (None: of all known jobs) match the database's rows."""
        read = self.jobs if jobs is None else frozenset(jobs)
        seen: set[UnitKey] = set()
        waiting: dict[UUID, list[OpenUnit]] = {}
        for row in (row for row in rows if not row.is_copy):
            seen.add((row.job, row.number))
            if row.state == "QUEUED":
                waiting.setdefault(row.job, []).append(row)
            self._compare(row, now)
        windows = {job: line[0] for job, line in waiting.items() if len(line) >= WINDOW}
        self.partial_jobs -= read
        self.partial_jobs |= windows.keys()
        known = [unit for job in read for unit in self.units.of(job)]
        for unit in [unit for unit in known if unit.key not in seen]:
            # Keep a reserved unit: its commit may be newer than the rows.
            if unit.reservation is None and not _is_beyond(unit, windows.get(unit.job)):
                self._drop(unit)
                if unit.job in windows:
                    self.queue.drained.add(unit.job)  # more units wait in the database: read them
        self._compare_copies([row for row in rows if row.is_copy], now, read)
        self.queue.drained |= {job for job in windows if self.queue.is_low(job)}

    def take_over(self, rows: Sequence[OpenUnit], now: datetime) -> None:
        """Add or update units from the database's rows; rows of copies are skipped."""
        for row in rows:
            if not row.is_copy:
                self._compare(row, now)

    @property
    def jobs_to_refill(self) -> frozenset[UUID]:
        """Jobs with few waiting units here and perhaps more in the database."""
        return frozenset(self.queue.drained & self.partial_jobs)

    def waiting_keys(self, jobs: Iterable[UUID]) -> list[UnitKey]:
        """Return the jobs' units that wait or are being placed: they need not be read again."""
        units = (unit for job in set(jobs) - self._stale for unit in self.units.of(job))
        return [unit.key for unit in units if unit.reservation is not None or unit.ticket]

    def top_up(self, jobs: Iterable[UUID], rows: Sequence[OpenUnit], now: datetime) -> None:
        """Add the next waiting units of some jobs; the rows do not contain the ``waiting_keys``."""
        self.queue.drained = set(self.jobs_to_refill.difference(jobs))
        found = Counter(row.job for row in rows)
        self.partial_jobs -= {job for job in jobs if found[job] < REFILL}
        self._stale -= set(jobs)
        for row in rows:
            self._compare(row, now)

    def _look_for_more(self, job: UUID) -> None:
        self.partial_jobs.add(job)
        self.queue.drained.add(job)

    def _compare(self, row: OpenUnit, now: datetime) -> None:
        if self.copies:  # few of thousands of units have a copy
            self._promote_copy(row.job, row.number, row.attempt)
        unit = self.units.get((row.job, row.number))
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
        elif unit.waits and (unit.ticket == 0 or not _is_unchanged(unit, row)):
            unit.avoid, unit.failures, unit.not_before = row.avoid, row.failures, row.not_before
            unit.priority, unit.barred = row.priority, row.barred
            unit.faults, unit.unsent = row.faults, row.unsent
            self.queue.add(unit, now)
        elif row.attempt == unit.attempt:
            unit.copied, unit.answered = max(unit.copied, row.copied), row.answered
            unit.started_at = row.started_at
            unit.is_at_session = unit.is_at_session or row.lease_until is not None
            unit.learn(row)
            self._note_pause(unit, paused=row.paused == "owner")
            self._note_priority(unit, row.priority)
            if unit.ticket == 0:
                self._enqueue(unit, now)

    def _admit(self, row: OpenUnit, now: datetime) -> None:
        unit = of_row(row)
        unit.elsewhere = begins_elsewhere(unit.key, *self.membership)
        self._table_of(unit)[unit.key] = unit
        if row.state in AT_WORK and row.node is not None:
            self._assign(unit, self.index.node(row.node), row.state, row.attempt)
            unit.is_at_session = unit.is_at_session or row.lease_until is not None
        self._enqueue(unit, now)

    # -- steps of the transitions

    def _keep(self, unit: Unit, reservation: Reservation) -> None:
        self._table_of(unit)[unit.key], unit.reservation = unit, reservation
        self._reservations += 1
        entry = (reservation.expires, self._reservations, unit, reservation)
        heapq.heappush(self._expiries, entry)

    def _release_reservation(self, unit: Unit) -> None:
        if unit.reservation is not None:
            if unit.reservation.node is not None:
                self._release(unit, unit.reservation.node)
            unit.reservation = None
            self._new_jobs.pop(unit.key, None)

    def _assign(self, unit: Unit, node: Node, state: UnitStatus, attempt: int) -> None:
        if unit.reservation is not None and unit.reservation.node is not node:
            self._release_reservation(unit)
        unit.reservation = None
        self._new_jobs.pop(unit.key, None)
        if unit.node is not None and unit.node is not node:
            self._take_away(unit, unit.node)
        unit.node, unit.state, unit.attempt, unit.recall_refused = node, state, attempt, False
        self._take(unit, node)
        self.index.cache_affinity.note(node.id, unit.payload_ref)
        unit.is_at_session = self._tell(node, Send(self._assignment(unit, node)))

    def _take(self, unit: Unit, node: Node) -> None:
        if unit.key not in node.assigned:
            self.index.take(node, unit.key)
            self.queue.share(unit.user, +1)

    def _release(self, unit: Unit, node: Node) -> None:
        if unit.key in node.assigned:
            self.index.release(node, unit.key)
            self.queue.share(unit.user, -1)

    def _enqueue(self, unit: Unit, now: datetime) -> None:
        """Queue the unit if it waits for a node, or if its node is unreachable."""
        if unit.waits:
            self.queue.add(unit, now)
        elif unit.is_unreachable:
            self.unreachable.add(unit, now)

    def _drop(self, unit: Unit, *, finished: bool = False, ended: bool = False) -> None:
        """Forget a unit, and withdraw it from its node unless that node finished it.

        ``ended``: its job has ended.
        """
        self._release_reservation(unit)
        self.queue.forget(unit)  # otherwise it could be placed twice once it is read again
        if ended and not unit.is_copy:
            self.units.end(unit.key)
        else:
            del self._table_of(unit)[unit.key]
        if unit.node is not None:
            self._take_away(unit, unit.node, finished=finished)

    def _take_away(self, unit: Unit, node: Node, *, finished: bool = False) -> None:
        self._release(unit, node)
        if not finished:
            self._tell(node, Withdraw(unit.job, unit.number, unit.attempt))

    def _tell(self, node: Node, message: Message[NodeSession, None]) -> bool:
        """Send a message to the node's session; skip it if all assignments must be sent again."""
        if node.session is None or node.behind:
            return False
        if not self._send(node, message):
            self.fall_behind(node)
        return not node.behind


def _node_with_attempt(unit: Unit | None, state: UnitState) -> UUID | None:
    """Return the node that had this attempt, if known here; a queued unit's state has no node."""
    if unit is None or unit.node is None or unit.attempt != state.attempt:
        return None
    return unit.node.id


def _is_unchanged(unit: Unit, row: OpenUnit) -> bool:
    """Return whether the row changes nothing about when and where the unit may be placed."""
    mine = (unit.not_before, unit.priority, unit.barred)
    return mine == (row.not_before, row.priority, row.barred)


def _is_beyond(unit: Unit, first: OpenUnit | None) -> bool:
    """Return whether the unit waits behind the window of its job's units that was read."""
    if first is None or not unit.waits:
        return False
    return (unit.priority, unit.barred) == (first.priority, first.barred)
