"""Periods of days in UTC, as statements and pages name them: ``from`` and ``to``, both included."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, TypeAlias

import attrs
from msgspec import Meta

from web.http.problem import Fault, Problem, invalid

DAYS_MOST: Final = 366
DAYS_USUAL: Final = 30
MONTHS: Final = 12
DAY: Final = timedelta(days=1)

# '' is a field of a form that is not filled in.
Day: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(20[0-9]{2}-[0-1][0-9]-[0-3][0-9])?$",
        description="a day from 2000 to 2099, like 2026-03-31",
    ),
]


@attrs.frozen
class Period:
    """The days from ``first`` to ``last``."""

    first: date
    last: date

    @property
    def begin(self) -> datetime:
        """The beginning of the first day."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The end of the last day."""
        return datetime.combine(self.last + DAY, time(), UTC)

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        """Return the period as a part of file names: ``2026-03-01-2026-03-31``."""
        return f"{self.first}-{self.last}"


def period_of(first: str, last: str, today: date) -> Period | Problem:
    """Return the period that two days name.

    Without ``last`` it ends today; without ``first`` it has thirty days.
    """
    end = today if not last else _day(last)
    if end is None:
        return invalid([Fault("to", "value", NO_DAY)])
    begin = end - DAY * (DAYS_USUAL - 1) if not first else _day(first)
    if begin is None:
        return invalid([Fault("from", "value", NO_DAY)])
    if begin > end:
        return invalid([Fault("from", "value", f"must not be after the last day, {end}")])
    found = Period(begin, end)
    if found.days > DAYS_MOST:
        return invalid([Fault("from", "value", f"is over {DAYS_MOST} days before the last day")])
    return found


def months_until(today: date) -> list[str]:
    """Return the last months like ``2026-03``, whose statements are linked, the newest first."""
    last = today.year * 12 + today.month - 1
    return [f"{number // 12}-{number % 12 + 1:02d}" for number in range(last, last - MONTHS, -1)]


NO_DAY: Final = "is no day of the calendar; write it like 2026-03-31"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
