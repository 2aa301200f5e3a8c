"""Log of the ends of actors, and of the restarts that their supervisors decided."""

from collections import deque

import attrs

KEPT = 200


@attrs.frozen
class Restart:
    """The end of an actor's instance, and its supervisor's decision.

    ``at``: the time by the event loop's clock. ``delay``: the pause before the next start; None if
    the supervisor gave up.
    """

    at: float
    supervisor: str
    actor: str
    reason: str
    delay: float | None


class RestartLog:
    """Keeps the last 200 restarts of a tree."""

    def __init__(self) -> None:
        self._recent: deque[Restart] = deque(maxlen=KEPT)

    def add(self, restart: Restart) -> None:
        """Add a restart; beyond 200 the oldest is dropped."""
        self._recent.append(restart)

    def recent(self) -> tuple[Restart, ...]:
        """Return the restarts that are kept, oldest first."""
        return tuple(self._recent)
