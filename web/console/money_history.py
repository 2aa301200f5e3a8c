"""Money by day, as admins see it on the overview.

The books are append-only, so a day that is over is read once and kept in memory; the present day is
read again after some seconds. A farm with very many transfers is read over several calls: what is
not read yet is shown as unknown, so that the page is never late for it. Each day has a time limit,
and days that were late least often come first, so that a slow day does not hide the others.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import attrs

from sql.database import Database
from sql.overview import MoneyMoved, Overview

DAYS: Final = 14
BUDGET_SECONDS: Final = 0.8  # of a call
DAY_SECONDS: Final = 0.4  # of one day
KEPT: Final = timedelta(seconds=10)  # how long the sums of a day that is not over are shown
SETTLED: Final = timedelta(minutes=10)  # after midnight, when each gateway's clock is past it
DAY: Final = timedelta(days=1)


@attrs.frozen
class DayOfMoney:
    """A day (UTC) and its sums; None: not read yet. ``platform``: the platform's share."""

    day: date
    bought: int | None = None
    charged: int | None = None
    earned: int | None = None
    platform: int | None = None
    paid: int | None = None

    @classmethod
    def of(cls, day: date, moved: MoneyMoved | None) -> "DayOfMoney":
        """Return the day with these sums."""
        if moved is None:
            return cls(day)
        platform = moved.charged - moved.earned
        return cls(day, moved.bought, moved.charged, moved.earned, platform, moved.paid)


@attrs.define
class MoneyHistory:
    """The sums of the last days. ``over``: the days whose sums do not change any more.

    ``read_at``: when the other days were last read; ``late``: how often a day was not read in time.
    """

    known: dict[date, MoneyMoved] = attrs.field(factory=dict[date, MoneyMoved])
    over: set[date] = attrs.field(factory=set[date])
    read_at: dict[date, datetime] = attrs.field(factory=dict[date, datetime])
    late: Counter[date] = attrs.field(factory=Counter[date])

    async def days(self, database: Database, now: datetime) -> Sequence[DayOfMoney]:
        """Return a row for each of the last days, the newest first."""
        today = now.astimezone(UTC).date()
        days = [today - DAY * back for back in range(DAYS)]
        self.known = {day: moved for day, moved in self.known.items() if day in days}
        self.read_at = {day: at for day, at in self.read_at.items() if day in days}
        self.late = Counter({day: times for day, times in self.late.items() if day in days})
        self.over.intersection_update(days)
        with suppress(TimeoutError):  # the next call goes on
            async with asyncio.timeout(BUDGET_SECONDS):
                for day in self._due(days, now):
                    await self._read(database, day, now)
        return [DayOfMoney.of(day, self.known.get(day)) for day in days]

    def _due(self, days: Sequence[date], now: datetime) -> Sequence[date]:
        """Return the days to read: first those that were late least often, today after others."""
        due = [day for day in days if day not in self.over and not self._is_fresh(day, now)]
        return sorted(due, key=lambda day: (self.late[day], day == days[0], days[0] - day))

    def _is_fresh(self, day: date, now: datetime) -> bool:
        read_at = self.read_at.get(day)
        return read_at is not None and timedelta() <= now - read_at < KEPT

    async def _read(self, database: Database, day: date, now: datetime) -> None:
        """Read a day's sums, unless it takes too long."""
        begin, end = midnight(day), midnight(day + DAY)
        self.late[day] += 1
        try:
            async with asyncio.timeout(DAY_SECONDS):
                self.known[day] = await Overview(database).moved(begin, end)
        except TimeoutError:
            return
        self.late[day] = 0
        self.read_at[day] = now
        if now >= end + SETTLED:
            self.over.add(day)


def midnight(day: date) -> datetime:
    """Return the beginning of a day in UTC."""
    return datetime.combine(day, time(), UTC)
