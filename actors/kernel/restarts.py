"""The restart log: what ended, why, and what its supervisor did about it."""

from collections import deque

import attrs

KEPT = 200


@attrs.frozen
class Restart:
    """One end that a supervisor dealt with. ``at`` is the loop's time, in seconds.

    ``delay`` is how long the next start was put off; None: it gave up.
    """

    at: float
    supervisor: str
    actor: str
    reason: str
    delay: float | None


class Restarts:
    """Keeps the last 200 of a tree."""

    def __init__(self) -> None:
        self._recent: deque[Restart] = deque(maxlen=KEPT)

    def add(self, restart: Restart) -> None:
        """Note one, in the place of the oldest when there are 200."""
        self._recent.append(restart)

    def recent(self) -> tuple[Restart, ...]:
        """The last ones, oldest first."""
        return tuple(self._recent)
