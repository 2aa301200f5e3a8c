"""Dispatches that cannot be answered yet: each user's in a line of his own, let in by turns."""

from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import UUID

from actors.kernel import Later
from actors.scheduler.messages import Dispatch, DispatchOutcome

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
