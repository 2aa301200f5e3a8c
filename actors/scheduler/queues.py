"""The queues of the Scheduler: of dispatches to answer, units to place, and unreachable units."""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Later
from actors.scheduler import policy
from actors.scheduler.messages import AllNodesFull, Dispatch, DispatchOutcome, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.placement_request import ANY, PlacementRequest, RequestKind, Within
from actors.scheduler.units import Unit

Asker: TypeAlias = Later[DispatchOutcome]
MOST: Final = 4096
MOST_OF_USER: Final = 256


class PendingDispatches:
    """Bounded in all and for each user: who sends more than he may fills only his own line."""

    def __init__(self, most: int = MOST, most_of_user: int = MOST_OF_USER) -> None:
        self._lines: dict[UUID, deque[tuple[Dispatch, Asker]]] = {}
        self._most, self._most_of_user = most, most_of_user
        self._waiting = 0

    def keep(self, order: Dispatch, asker: Asker) -> bool:
        """Let it wait; False when there is no room for it."""
        line = self._lines.get(order.user, deque())
        if self._waiting >= self._most or len(line) >= self._most_of_user:
            return False
        line.append((order, asker))
        self._lines[order.user] = line
        self._waiting += 1
        return True

    def let_in(self, settle: Callable[[Dispatch, Asker], bool]) -> None:
        """Try one order of each user in turn, until nothing can be settled any more.

        ``settle`` answers False for one that must go on waiting; its whole type does then.
        Those whose asker has gone are dropped.
        """
        stuck: set[str] = set()
        passed = 0
        while passed < len(self._lines):
            user = next(iter(self._lines))
            line = self._lines.pop(user)
            order, asker = line[0]
            if asker.gone or (order.job_type not in stuck and settle(order, asker)):
                line.popleft()
                self._waiting -= 1
                passed = 0
            else:
                stuck.add(order.job_type)
                passed += 1
            if line:
                self._lines[user] = line


Rank: TypeAlias = tuple[Within, int]  # the order of a user's own, and the ticket
Turn: TypeAlias = tuple[policy.Turn, int, int, UUID]  # with ticket, version and user
SLACK: Final = 64


@attrs.frozen(order=True)
class QueueEntry:
    """A unit at its place: among all of its user the greatest priority first, then the oldest job,
    then the unit whose turn within it comes first.
    """

    rank: Rank
    unit: Unit = attrs.field(order=False, eq=False, repr=False)

    @property
    def ticket(self) -> int:
        return self.rank[-1]


def lives(entry: QueueEntry) -> bool:
    """Whether its unit still waits here."""
    return entry.unit.waits and entry.unit.ticket == entry.ticket


class FairQueue:
    """Each user's units stand in a heap of their own, and users take turns.

    Whose it is, ``policy.turn`` says; ``shares``, how many units of each user nodes have. Users who
    are set aside have none until the line is looked through anew; those who are parked, as no node
    can do their work, have none until a node may.
    """

    def __init__(self, shares: Counter[UUID]) -> None:
        self._shares = shares
        self._units: dict[UUID, list[QueueEntry]] = {}
        self._turns: list[Turn] = []
        self._versions: dict[UUID, int] = {}
        self._version = 0
        self._aside: set[UUID] = set()
        self._parked: set[UUID] = set()
        self._bounds: dict[UUID, int] = {}  # of a heap longer than this the dead are dropped

    @property
    def is_parked(self) -> bool:
        """Whether somebody is parked here."""
        return bool(self._parked)

    @property
    def entries(self) -> int:
        """How many entries it holds, of units too that do not wait any more."""
        return sum(map(len, self._units.values()))

    @property
    def is_empty(self) -> bool:
        return not self._units

    def put(self, unit: Unit) -> None:
        """Let it wait."""
        self.put_back(QueueEntry((unit.turn, unit.ticket), unit))

    def put_back(self, entry: QueueEntry) -> None:
        """Let it wait where it waited before."""
        user = entry.unit.user
        heap = self._units.setdefault(user, [])
        heapq.heappush(heap, entry)
        if len(heap) > self._bounds.get(user, SLACK):
            heap[:] = filter(lives, heap)
            heapq.heapify(heap)
            self._bounds[user] = 2 * len(heap) + SLACK
            self.turn(user)
        elif heap[0] is entry:
            self.turn(user)

    def turn(self, user: UUID) -> bool:
        """Must follow when a user's first unit, or his share, is another; whether he waits here."""
        heap = self._units.get(user)
        if not heap:
            for known in (self._versions, self._units, self._bounds):
                known.pop(user, None)
            self._parked.discard(user)
            return False
        self._version += 1
        self._versions[user] = self._version
        if user in self._aside or user in self._parked:
            return True
        first = heap[0]
        whose = policy.turn(first.unit.priority, self._shares[user], first.unit.queued_at)
        heapq.heappush(self._turns, (whose, first.ticket, self._version, user))
        if len(self._turns) > 2 * len(self._units) + SLACK:
            self._turns = [turn for turn in self._turns if self._holds(turn)]
            heapq.heapify(self._turns)
        return True

    def next(self) -> tuple[policy.Turn, int] | None:
        """When its turn comes among lines; None: nobody waits, but those who are set aside."""
        while self._turns and not self._holds(self._turns[0]):
            heapq.heappop(self._turns)
        return self._turns[0][:2] if self._turns else None

    def first(self) -> QueueEntry | None:
        """Whose turn it is; he may have ceased to wait."""
        return None if self.next() is None else self._units[self._turns[0][-1]][0]

    def set_aside(self, user: UUID) -> None:
        """There is no node for any unit of his here."""
        self._aside.add(user)
        self.turn(user)

    def restore(self) -> None:
        """Those who were set aside have turns again."""
        users, self._aside = self._aside, set()
        for user in users:
            self.turn(user)

    def park(self, *users: UUID) -> None:
        """Set these users aside, or all users if none is named: no node can do their units."""
        for user in users or tuple(self._units):
            self._parked.add(user)
            self.turn(user)

    def wake(self, *users: UUID) -> None:
        """Give these parked users their turns again, or all if none is named."""
        for user in self._parked.intersection(users) if users else tuple(self._parked):
            self._parked.discard(user)
            self.turn(user)

    def take(self, entry: QueueEntry) -> None:
        """Take the first one out."""
        user = entry.unit.user
        taken = heapq.heappop(self._units[user])
        assert taken is entry, "the first of its user's"
        self.turn(user)

    def _holds(self, turn: Turn) -> bool:
        return self._versions.get(turn[-1]) == turn[-2]


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


NOBODY: Final[frozenset[UUID]] = frozenset()
Entry: TypeAlias = tuple[datetime, int, Unit]
# A node that reconnects finds its units still its own. Another gateway that serves it has vouched
# for them by then (``first_lease_seconds``), and they are its node's.
GRACE: Final = timedelta(seconds=5)


class UnreachableUnits:
    """Each kind of each user in a line of its own.

    Entries whose unit is no stray any more are dropped.
    """

    def __init__(self) -> None:
        self._young: deque[Entry] = deque()
        self._lines: dict[tuple[RequestKind, UUID], deque[Entry]] = {}
        self._tickets = 0

    def add(self, unit: Unit, now: datetime) -> None:
        """From now on its node has the time of grace to come for it."""
        self._tickets += 1
        unit.ticket = self._tickets
        self._young.append((now + GRACE, unit.ticket, unit))

    def due(self, now: datetime) -> datetime | None:
        """Let those go whose grace is over; when the next one's is."""
        while self._young and (self._young[0][0] <= now or not _unreachable(self._young[0])):
            entry = self._young.popleft()
            if _unreachable(entry):
                unit = entry[2]
                self._lines.setdefault((unit.kind, unit.user), deque()).append(entry)
        for key, line in list(self._lines.items()):
            while line and not _unreachable(line[0]):
                line.popleft()
            if not line:
                del self._lines[key]
        return self._young[0][0] if self._young else None

    def placeable(self, choose: NodeChooser) -> Iterator[tuple[Unit, Node]]:
        """Take out, one by one, the units for which there is a node with a session now."""
        for line in self._lines.values():
            yield from _from_line(line, choose)


def _from_line(line: deque[Entry], choose: NodeChooser) -> Iterator[tuple[Unit, Node]]:
    aside: list[Entry] = []
    try:
        # Nodes with a session come first: when the best one has none, no other has room.
        while (
            line
            and len(aside) < LOOK_AHEAD
            and _reachable(choose(line[0][2].demand, NOBODY, NOBODY))
        ):
            entry = line.popleft()
            unit = entry[2]
            node = (
                _reachable(choose(unit.demand, unit.shuns, unit.avoid))
                if _unreachable(entry)
                else None
            )
            if node is not None:
                unit.ticket = 0
                yield unit, node
            elif _unreachable(entry):
                aside.append(entry)
    finally:
        line.extendleft(reversed(aside))


def _reachable(choice: object) -> Node | None:
    return choice if isinstance(choice, Node) and choice.session is not None else None


def _unreachable(entry: Entry) -> bool:
    return entry[2].is_unreachable and entry[2].ticket == entry[1]
