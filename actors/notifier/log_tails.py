"""The last log lines of jobs, in memory and bounded."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import attrs

LINES_MOST: Final = 80  # lines of a job
UNITS_MOST: Final = 20  # units of a job whose progress is shown after its lines
CHARACTERS_MOST: Final = 400  # characters of a line


@attrs.frozen
class LogLine:
    """A log line with the unit and attempt that wrote it."""

    unit: int
    attempt: int
    text: str


@attrs.frozen
class JobTail:
    """The last lines of a job. ``progress``: the newest progress text of each unit, newest last."""

    lines: deque[LogLine] = attrs.field(factory=lambda: deque[LogLine](maxlen=LINES_MOST))
    progress: OrderedDict[int, LogLine] = attrs.field(factory=OrderedDict[int, LogLine])

    def add(self, line: LogLine) -> None:
        """Add a line, unless the unit's previous line is the same."""
        before = next((each for each in reversed(self.lines) if each.unit == line.unit), None)
        if before != line:
            self.lines.append(line)

    def follow(self, line: LogLine) -> None:
        """Replace the progress text of a unit."""
        self.progress[line.unit] = line
        self.progress.move_to_end(line.unit)
        if len(self.progress) > UNITS_MOST:
            self.progress.popitem(last=False)


class LogTails:
    """The last lines of the ``most`` most recently active jobs."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tails: OrderedDict[UUID, JobTail] = OrderedDict()

    def add(self, job: UUID, unit: int, attempt: int, text: str) -> None:
        """Add the lines of a text, without empty lines."""
        for line in _lines(unit, attempt, text):
            self._tail(job).add(line)

    def follow(self, job: UUID, unit: int, attempt: int, detail: str) -> None:
        """Replace the progress text of a unit of a job."""
        for line in _lines(unit, attempt, detail):
            self._tail(job).follow(line)

    def of(self, job: UUID) -> tuple[LogLine, ...]:
        """Return a job's lines, oldest first, then the progress of each unit; empty if unknown."""
        tail = self._tails.get(job)
        return () if tail is None else (*tail.lines, *tail.progress.values())

    @property
    def is_empty(self) -> bool:
        return not self._tails

    def newest(self) -> Iterator[tuple[UUID, JobTail]]:
        """Return all jobs, the most recently active first."""
        return reversed(self._tails.items())

    def hear(self, job: UUID, said: JobTail) -> None:
        """Append lines from another gateway."""
        tail = self._tail(job)
        for line in said.lines:
            tail.add(line)
        for line in said.progress.values():
            tail.follow(line)

    def fill_in(self, job: UUID, said: JobTail) -> None:
        """Insert lines of a job from another gateway before this gateway's newer lines, without
        duplicates.
        """
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
