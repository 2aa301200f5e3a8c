"""The scheduler's queues: pending dispatches, units to place, and unreachable units."""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import DeferredReply
from actors.scheduler import policy
from actors.scheduler.messages import AllNodesFull, Dispatch, DispatchOutcome, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.units import PlacementRequest, RequestKind, Unit, UnitOrder
from sql.units import ANY

Reply: TypeAlias = DeferredReply[DispatchOutcome]
MOST: Final = 4096  # pending dispatches in all
MOST_OF_USER: Final = 256


class PendingDispatches:
    """Dispatches that cannot be answered yet: each user has a line, and users take turns.

    The number of waiting dispatches is bounded in all and for each user, so that one user cannot
    take all places.
    """

    def __init__(self, most: int = MOST, most_of_user: int = MOST_OF_USER) -> None:
        self._lines: dict[UUID, deque[tuple[Dispatch, Reply]]] = {}
        self._most, self._most_of_user = most, most_of_user
        self._waiting = 0

    def keep(self, order: Dispatch, reply: Reply) -> bool:
        """Let a dispatch wait; return False if there is no room for it."""
        line = self._lines.get(order.insert.user, deque())
        if self._waiting >= self._most or len(line) >= self._most_of_user:
            return False
        line.append((order, reply))
        self._lines[order.insert.user] = line
        self._waiting += 1
        return True

    def answer_waiting(self, answer: Callable[[Dispatch, Reply], bool]) -> None:
        """Answer one dispatch of each user in turn, until no dispatch can be answered.

        ``answer`` answers a dispatch, or returns False if the dispatch must wait longer; all other
        dispatches of its job type then wait, too. Dispatches whose client has gone are dropped.
        """
        stuck: set[str] = set()
        passed = 0
        while passed < len(self._lines):
            user = next(iter(self._lines))
            line = self._lines.pop(user)
            order, reply = line[0]
            if reply.gone or (order.insert.plan.job_type not in stuck and answer(order, reply)):
                line.popleft()
                self._waiting -= 1
                passed = 0
            else:
                stuck.add(order.insert.plan.job_type)
                passed += 1
            if line:
                self._lines[user] = line


Rank: TypeAlias = tuple[UnitOrder, int]  # a unit's place among its user's units, and its ticket
Turn: TypeAlias = tuple[policy.Turn, int, int, UUID]  # the turn, ticket, version and user
SLACK: Final = 64  # stale queue entries that a heap may always have


@attrs.frozen(order=True)
class QueueEntry:
    """A unit's place in its user's line; stale if the unit has another ticket by now."""

    rank: Rank
    unit: Unit = attrs.field(order=False, eq=False, repr=False)

    @property
    def ticket(self) -> int:
        return self.rank[-1]


def is_current(entry: QueueEntry) -> bool:
    """Return whether the unit still waits at this queue entry."""
    return entry.unit.waits and entry.unit.ticket == entry.ticket


class FairQueue:
    """Units of one kind: each user has a heap of units, and users take turns.

    ``policy.turn`` orders the users by ``shares``, the number of each user's units that nodes have.
    A user who is set aside gets no turn until the end of the pass. A user who is parked, because no
    node can do the work, gets no turn until a node may be able to do it.
    """

    def __init__(self, shares: Counter[UUID]) -> None:
        self._shares = shares
        self._units: dict[UUID, list[QueueEntry]] = {}
        self._turns: list[Turn] = []
        self._versions: dict[UUID, int] = {}
        self._version = 0
        self._aside: set[UUID] = set()
        self._parked: set[UUID] = set()
        self._bounds: dict[UUID, int] = {}  # by user, heap size at which stale entries go

    @property
    def is_parked(self) -> bool:
        """True if a user is parked."""
        return bool(self._parked)

    @property
    def entries(self) -> int:
        """The number of queue entries, including stale entries."""
        return sum(map(len, self._units.values()))

    @property
    def is_empty(self) -> bool:
        return not self._units

    def put(self, unit: Unit) -> None:
        self.put_back(QueueEntry((unit.turn, unit.ticket), unit))

    def put_back(self, entry: QueueEntry) -> None:
        """Add a queue entry, for example a skipped one, at its place in the order."""
        user = entry.unit.user
        heap = self._units.setdefault(user, [])
        heapq.heappush(heap, entry)
        if len(heap) > self._bounds.get(user, SLACK):
            heap[:] = filter(is_current, heap)
            heapq.heapify(heap)
            self._bounds[user] = 2 * len(heap) + SLACK
            self.turn(user)
        elif heap[0] is entry:
            self.turn(user)

    def turn(self, user: UUID) -> bool:
        """Compute a user's turn again; return False if the user has no unit here.

        Must be called after every change of the user's first unit or share.
        """
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
        """Return the next user's turn, to compare it with other queues; None if no user has one."""
        while self._turns and not self._holds(self._turns[0]):
            heapq.heappop(self._turns)
        return self._turns[0][:2] if self._turns else None

    def first(self) -> QueueEntry | None:
        """Return the queue entry whose turn it is; the queue entry may be stale."""
        return None if self.next() is None else self._units[self._turns[0][-1]][0]

    def set_aside(self, user: UUID) -> None:
        """Give a user no turn until ``restore``: no node has room for their units."""
        self._aside.add(user)
        self.turn(user)

    def restore(self) -> None:
        """Give turns again to the users who were set aside."""
        users, self._aside = self._aside, set()
        for user in users:
            self.turn(user)

    def park(self, *users: UUID) -> None:
        """Give these users, or all users, no turn until ``wake``: no node can do their units."""
        for user in users or tuple(self._units):
            self._parked.add(user)
            self.turn(user)

    def wake(self, *users: UUID) -> None:
        """Give these parked users, or all of them, their turns again."""
        for user in self._parked.intersection(users) if users else tuple(self._parked):
            self._parked.discard(user)
            self.turn(user)

    def take(self, entry: QueueEntry) -> None:
        """Remove the first queue entry of a user."""
        user = entry.unit.user
        taken = heapq.heappop(self._units[user])
        assert taken is entry, "it is the first entry of its user"
        self.turn(user)

    def _holds(self, turn: Turn) -> bool:
        return self._versions.get(turn[-1]) == turn[-2]


Delayed: TypeAlias = tuple[datetime, int, Unit]
Choice: TypeAlias = Node | NoCapableNode | AllNodesFull
LOOK_AHEAD: Final = 64  # units of a user that a pass skips in one line as no node has room for them
FEW: Final = 8  # if at most so many units of a job wait here, its next units are read


class NodeChooser(Protocol):
    """Chooses a node for a unit; ``avoid`` and ``failed`` are those of ``NodeIndex.choose``."""

    def __call__(
        self, demand: PlacementRequest, avoid: frozenset[UUID], failed: frozenset[UUID], /
    ) -> Choice: ...


class UnitQueue:
    """Units that wait to be placed: a line (fair queue) for each kind, and delayed units.

    Stale queue entries are dropped when they are reached. ``drained``: jobs of which few units are
    left here. Units that no node can do are parked: the queue skips them until ``wake`` or
    ``wake_of`` reports that a node may be able to do them.
    """

    def __init__(self) -> None:
        self.shares: Counter[UUID] = Counter()  # units that nodes have, by user
        self.drained: set[UUID] = set()
        self._lines: dict[RequestKind, FairQueue] = {}
        self._awake: dict[RequestKind, None] = {}  # lines in which a user may have a turn
        # Kinds in whose lines a user is parked, by pool.
        self._parked: defaultdict[str, set[RequestKind]] = defaultdict(set)
        self._waiting: Counter[RequestKind] = Counter()  # units in each line
        self._lines_of: dict[UUID, set[RequestKind]] = {}  # lines where a user waits, or did lately
        self._delayed: list[Delayed] = []
        self._in_line: dict[Unit, RequestKind | None] = {}  # a unit's line; None if it is delayed
        self._entries: Counter[UUID] = Counter()  # units that wait here, by job
        self._tickets = 0

    def add(self, unit: Unit, now: datetime) -> None:
        """Queue a unit; a unit that is queued already moves to its present place."""
        self.forget(unit)
        self._tickets += 1
        unit.ticket = self._tickets
        self._entries[unit.job] += 1
        if unit.not_before is not None and unit.not_before > now:
            self._in_line[unit] = None
            heapq.heappush(self._delayed, (unit.not_before, unit.ticket, unit))
        else:
            kind = unit.kind
            line = self._lines.setdefault(kind, FairQueue(self.shares))
            self._awake[kind] = None
            self._lines_of.setdefault(unit.user, set()).add(kind)
            self._in_line[unit] = kind
            self._waiting[kind] += 1
            line.put(unit)

    def forget(self, unit: Unit) -> None:
        """Remove a unit: its queue entry becomes stale."""
        unit.ticket = 0
        if unit not in self._in_line:
            return
        kind = self._in_line.pop(unit)
        self._entries[unit.job] -= 1
        if not self._entries[unit.job]:
            del self._entries[unit.job]
        if kind is None:
            return
        self._waiting[kind] -= 1
        if not self._waiting[kind]:
            del self._waiting[kind]
            if kind in self._parked[kind.pool]:  # the next pass drops a line that is not parked
                self._drop(kind)

    def _drop(self, kind: RequestKind) -> None:
        del self._lines[kind]
        self._awake.pop(kind, None)
        self._parked[kind.pool].discard(kind)

    def wake(self, can: Callable[[RequestKind], bool]) -> None:
        """Unpark the kinds in the pool ``any`` for which ``can`` returns True."""
        for kind in [kind for kind in self._parked[ANY] if can(kind)]:
            self._parked[ANY].discard(kind)
            self._lines[kind].wake()
            self._awake[kind] = None

    def wake_of(self, users: Iterable[UUID], can: Callable[[RequestKind], bool]) -> None:
        """Unpark these users' units of kinds for which ``can`` returns True, in every pool."""
        for user in users:
            for kind in self._lines_of.get(user, ()):
                if kind in self._parked[kind.pool] and can(kind):
                    self._lines[kind].wake(user)
                    self._awake[kind] = None
                    if not self._lines[kind].is_parked:
                        self._parked[kind.pool].discard(kind)

    def share(self, user: UUID, change: int) -> None:
        """Add to the number of a user's units that nodes have, and update the user's turns."""
        self.shares[user] += change
        if not self.shares[user]:
            del self.shares[user]
        kinds = self._lines_of.get(user)
        if kinds is None:
            return
        for kind in tuple(kinds):
            if kind not in self._lines or not self._lines[kind].turn(user):
                kinds.discard(kind)
        if not kinds:
            del self._lines_of[user]

    @property
    def lines(self) -> int:
        return len(self._lines)

    @property
    def entries(self) -> int:
        """The number of queue entries in all lines, including stale entries."""
        return sum(line.entries for line in self._lines.values())

    def is_low(self, job: UUID) -> bool:
        """Return whether few units of the job wait here."""
        return self._entries[job] <= FEW

    def due(self, now: datetime) -> datetime | None:
        """Put delayed units whose start time has come into lines; return the next start time."""
        while self._delayed and (self._delayed[0][0] <= now or not _waits(self._delayed[0])):
            entry = heapq.heappop(self._delayed)
            if _waits(entry):
                self.add(entry[2], now)
        return self._delayed[0][0] if self._delayed else None

    def placeable(self, choose: NodeChooser, *, alike: bool = True) -> Iterator[tuple[Unit, Node]]:
        """Remove and yield the units for which a node has room, in the order of turns in all lines.

        ``alike``: in the pool ``any`` the choice of a node does not depend on the user.
        """
        aside: dict[RequestKind, list[QueueEntry]] = {kind: [] for kind in self._awake}
        waiting = [(kind, self._lines[kind]) for kind in aside]
        turns = TurnHeap(line for _, line in waiting)
        try:
            while (n := turns.next()) is not None:
                kind, line = waiting[n]
                entry = line.first()
                assert entry is not None, "the line has a turn"
                unit, is_same = entry.unit, alike and kind.pool == ANY
                choice = choose(unit.demand, unit.shuns, unit.avoid) if is_current(entry) else None
                if isinstance(choice, Node):
                    line.take(entry)
                    self._placed(unit)
                    yield unit, choice
                elif choice is None:
                    line.take(entry)
                elif isinstance(choice, NoCapableNode):
                    self._parked[kind.pool].add(kind)
                    line.park(*(() if is_same else (unit.user,)))
                elif unit.shuns:  # units behind this unit may avoid fewer nodes
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
            if line is None:  # the line was dropped, as it was empty
                continue
            for entry in entries:
                line.put_back(entry)
            line.restore()
            if line.is_empty:
                self._drop(kind)
            elif line.next() is None:
                self._awake.pop(kind, None)

    def _placed(self, unit: Unit) -> None:
        self.forget(unit)
        if self.is_low(unit.job):
            self.drained.add(unit.job)


class TurnHeap:
    """Finds the line whose turn is next.

    During a pass turns only become later, so a line is sorted in again only when it is reached.
    """

    def __init__(self, lines: Iterable[FairQueue]) -> None:
        self._lines = list(lines)
        turns = ((line.next(), n) for n, line in enumerate(self._lines))
        self._heap = [(turn, n) for turn, n in turns if turn is not None]
        heapq.heapify(self._heap)

    def next(self) -> int | None:
        """Return the number of the line whose turn is next, or None."""
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
        """Remove the line whose turn it is: it gets no other turn."""
        heapq.heappop(self._heap)


def _pass_over(line: FairQueue, entry: QueueEntry, aside: list[QueueEntry]) -> None:
    """Skip a user's first unit, and set the user aside after ``LOOK_AHEAD`` skipped units."""
    line.take(entry)
    aside.append(entry)
    user = entry.unit.user
    if sum(one.unit.user == user for one in aside) >= LOOK_AHEAD:
        line.set_aside(user)


def _waits(entry: Delayed) -> bool:
    return entry[2].waits and entry[2].ticket == entry[1]


NO_NODES: Final[frozenset[UUID]] = frozenset()
Entry: TypeAlias = tuple[datetime, int, Unit]
# A node that reconnects within this time keeps its units. By then another gateway that serves the
# node has leased them (``first_lease_seconds``).
GRACE: Final = timedelta(seconds=5)


class UnreachableUnits:
    """Assigned units whose node has no session at this gateway and never received them.

    Units of one kind and one user form a line. Stale queue entries are dropped when they are
    reached.
    """

    def __init__(self) -> None:
        self._in_grace: deque[Entry] = deque()  # units in their grace period
        self._lines: dict[tuple[RequestKind, UUID], deque[Entry]] = {}
        self._tickets = 0

    def add(self, unit: Unit, now: datetime) -> None:
        """Begin a unit's grace period, in which its node may still connect."""
        self._tickets += 1
        unit.ticket = self._tickets
        self._in_grace.append((now + GRACE, unit.ticket, unit))

    def due(self, now: datetime) -> datetime | None:
        """Put units whose grace period is over into lines; return when the next period ends."""
        while self._in_grace and (
            self._in_grace[0][0] <= now or not _unreachable(self._in_grace[0])
        ):
            entry = self._in_grace.popleft()
            if _unreachable(entry):
                unit = entry[2]
                self._lines.setdefault((unit.kind, unit.user), deque()).append(entry)
        for key, line in list(self._lines.items()):
            while line and not _unreachable(line[0]):
                line.popleft()
            if not line:
                del self._lines[key]
        return self._in_grace[0][0] if self._in_grace else None

    def placeable(self, choose: NodeChooser) -> Iterator[tuple[Unit, Node]]:
        """Remove and yield the units for which a connected node has room."""
        for line in self._lines.values():
            yield from _from_line(line, choose)


def _from_line(line: deque[Entry], choose: NodeChooser) -> Iterator[tuple[Unit, Node]]:
    aside: list[Entry] = []
    try:
        # Connected nodes come first: if the best node is not connected, no connected node has room.
        while (
            line
            and len(aside) < LOOK_AHEAD
            and _reachable(choose(line[0][2].demand, NO_NODES, NO_NODES))
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
