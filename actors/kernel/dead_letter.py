"""Dead letters: messages sent with ``tell`` that no actor handled."""

import asyncio
from collections import deque
from collections.abc import Callable

import attrs

KEPT = 100


@attrs.frozen
class DeadLetter:
    """One undelivered message: its kind and addressee, without its content.

    ``number`` counts from 1. ``at``: when the message became a dead letter, by the event loop's
    clock. ``again``: a function that sends the message again, and returns False if it is refused.
    """

    kind: str
    addressee: str
    reason: str
    number: int = attrs.field(default=0, eq=False)
    at: float = attrs.field(default=0.0, eq=False)
    again: Callable[[], bool] | None = attrs.field(default=None, eq=False, repr=False)


class DeadLetters:
    """Counts all dead letters and keeps the last 100."""

    def __init__(self) -> None:
        self.count = 0
        self._recent: deque[DeadLetter] = deque(maxlen=KEPT)

    def add(self, letter: DeadLetter) -> None:
        """Count a dead letter and keep it; beyond 100 the oldest is dropped."""
        self.count += 1
        now = asyncio.get_running_loop().time()
        self._recent.append(attrs.evolve(letter, number=self.count, at=now))

    def recent(self) -> tuple[DeadLetter, ...]:
        """Return the dead letters that are kept, oldest first."""
        return tuple(self._recent)

    def retry(self, number: int) -> str | None:
        """Send a dead letter again and drop it; return an error text if that fails.

        Late or repeated delivery is harmless: a ``tell`` is only a hint about something in the
        database, or has no effect the second time.
        """
        letter = next((each for each in self._recent if each.number == number), None)
        if letter is None or letter.again is None:
            return "the message has been dropped"
        if not letter.again():
            return f"{letter.addressee} has ended, or has no room for it"
        self.discard(number)
        return None

    def discard(self, number: int) -> bool:
        """Drop a dead letter; return False if it is no longer kept."""
        before = len(self._recent)
        kept = [each for each in self._recent if each.number != number]
        self._recent = deque(kept, maxlen=KEPT)
        return len(kept) < before
