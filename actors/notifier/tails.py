"""The last lines of what nodes said about jobs: bounded, in memory, for who asks why."""

from collections import OrderedDict, deque
from typing import Final
from uuid import UUID

import attrs

LINES_MOST: Final = 80  # of a job
UNITS_MOST: Final = 20  # of a job, whose progress stands after its lines
CHARACTERS_MOST: Final = 400  # of a line


@attrs.frozen
class Line:
    """One line, and in which unit's which attempt it was said."""

    unit: int
    attempt: int
    text: str


@attrs.frozen
class Tail:
    """Of one job. ``progress`` is what each unit said last of how far it is, the newest last."""

    lines: deque[Line] = attrs.field(factory=lambda: deque[Line](maxlen=LINES_MOST))
    progress: OrderedDict[int, Line] = attrs.field(factory=OrderedDict[int, Line])

    def add(self, line: Line) -> None:
        """What a unit says twice in a row stands once, whatever others say in between."""
        before = next((each for each in reversed(self.lines) if each.unit == line.unit), None)
        if before != line:
            self.lines.append(line)

    def follow(self, line: Line) -> None:
        self.progress[line.unit] = line
        self.progress.move_to_end(line.unit)
        if len(self.progress) > UNITS_MOST:
            self.progress.popitem(last=False)


class Tails:
    """Of the ``most`` jobs that something was said about last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tails: OrderedDict[UUID, Tail] = OrderedDict()

    def add(self, job: UUID, unit: int, attempt: int, text: str) -> None:
        """Lines of a text; those that say nothing are left out."""
        for line in _lines(unit, attempt, text):
            self._tail(job).add(line)

    def follow(self, job: UUID, unit: int, attempt: int, detail: str) -> None:
        """How far a unit is, in words: instead of what it said of that before."""
        for line in _lines(unit, attempt, detail):
            self._tail(job).follow(line)

    def of(self, job: UUID) -> tuple[Line, ...]:
        """Oldest first, then how far each unit was; nothing where nothing is remembered."""
        tail = self._tails.get(job)
        return () if tail is None else (*tail.lines, *tail.progress.values())

    def _tail(self, job: UUID) -> Tail:
        tail = self._tails.setdefault(job, Tail())
        self._tails.move_to_end(job)
        if len(self._tails) > self._most:
            self._tails.popitem(last=False)
        return tail


def _lines(unit: int, attempt: int, text: str) -> list[Line]:
    said = [each[:CHARACTERS_MOST] for each in text.splitlines()[-LINES_MOST:]]
    return [Line(unit, attempt, each) for each in said if each.strip()]
