"""Dead letters: told messages that reached nobody."""

import asyncio
from collections import deque
from collections.abc import Callable

import attrs

KEPT = 100


@attrs.frozen
class DeadLetter:
    """One undelivered message: its kind and addressee; its content is shown to nobody.

    ``number`` counts them from 1; ``at`` is the loop's time, in seconds. ``again`` tells it once
    more; False when it is not taken.
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
        """Count one and keep it, in the place of the oldest when there are 100."""
        self.count += 1
        now = asyncio.get_running_loop().time()
        self._recent.append(attrs.evolve(letter, number=self.count, at=now))

    def recent(self) -> tuple[DeadLetter, ...]:
        """The last ones, oldest first."""
        return tuple(self._recent)

    def retry(self, number: int) -> str | None:
        """Tell one once more, and keep it no longer; why not, if it is not taken.

        What is told is a hint of what stands in the database, or does nothing the second time: so
        that it comes late, and perhaps twice, does no harm.
        """
        letter = next((each for each in self._recent if each.number == number), None)
        if letter is None or letter.again is None:
            return "it is not kept any more"
        if not letter.again():
            return f"{letter.addressee} has ended, or has no room for it"
        self.discard(number)
        return None

    def discard(self, number: int) -> bool:
        """Keep one no longer; whether it was there."""
        before = len(self._recent)
        kept = [each for each in self._recent if each.number != number]
        self._recent = deque(kept, maxlen=KEPT)
        return len(kept) < before
