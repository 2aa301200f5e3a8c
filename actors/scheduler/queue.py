"""The units that wait for a node, oldest first, each type in a line of its own."""

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.unit import Unit

Entry: TypeAlias = tuple[datetime, int, Unit]
# By type, nodes to avoid, and user.
Choose: TypeAlias = Callable[[str, frozenset[UUID], UUID], Node | NoCapableNode | AllNodesFull]
LOOK_AHEAD = 64  # units with nodes to avoid must not hide those behind them, nor cost a long look


class Queue:
    """Entries whose unit does not wait any more are dropped when they are met."""

    def __init__(self) -> None:
        self._ready: dict[str, list[Entry]] = {}
        self._delayed: list[Entry] = []
        self._tickets = 0

    def add(self, unit: Unit, now: datetime) -> None:
        """Let it wait, at the place that its age gives it."""
        self._tickets += 1
        unit.ticket = self._tickets
        if unit.not_before is not None and unit.not_before > now:
            heapq.heappush(self._delayed, (unit.not_before, unit.ticket, unit))
        else:
            line = self._ready.setdefault(unit.job_type, [])
            heapq.heappush(line, (unit.queued_at, unit.ticket, unit))

    def due(self, now: datetime) -> datetime | None:
        """Move those whose time has come into their lines; when the next one's comes."""
        while self._delayed and (self._delayed[0][0] <= now or not _lives(self._delayed[0])):
            entry = heapq.heappop(self._delayed)
            if _lives(entry):
                self.add(entry[2], now)
        return self._delayed[0][0] if self._delayed else None

    def placeable(self, choose: Choose, *, alike: bool = True) -> Iterator[tuple[Unit, Node]]:
        """Take out, one by one, the units for which there is a node now.

        ``alike``: what is chosen does not depend on the user.
        """
        for job_type in list(self._ready):
            yield from self._from_line(job_type, choose, alike=alike)
            if not self._ready[job_type]:
                del self._ready[job_type]

    def _from_line(
        self, job_type: str, choose: Choose, *, alike: bool
    ) -> Iterator[tuple[Unit, Node]]:
        line = self._ready[job_type]
        aside: list[Entry] = []
        try:
            while line and len(aside) < LOOK_AHEAD:
                entry = line[0]
                unit = entry[2]
                choice = choose(job_type, unit.avoid, unit.user) if _lives(entry) else None
                stuck = choice is not None and not isinstance(choice, Node)
                if stuck and alike and not unit.avoid:
                    return
                heapq.heappop(line)
                if isinstance(choice, Node):
                    unit.ticket = 0
                    yield unit, choice
                elif choice is not None:
                    aside.append(entry)
        finally:
            for entry in aside:
                heapq.heappush(line, entry)


def _lives(entry: Entry) -> bool:
    return entry[2].waits and entry[2].ticket == entry[1]
