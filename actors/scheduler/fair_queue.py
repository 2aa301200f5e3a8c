"""The units of one kind that wait: whose turn it is."""

import heapq
from collections import Counter
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.scheduler import policy
from actors.scheduler.placement_request import Within
from actors.scheduler.unit import Unit

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
