"""The units that wait for a node, each kind in a line of its own."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, Protocol, TypeAlias
from uuid import UUID

from actors.scheduler.demand import ANY, Demand, Kind
from actors.scheduler.line import Entry, Line, lives
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.unit import Unit

Delayed: TypeAlias = tuple[datetime, int, Unit]
Choice: TypeAlias = Node | NoCapableNode | AllNodesFull
LOOK_AHEAD = 64  # units with nodes to avoid must not hide those behind them, nor cost a long look
FEW: Final = 8  # of a job: more are to be read


class Choose(Protocol):
    """The node for such a unit that avoids these nodes, or at least those that failed it."""

    def __call__(
        self, demand: Demand, avoid: frozenset[UUID], failed: frozenset[UUID], /
    ) -> Choice: ...


class Queue:
    """Entries whose unit does not wait any more are dropped when they are met.

    ``drained`` are jobs of which few are left here since somebody looked.
    """

    def __init__(self) -> None:
        self.shares: Counter[UUID] = Counter()  # how many units of each user nodes have
        self.drained: set[UUID] = set()
        self._lines: dict[Kind, Line] = {}
        self._where: dict[UUID, set[Kind]] = {}  # the lines in which a user waits, or did lately
        self._delayed: list[Delayed] = []
        self._in_line: set[Unit] = set()
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
            line = self._lines.setdefault(unit.kind, Line(self.shares))
            self._where.setdefault(unit.user, set()).add(unit.kind)
            self._in_line.add(unit)
            self._entries[unit.job] += 1
            line.put(unit)

    def forget(self, unit: Unit) -> None:
        """It does not wait any more, or elsewhere: where it stands here it is passed over."""
        unit.ticket = 0
        if unit in self._in_line:
            self._in_line.discard(unit)
            self._entries[unit.job] -= 1
            if not self._entries[unit.job]:
                del self._entries[unit.job]

    def share(self, user: UUID, change: int) -> None:
        """Nodes have more units of a user, or fewer."""
        self.shares[user] += change
        if not self.shares[user]:
            del self.shares[user]
        kinds = self._where.get(user, set[Kind]())
        for kind in tuple(kinds):
            if kind not in self._lines or not self._lines[kind].turn(user):
                kinds.discard(kind)
        if not kinds:
            self._where.pop(user, None)

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

    def placeable(self, choose: Choose, *, alike: bool = True) -> Iterator[tuple[Unit, Node]]:
        """Take out, one by one, the units for which there is a node now, by turns over all lines.

        ``alike``: what is chosen does not depend on the user, where the pool is ``any``.
        """
        aside: dict[Kind, list[Entry]] = {kind: [] for kind in self._lines}
        going = dict.fromkeys(aside)
        try:
            while (kind := self._next_of(going)) is not None:
                line = self._lines[kind]
                entry = line.first()
                assert entry is not None, "its line has a turn"
                unit = entry.unit
                choice = choose(unit.demand, unit.shuns, unit.avoid) if lives(entry) else None
                if isinstance(choice, Node):
                    line.take(entry)
                    self._left(unit)
                    yield unit, choice
                elif choice is None:
                    line.take(entry)
                elif unit.shuns:  # those behind it may have more nodes
                    _pass_over(line, entry, aside[kind])
                elif alike and kind.pool == ANY:
                    del going[kind]
                else:
                    line.set_aside(unit.user)
        finally:
            self._restore(aside)

    def _next_of(self, kinds: Iterable[Kind]) -> Kind | None:
        """The line whose turn it is."""
        turns = ((self._lines[kind].next(), n, kind) for n, kind in enumerate(kinds))
        found = [(turn, n, kind) for turn, n, kind in turns if turn is not None]
        return min(found)[-1] if found else None

    def _restore(self, aside: Mapping[Kind, list[Entry]]) -> None:
        for kind, entries in aside.items():
            line = self._lines[kind]
            for entry in entries:
                line.put_back(entry)
            line.restore()
            if line.is_empty:
                del self._lines[kind]

    def _left(self, unit: Unit) -> None:
        self.forget(unit)
        if self.is_low(unit.job):
            self.drained.add(unit.job)


def _pass_over(line: Line, entry: Entry, aside: list[Entry]) -> None:
    """Look at the unit behind; of one user's not at all of them."""
    line.take(entry)
    aside.append(entry)
    user = entry.unit.user
    if sum(one.unit.user == user for one in aside) >= LOOK_AHEAD:
        line.set_aside(user)


def _waits(entry: Delayed) -> bool:
    return entry[2].waits and entry[2].ticket == entry[1]
