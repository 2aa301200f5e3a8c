"""Nodes, the units that have not ended, and the steps that bring the ones to the others.

What the Board is built on: there is no other way in which a unit comes to a node or leaves it, or
in which the session of a node is told.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, MutableMapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Message
from actors.node_session.messages import (
    Assignments,
    NodeSession,
    Promote,
    Recall,
    Send,
    StandingUpdate,
    Withdraw,
)
from actors.scheduler.access import access_words
from actors.scheduler.messages import Assignment
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.node_index import NodeIndex
from actors.scheduler.policy import PENDING, begins_elsewhere, is_assigned
from actors.scheduler.queues import UnitQueue, UnreachableUnits
from actors.scheduler.units import Reservation, Unit, Units, of_row
from sql.scheduler_rows import NodeRow, OpenUnit, StandingRecord, StandingRow

SILENCE_MOST = 86_400.0  # seconds
PLACING_SECONDS = 30.0  # nobody waits for these: the Ledger may be slow


@attrs.frozen
class AssignmentTag:
    """The tag of a commit that assigns ``unit`` to ``node``; node None: it only queues the job.

    ``beside``: of a copy the attempt that is at work already.
    """

    unit: Unit
    node: UUID | None
    attempt: int
    beside: int = 0


class BaseState:
    """``say`` tells a node's session something, False if it was not taken. ``ours`` are the
    gateway's own nodes.
    """

    def __init__(
        self, say: Callable[[Node, Message[NodeSession, None]], bool], ours: Collection[UUID] = ()
    ) -> None:
        self.index = NodeIndex(ours)
        self.queue = UnitQueue()
        self.unreachable_units = UnreachableUnits()
        self.units = Units()
        self.copies: dict[UnitKey, Unit] = {}  # attempts beside that of the unit itself
        self.among: tuple[int, int] = (0, 1)  # which gateway this is, among how many
        self._say = say
        self._more: set[UUID] = set()  # jobs of which more units wait than are known here
        self._doubted: set[UUID] = set()  # jobs of which what waits here is to be read again
        self._behind: dict[UUID, Node] = {}
        self._ordered: dict[UnitKey, Node] = {}  # of new jobs whose first commit is under way
        self._placings: list[tuple[float, int, Unit, Reservation]] = []
        self._placed = 0
        self._round: deque[Node] = deque()  # with a backlog, still to be looked at
        # What other gateways give out now: the attempts, and until when that is believed.
        self._claims: OrderedDict[UnitKey, tuple[int, datetime]] = OrderedDict()
        self._lent: list[tuple[Unit, Node]] = []  # back, and promised to other gateways' nodes

    def _reserve(self, unit: Unit, node: Node, expires: float) -> AssignmentTag:
        if unit.state == PENDING and not unit.is_copy:
            self._ordered[unit.key] = node
        attempt = unit.next_attempt
        self._keep(unit, Reservation(node, attempt, expires))
        self._take(unit, node)
        return AssignmentTag(unit, node.id, attempt)

    def _shelf(self, unit: Unit) -> MutableMapping[UnitKey, Unit]:
        """Where such a unit is kept."""
        return self.copies if unit.is_copy else self.units

    def _keep(self, unit: Unit, placing: Reservation) -> None:
        self._shelf(unit)[unit.key], unit.placing = unit, placing
        self._placed += 1
        heapq.heappush(self._placings, (placing.expires, self._placed, unit, placing))

    def _admit(self, row: OpenUnit, now: datetime) -> None:
        unit = of_row(row)
        unit.elsewhere = begins_elsewhere(unit.key, *self.among)
        self._shelf(unit)[unit.key] = unit
        if is_assigned(row.state) and row.node is not None:
            self._assign(unit, self.index.node(row.node), row.state, row.attempt)
            unit.told = unit.told or row.lease_until is not None
        self._line_up(unit, now)

    @property
    def jobs(self) -> frozenset[UUID]:
        """Jobs of which units or copies are known here."""
        return frozenset(self.units.jobs) | {copy.job for copy in self.copies.values()}

    def params(self, job: UUID) -> dict[str, Any] | None:
        """The parameters of a job of which something is known here; they never change."""
        return next((unit.params for unit in self.units.of(job)), None)

    def serves(self, name: UUID) -> bool:
        """Whether a node has its session here."""
        node = self.index.get(name)
        return node is not None and node.session is not None

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
        shelves = (self.units, self.copies)
        known = (shelf.get(key) for key in sorted(node.taken) for shelf in shelves)
        units = [unit for unit in known if unit is not None and unit.node is node]
        for unit in units:
            unit.told = True
        said = tuple(self._assignment(unit, node) for unit in units)
        return Assignments(said, node.standing)

    def _assignment(self, unit: Unit, node: Node) -> Assignment:
        return unit.assignment(access_words(node, unit.user, self.index.circles))

    def refresh(self, rows: Sequence[NodeRow], now: float) -> None:
        """Take over what the database says about healthy nodes."""
        healthy = {row.id for row in rows}
        for node in [n for n in self.index if n.healthy and n.id not in healthy]:
            node.healthy = False
            self.index.changed(node)
        for row in rows:
            node = self.index.node(row.id)
            node.owner, node.capabilities = row.owner, frozenset(row.capabilities)
            node.load = row.load
            node.healthy = node.healthy or node.is_back(row.silent_seconds, now)
            self.index.changed(node)

    def forget_silent(self, now: float) -> None:
        """Forget nodes of which nothing was heard for a day: registering one costs nothing."""
        for node in list(self.index):
            if node.is_known:
                node.silent_since = None
            elif node.silent_since is None:
                node.silent_since = now
            elif now - node.silent_since > SILENCE_MOST:
                self.index.forget(node)

    def note_silent(self, name: UUID) -> None:
        """A node is healthy no more."""
        node = self.index.get(name)
        if node is not None:
            node.healthy = False
            self.index.changed(node)

    def stand(self, node: Node, standing: StandingRecord) -> bool:
        """Take over what people say about a node, unless it is old; whether it is new."""
        if standing.version <= node.standing.version:
            return False
        node.standing = standing
        self.index.changed(node)
        if node.session is not None and not self._say(node, StandingUpdate(standing)):
            self.fall_behind(node)
        return True

    def stand_all(self, rows: Iterable[StandingRow]) -> bool:
        """The same for what was read; whether anything is new."""
        news = False
        for row in rows:
            node = self.index.node(row.node)
            node.owner = node.owner or row.owner
            news |= self.stand(node, row.standing)
        return news

    def pause(self, job: UUID) -> None:
        """Its owner paused a job: what nodes do not have of it yet they are not to be sent."""
        copies = [unit for unit in self.copies.values() if unit.job == job]
        for unit in (*self.units.of(job), *copies):
            self._note_pause(unit, paused=True)

    def _note_pause(self, unit: Unit, *, paused: bool) -> None:
        """Only its session knows whether it was sent; once it is back, the books say so."""
        is_new = paused and not unit.paused
        unit.paused = paused
        if is_new and unit.state == "DISPATCHED" and unit.node is not None:
            self._tell(unit.node, Recall(unit.job, unit.number, unit.attempt))

    def _note_priority(self, unit: Unit, priority: int) -> None:
        """What waits at its node has another turn there; what the node has is not sent again."""
        is_new, unit.priority = priority != unit.priority, priority
        if is_new and unit.state == "DISPATCHED" and unit.node is not None:
            self._tell(unit.node, Promote(unit.job, unit.number, unit.attempt, priority))

    # -- steps

    def _assign(self, unit: Unit, node: Node, state: str, attempt: int) -> None:
        if unit.placing is not None and unit.placing.node is not node:
            self._give_back(unit)
        unit.placing = None
        self._ordered.pop(unit.key, None)
        if unit.node is not None and unit.node is not node:
            self._take_away(unit, unit.node)
        unit.node, unit.state, unit.attempt, unit.kept = node, state, attempt, False
        self._take(unit, node)
        self.index.cache_affinity.note(node.id, unit.payload_ref)
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
            self.unreachable_units.add(unit, now)

    def _give_back(self, unit: Unit) -> None:
        if unit.placing is not None:
            if unit.placing.node is not None:
                self._release(unit, unit.placing.node)
            unit.placing = None
            self._ordered.pop(unit.key, None)

    def _drop(self, unit: Unit, *, finished: bool = False) -> None:
        """Forget a unit; its node is told to, unless it was the one that finished it."""
        self._give_back(unit)
        self.queue.forget(unit)  # or it is placed beside what is read of it anew
        del self._shelf(unit)[unit.key]
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
