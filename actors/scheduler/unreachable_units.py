"""Units whose node has no session and never heard of them: another's, once one can be reached."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from actors.scheduler.node import Node
from actors.scheduler.placement_request import RequestKind
from actors.scheduler.queue import LOOK_AHEAD, NodeChooser
from actors.scheduler.unit import Unit

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
    return entry[2].is_stray and entry[2].ticket == entry[1]
