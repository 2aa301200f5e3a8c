"""Dead letters: told messages that reached nobody."""

from collections import deque

import attrs

KEPT = 100


@attrs.frozen
class DeadLetter:
    """One undelivered message: its kind and addressee, never its content."""

    kind: str
    addressee: str
    reason: str


class DeadLetters:
    """Counts all dead letters and keeps the last 100."""

    def __init__(self) -> None:
        self.count = 0
        self._recent: deque[DeadLetter] = deque(maxlen=KEPT)

    def add(self, letter: DeadLetter) -> None:
        """Count one and keep it, in the place of the oldest when there are 100."""
        self.count += 1
        self._recent.append(letter)

    def recent(self) -> tuple[DeadLetter, ...]:
        """The last ones, oldest first."""
        return tuple(self._recent)
