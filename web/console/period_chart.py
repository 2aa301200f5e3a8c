"""Charts of credits by day, and links to the periods that many people want."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

import attrs

from rendertrust import money
from web.console.value_markup import credit_count
from web.money.periods import DAY, Period

DAY_SECONDS: Final = 86_400


@attrs.frozen
class PeriodLink:
    """A link to a period that many people want; ``is_shown``: the page shows it."""

    label: str
    period: Period
    is_shown: bool


def links_of(today: date, shown: Period) -> Sequence[PeriodLink]:
    """Return the usual periods that end today or with the last month."""
    first = today.replace(day=1)
    before = first - DAY
    usual = (
        ("7 days", Period(today - 6 * DAY, today)),
        ("30 days", Period(today - 29 * DAY, today)),
        ("This month", Period(first, today)),
        ("Last month", Period(before.replace(day=1), before)),
        ("This year", Period(today.replace(month=1, day=1), today)),
    )
    return [PeriodLink(label, period, period == shown) for label, period in usual]


@attrs.frozen
class DayBars:
    """The bars of a chart: an amount in units of money for each day, oldest first.

    ``verb``: what happened to the amounts, such as ``charged``.
    """

    verb: str
    amounts: Sequence[tuple[date, int]]

    @property
    def total(self) -> int:
        """The sum of all days."""
        return sum(amount for _, amount in self.amounts)

    @property
    def drawn(self) -> Mapping[str, Any]:
        """The chart's data, in credits."""
        noon = [datetime.combine(day, time(12), UTC) for day, _ in self.amounts]
        values = [amount / money.UNITS_PER_CREDIT for _, amount in self.amounts]
        return {
            "at": [int(at.timestamp()) for at in noon],
            "kind": "bars",
            "step": DAY_SECONDS,
            "series": [{"label": self.verb, "values": values, "tone": "accent"}],
        }

    @property
    def said(self) -> str:
        """The chart in a sentence."""
        if not self.total:
            return f"Nothing was {self.verb} in this period."
        day, most = max(self.amounts, key=lambda each: each[1])
        days = sum(1 for _, amount in self.amounts if amount)
        verb = "was" if self.total == money.UNITS_PER_CREDIT else "were"
        moved = f"{credit_count(self.total)} {verb} {self.verb} on"
        if days == 1:
            return f"{moved} {day}."
        return f"{moved} {days} days; most on {day}: {credit_count(most)}."
