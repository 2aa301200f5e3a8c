"""The restart log: how actors ended, and what their supervisors decided."""

from collections import deque

import attrs

KEPT = 200


@attrs.frozen
class Restart:
    """An end that a supervisor handled. ``at`` is the loop's time in seconds.

    ``delay`` is the pause before the next start; None: the supervisor gave up.
    """

    at: float
    supervisor: str
    actor: str
    reason: str
    delay: float | None


class Restarts:
    """Keeps the last 200 restarts of a tree."""

    def __init__(self) -> None:
        self._recent: deque[Restart] = deque(maxlen=KEPT)

    def add(self, restart: Restart) -> None:
        """Add a restart; beyond 200 the oldest is dropped."""
        self._recent.append(restart)

    def recent(self) -> tuple[Restart, ...]:
        """Return the restarts that are kept, oldest first."""
        return tuple(self._recent)
