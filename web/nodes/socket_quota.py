"""How many sockets of nodes each address has, and which nodes must wait before they come again."""

import math
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from actors.ports import Clock
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode

TOO_MANY: Final = Problem(
    429,
    "Too many nodes are connected from your address; wait for one to leave",
    headers={"Retry-After": "30"},
    code=RefusalCode.TOO_MANY_CONNECTIONS,
)
# After a flood. Our own nodes wait twice as long.
REST_SECONDS: Final = 15.0


class SocketQuota:
    """``most`` sockets are of one address."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._taken: Counter[str] = Counter()
        self._resting: dict[UUID, float] = {}  # until when; who flooded first is first

    def refuse(self, subject: str, *, replaces: bool) -> Problem | None:
        """Whether an address has all that it may have. A node may always replace its own."""
        return TOO_MANY if self._taken[subject] - replaces >= self._most else None

    @contextmanager
    def taken(self, subject: str) -> Generator[None]:
        """One more, as long as it stands."""
        self._taken[subject] += 1
        try:
            yield
        finally:
            self._taken[subject] -= 1
            if not self._taken[subject]:
                del self._taken[subject]

    def rest(self, node: UUID) -> None:
        """The node flooded us."""
        now = self._clock.monotonic()
        while self._resting and (first := next(iter(self._resting.items())))[1] <= now:
            del self._resting[first[0]]
        self._resting.pop(node, None)
        self._resting[node] = now + REST_SECONDS

    def resting(self, node: UUID) -> Problem | None:
        """Whether the node must wait; it is asked before anything is spent on it."""
        left = self._resting.get(node, -math.inf) - self._clock.monotonic()
        if left <= 0:
            return None
        wait = str(math.ceil(left))
        text = f"The node sent too many frames; it may connect again in {wait} s"
        return Problem(429, text, headers={"Retry-After": wait}, code=RefusalCode.NODE_FLOODED)
