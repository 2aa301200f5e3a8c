"""Which of the units that wait at one node is sent next.

A node may be given far more than it runs: whoever submits one job after another fills its backlog,
past the queue of the Scheduler. So users take turns here, too.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from actors.node_session.held_units import HeldUnit
from sql.scheduler_rows import weight


class FairOrder:
    """By weight of the priority: a user's turn comes the later, the more of his was sent lately.

    Whoever comes anew begins where the others are: what he did not use before, he has not saved.
    """

    def __init__(self) -> None:
        self._sent: dict[UUID, float] = {}  # of each user, units by weight, on a clock of its own
        self._now = 0.0

    def next(self, waiting: Iterable[HeldUnit]) -> HeldUnit | None:
        """Whose turn it is; of his own the greatest priority, then the oldest job."""
        firsts: dict[UUID, HeldUnit] = {}
        for held in waiting:
            known = firsts.setdefault(held.assignment.user, held)
            if _within(held) < _within(known):
                firsts[held.assignment.user] = held
        self._await(firsts)
        return min(firsts.values(), key=self._turn, default=None)

    def took(self, held: HeldUnit) -> None:
        """It was sent."""
        unit = held.assignment
        begin = self._sent.get(unit.user, self._now)
        self._sent[unit.user] = begin + 1 / weight(unit.priority)
        self._now = max(self._now, begin)

    def _await(self, users: Iterable[UUID]) -> None:
        """Who waits keeps his place from now on; who does not, and had no more, is forgotten."""
        kept = {user: until for user, until in self._sent.items() if until > self._now}
        waiting = {user: self._sent.get(user, self._now) for user in users}
        self._sent = {**kept, **waiting}

    def _turn(self, held: HeldUnit) -> tuple[float, int, datetime]:
        unit = held.assignment
        ends = self._sent[unit.user] + 1 / weight(unit.priority)
        return ends, -unit.priority, unit.queued_at


def _within(held: HeldUnit) -> tuple[int, datetime, int]:
    unit = held.assignment
    return -unit.priority, unit.queued_at, unit.place
