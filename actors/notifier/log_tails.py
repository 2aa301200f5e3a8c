"""The last lines of what nodes said about jobs: bounded, in memory, for who asks why."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import attrs

LINES_MOST: Final = 80  # of a job
UNITS_MOST: Final = 20  # of a job, whose progress stands after its lines
CHARACTERS_MOST: Final = 400  # of a line


@attrs.frozen
class LogLine:
    """One line, and in which unit's which attempt it was said."""

    unit: int
    attempt: int
    text: str


@attrs.frozen
class JobTail:
    """Of one job. ``progress`` is what each unit said last of how far it is, the newest last."""

    lines: deque[LogLine] = attrs.field(factory=lambda: deque[LogLine](maxlen=LINES_MOST))
    progress: OrderedDict[int, LogLine] = attrs.field(factory=OrderedDict[int, LogLine])

    def add(self, line: LogLine) -> None:
        """What a unit says twice in a row stands once, whatever others say in between."""
        before = next((each for each in reversed(self.lines) if each.unit == line.unit), None)
        if before != line:
            self.lines.append(line)

    def follow(self, line: LogLine) -> None:
        """How far a unit is: instead of what it said of that before."""
        self.progress[line.unit] = line
        self.progress.move_to_end(line.unit)
        if len(self.progress) > UNITS_MOST:
            self.progress.popitem(last=False)


class LogTails:
    """Of the ``most`` jobs that something was said about last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tails: OrderedDict[UUID, JobTail] = OrderedDict()

    def add(self, job: UUID, unit: int, attempt: int, text: str) -> None:
        """Lines of a text; those that say nothing are left out."""
        for line in _lines(unit, attempt, text):
            self._tail(job).add(line)

    def follow(self, job: UUID, unit: int, attempt: int, detail: str) -> None:
        """How far a unit is, in words: instead of what it said of that before."""
        for line in _lines(unit, attempt, detail):
            self._tail(job).follow(line)

    def of(self, job: UUID) -> tuple[LogLine, ...]:
        """Oldest first, then how far each unit was; nothing where nothing is remembered."""
        tail = self._tails.get(job)
        return () if tail is None else (*tail.lines, *tail.progress.values())

    @property
    def is_empty(self) -> bool:
        return not self._tails

    def newest(self) -> Iterator[tuple[UUID, JobTail]]:
        """All of them, the job that something was said about last first."""
        return reversed(self._tails.items())

    def hear(self, job: UUID, said: JobTail) -> None:
        """What was said elsewhere, after what is known."""
        tail = self._tail(job)
        for line in said.lines:
            tail.add(line)
        for line in said.progress.values():
            tail.follow(line)

    def fill_in(self, job: UUID, said: JobTail) -> None:
        """What was said elsewhere before: what is known already stands once, behind it."""
        tail = self._tail(job)
        later = [line for line in tail.lines if line not in said.lines]
        tail.lines.clear()
        tail.lines.extend((*said.lines, *later))
        for line in said.progress.values():
            if line.unit not in tail.progress:
                tail.follow(line)

    def _tail(self, job: UUID) -> JobTail:
        tail = self._tails.setdefault(job, JobTail())
        self._tails.move_to_end(job)
        if len(self._tails) > self._most:
            self._tails.popitem(last=False)
        return tail


def _lines(unit: int, attempt: int, text: str) -> list[LogLine]:
    said = [each[:CHARACTERS_MOST] for each in text.splitlines()[-LINES_MOST:]]
    return [LogLine(unit, attempt, each) for each in said if each.strip()]
