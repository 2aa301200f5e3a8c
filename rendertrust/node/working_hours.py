"""The hours of the day in which a node works, in its own time: ``20-8`` is by night."""

import re
from datetime import datetime
from typing import Final

import attrs

_FORM: Final = re.compile(r"(\d{1,2})(?::(\d{2}))?-(\d{1,2})(?::(\d{2}))?")
HOW: Final = "must be like 20-8 or 22:30-6:15, from when to when, in this machine's own time"


@attrs.frozen
class WorkingHours:
    """From minute ``first`` of the day up to minute ``last``, over midnight where that is less."""

    first: int
    last: int

    def holds(self, now: datetime) -> bool:
        """Whether it is the time to work."""
        minute = now.hour * 60 + now.minute
        if self.first < self.last:
            return self.first <= minute < self.last
        return minute >= self.first or minute < self.last

    def __str__(self) -> str:
        return f"{_clock(self.first)}-{_clock(self.last)}"


def read_hours(text: str) -> WorkingHours:
    """The hours that ``text`` names. Raises ValueError, which says what they look like."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(HOW)
    first, last = _minute(found[1], found[2]), _minute(found[3], found[4])
    if first == last:
        raise ValueError("begin and end at the same time; leave them out to work all day")
    return WorkingHours(first, last)


def _minute(hour: str, minute: str | None) -> int:
    found = int(hour) * 60 + int(minute or 0)
    if int(minute or 0) > 59 or found > 24 * 60:
        raise ValueError(HOW)
    return found % (24 * 60)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
