"""The units that wait for a node, each kind in a line of its own."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, Protocol, TypeAlias
from uuid import UUID

from actors.scheduler.fair_queue import FairQueue, QueueEntry, lives
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.placement_request import ANY, PlacementRequest, RequestKind
from actors.scheduler.unit import Unit

Delayed: TypeAlias = tuple[datetime, int, Unit]
Choice: TypeAlias = Node | NoCapableNode | AllNodesFull
LOOK_AHEAD = 64  # units with nodes to avoid must not hide those behind them, nor cost a long look
FEW: Final = 8  # of a job: more are to be read


class NodeChooser(Protocol):
    """The node for such a unit that avoids these nodes, or at least those that failed it."""

    def __call__(
        self, demand: PlacementRequest, avoid: frozenset[UUID], failed: frozenset[UUID], /
    ) -> Choice: ...


class UnitQueue:
    """Entries whose unit does not wait any more are dropped when they are met.

    ``drained`` are jobs of which few are left here since somebody looked. What no node can do is
    parked: it is not looked at until ``wake`` says that a node may.
    """

    def __init__(self) -> None:
        self.shares: Counter[UUID] = Counter()  # how many units of each user nodes have
        self.drained: set[UUID] = set()
        self._lines: dict[RequestKind, FairQueue] = {}
        self._awake: dict[RequestKind, None] = {}  # the lines in which somebody may have a turn
        # By pool, the lines in which somebody is parked.
        self._parked: defaultdict[str, set[RequestKind]] = defaultdict(set)
        self._waiting: Counter[RequestKind] = Counter()  # how many units wait in each line
        self._where: dict[
            UUID, set[RequestKind]
        ] = {}  # the lines in which a user waits, or did lately
        self._delayed: list[Delayed] = []
        self._in_line: dict[Unit, RequestKind] = {}
        self._entries: Counter[UUID] = Counter()  # of those, how many of each job
        self._tickets = 0

    def add(self, unit: Unit, now: datetime) -> None:
        """Let it wait, at the place that priority, age and turn give it, and at no other."""
        self.forget(unit)
        self._tickets += 1
        unit.ticket = self._tickets
        if unit.not_before is not None and unit.not_before > now:
            heapq.heappush(self._delayed, (unit.not_before, unit.ticket, unit))
        else:
            kind = unit.kind
            line = self._lines.setdefault(kind, FairQueue(self.shares))
            self._awake[kind] = None
            self._where.setdefault(unit.user, set()).add(kind)
            self._in_line[unit] = kind
            self._waiting[kind] += 1
            self._entries[unit.job] += 1
            line.put(unit)

    def forget(self, unit: Unit) -> None:
        """It does not wait any more, or elsewhere: where it stands here it is passed over."""
        unit.ticket = 0
        kind = self._in_line.pop(unit, None)
        if kind is None:
            return
        self._entries[unit.job] -= 1
        if not self._entries[unit.job]:
            del self._entries[unit.job]
        self._waiting[kind] -= 1
        if not self._waiting[kind]:
            del self._waiting[kind]
            if kind in self._parked[kind.pool]:  # any other is dropped when it is looked through
                self._drop(kind)

    def _drop(self, kind: RequestKind) -> None:
        del self._lines[kind]
        self._awake.pop(kind, None)
        self._parked[kind.pool].discard(kind)

    def wake(self, can: Callable[[RequestKind], bool]) -> None:
        """Nodes for anybody changed: what is parked of the kinds that they can do, in the pool
        ``any``, is looked at again.
        """
        for kind in [kind for kind in self._parked[ANY] if can(kind)]:
            self._parked[ANY].discard(kind)
            self._lines[kind].wake()
            self._awake[kind] = None

    def wake_of(self, users: Iterable[UUID], can: Callable[[RequestKind], bool]) -> None:
        """The same of what these users have parked, in whatever pool: nodes for them changed."""
        for user in users:
            for kind in self._where.get(user, ()):
                if kind in self._parked[kind.pool] and can(kind):
                    self._lines[kind].wake(user)
                    self._awake[kind] = None
                    if not self._lines[kind].is_parked:
                        self._parked[kind.pool].discard(kind)

    def share(self, user: UUID, change: int) -> None:
        """Nodes have more units of a user, or fewer."""
        self.shares[user] += change
        if not self.shares[user]:
            del self.shares[user]
        kinds = self._where.get(user, set[RequestKind]())
        for kind in tuple(kinds):
            if kind not in self._lines or not self._lines[kind].turn(user):
                kinds.discard(kind)
        if not kinds:
            self._where.pop(user, None)

    @property
    def lines(self) -> int:
        """How many kinds wait."""
        return len(self._lines)

    @property
    def entries(self) -> int:
        """How many entries the lines hold, of units too that do not wait any more."""
        return sum(line.entries for line in self._lines.values())

    def is_low(self, job: UUID) -> bool:
        """Whether few units of the job are here."""
        return self._entries[job] <= FEW

    def due(self, now: datetime) -> datetime | None:
        """Move those whose time has come into their lines; when the next one's comes."""
        while self._delayed and (self._delayed[0][0] <= now or not _waits(self._delayed[0])):
            entry = heapq.heappop(self._delayed)
            if _waits(entry):
                self.add(entry[2], now)
        return self._delayed[0][0] if self._delayed else None

    def placeable(self, choose: NodeChooser, *, alike: bool = True) -> Iterator[tuple[Unit, Node]]:
        """Take out, one by one, the units for which there is a node now, by turns over all lines.

        ``alike``: what is chosen does not depend on the user, where the pool is ``any``.
        """
        aside: dict[RequestKind, list[QueueEntry]] = {kind: [] for kind in self._awake}
        waiting = [(kind, self._lines[kind]) for kind in aside]
        turns = TurnHeap(line for _, line in waiting)
        try:
            while (n := turns.next()) is not None:
                kind, line = waiting[n]
                entry = line.first()
                assert entry is not None, "its line has a turn"
                unit, is_same = entry.unit, alike and kind.pool == ANY
                choice = choose(unit.demand, unit.shuns, unit.avoid) if lives(entry) else None
                if isinstance(choice, Node):
                    line.take(entry)
                    self._left(unit)
                    yield unit, choice
                elif choice is None:
                    line.take(entry)
                elif isinstance(choice, NoCapableNode):
                    self._parked[kind.pool].add(kind)
                    line.park(*(() if is_same else (unit.user,)))
                elif unit.shuns:  # those behind it may have more nodes
                    _pass_over(line, entry, aside[kind])
                elif is_same:
                    turns.end()
                else:
                    line.set_aside(unit.user)
        finally:
            self._restore(aside)

    def _restore(self, aside: Mapping[RequestKind, list[QueueEntry]]) -> None:
        for kind, entries in aside.items():
            line = self._lines.get(kind)
            if line is None:  # nothing waits in it any more
                continue
            for entry in entries:
                line.put_back(entry)
            line.restore()
            if line.is_empty:
                self._drop(kind)
            elif line.next() is None:
                self._awake.pop(kind, None)

    def _left(self, unit: Unit) -> None:
        self.forget(unit)
        if self.is_low(unit.job):
            self.drained.add(unit.job)


class TurnHeap:
    """Finds the line whose turn is next. During a pass turns only move later, so a line is put
    in its place again when it is reached.
    """

    def __init__(self, lines: Iterable[FairQueue]) -> None:
        self._lines = list(lines)
        turns = ((line.next(), n) for n, line in enumerate(self._lines))
        self._heap = [(turn, n) for turn, n in turns if turn is not None]
        heapq.heapify(self._heap)

    def next(self) -> int | None:
        """Return the number of the line whose turn it is."""
        while self._heap:
            turn, n = self._heap[0]
            now = self._lines[n].next()
            if now == turn:
                return n
            if now is None:
                heapq.heappop(self._heap)
            else:
                heapq.heapreplace(self._heap, (now, n))
        return None

    def end(self) -> None:
        """The line whose turn it is has no other."""
        heapq.heappop(self._heap)


def _pass_over(line: FairQueue, entry: QueueEntry, aside: list[QueueEntry]) -> None:
    """Look at the unit behind; of one user's not at all of them."""
    line.take(entry)
    aside.append(entry)
    user = entry.unit.user
    if sum(one.unit.user == user for one in aside) >= LOOK_AHEAD:
        line.set_aside(user)


def _waits(entry: Delayed) -> bool:
    return entry[2].waits and entry[2].ticket == entry[1]
