"""Limits of sockets: how many per address, and how long nodes wait after a flood."""

import math
from collections import Counter
from typing import Final
from uuid import UUID

from actors.ports import Clock
from rendertrust.api.refusal_code import RefusalCode
from web.http.problem import Problem

TOO_MANY: Final = Problem(
    429,
    "Too many nodes are connected from your address; wait for one to leave",
    headers={"Retry-After": "30"},
    code=RefusalCode.TOO_MANY_CONNECTIONS,
)
# How long a node is refused after a flood. The node agent itself waits twice as long.
REST_SECONDS: Final = 15.0


class SocketQuota:
    """A limit of ``most`` sockets per address."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._taken: Counter[str] = Counter()
        self._resting: dict[UUID, float] = {}  # the end of each node's pause, the oldest first

    def refuse(self, subject: str, *, replaces: bool) -> Problem | None:
        """Return a refusal if the address ``subject`` has as many sockets as allowed.

        ``replaces``: the node already has a socket from this address, which the new one replaces.
        """
        return TOO_MANY if self._taken[subject] - replaces >= self._most else None

    def take(self, subject: str) -> None:
        """Count one more socket until ``give_back``.

        A context manager would keep 0.5 KB for each socket.
        """
        self._taken[subject] += 1

    def give_back(self, subject: str) -> None:
        """Count one socket less."""
        self._taken[subject] -= 1
        if not self._taken[subject]:
            del self._taken[subject]

    def rest(self, node: UUID) -> None:
        """Record that the node sent too many relay frames."""
        now = self._clock.monotonic()
        while self._resting and (first := next(iter(self._resting.items())))[1] <= now:
            del self._resting[first[0]]
        self._resting.pop(node, None)
        self._resting[node] = now + REST_SECONDS

    def resting(self, node: UUID) -> Problem | None:
        """Return a refusal if the node must wait. The relay checks this before it does any work for
        the node.
        """
        left = self._resting.get(node, -math.inf) - self._clock.monotonic()
        if left <= 0:
            return None
        wait = str(math.ceil(left))
        text = f"The node sent too many frames; it may connect again in {wait} s"
        return Problem(429, text, headers={"Retry-After": wait}, code=RefusalCode.NODE_FLOODED)
