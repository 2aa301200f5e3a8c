"""Working hours of a node in its local time, such as ``20-8`` for the night."""

import re
from datetime import datetime
from typing import Final

import attrs

_FORM: Final = re.compile(r"(\d{1,2})(?::(\d{2}))?-(\d{1,2})(?::(\d{2}))?")
HOW: Final = "must be like 20-8 or 22:30-6:15: start and end in this machine's local time"


@attrs.frozen
class WorkingHours:
    """Hours from minute ``first`` of the day to minute ``last``.

    The hours include midnight if ``last`` is less than ``first``.
    """

    first: int
    last: int

    def holds(self, now: datetime) -> bool:
        """Return True if ``now`` is within the hours."""
        minute = now.hour * 60 + now.minute
        if self.first < self.last:
            return self.first <= minute < self.last
        return minute >= self.first or minute < self.last

    def __str__(self) -> str:
        return f"{_clock(self.first)}-{_clock(self.last)}"


def read_hours(text: str) -> WorkingHours:
    """Parse working hours. Raises ValueError, whose message shows the format."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(HOW)
    first, last = _minute(found[1], found[2]), _minute(found[3], found[4])
    if first == last:
        raise ValueError("start and end are equal; set no working hours to work all day")
    return WorkingHours(first, last)


def _minute(hour: str, minute: str | None) -> int:
    found = int(hour) * 60 + int(minute or 0)
    if int(minute or 0) > 59 or found > 24 * 60:
        raise ValueError(HOW)
    return found % (24 * 60)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
