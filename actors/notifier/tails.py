"""The last lines of what nodes said about jobs: bounded, in memory, for who asks why."""

from collections import OrderedDict, deque
from typing import Final
from uuid import UUID

import attrs

LINES_MOST: Final = 80  # of a job
CHARACTERS_MOST: Final = 400  # of a line


@attrs.frozen
class Line:
    """One line, and in which unit's which attempt it was said."""

    unit: int
    attempt: int
    text: str


class Tails:
    """Of the ``most`` jobs that something was said about last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tails: OrderedDict[UUID, deque[Line]] = OrderedDict()

    def add(self, job: UUID, unit: int, attempt: int, text: str) -> None:
        """Lines of a text; what is said twice in a row, or says nothing, stands once, or not."""
        fresh = [Line(unit, attempt, each[:CHARACTERS_MOST]) for each in text.splitlines()[-80:]]
        if not any(line.text.strip() for line in fresh):
            return
        tail = self._tails.setdefault(job, deque(maxlen=LINES_MOST))
        self._tails.move_to_end(job)
        if len(self._tails) > self._most:
            self._tails.popitem(last=False)
        for line in fresh:
            if line.text.strip() and (not tail or tail[-1] != line):
                tail.append(line)

    def of(self, job: UUID) -> tuple[Line, ...]:
        """Oldest first; nothing where nothing was said, or so long ago that it is forgotten."""
        return tuple(self._tails.get(job, ()))
