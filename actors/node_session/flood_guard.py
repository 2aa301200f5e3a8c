"""A bound on how many frames a peer may send."""


class FloodGuard:
    """At most ``most`` events in each window of ``seconds``; times are monotonic seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._window = float("-inf")
        self._count = 0

    def admits(self, now: float) -> bool:
        """Count one event; False when it is one too many."""
        if now - self._window >= self._seconds:
            self._window, self._count = now, 0
        self._count += 1
        return self._count <= self._most
