"""Credits that a user spent on work in a period, for the credits page."""

from collections.abc import Sequence

import attrs

from sql.spending import DayOfSpending, JobSpending
from web.console.period_chart import DayBars


@attrs.frozen
class Spent:
    """The spending of a period, with its days (oldest first) and its dearest jobs."""

    days: Sequence[DayOfSpending]
    jobs: Sequence[JobSpending]

    @property
    def charged(self) -> int:
        """The charges, before refunds."""
        return sum(day.charged for day in self.days)

    @property
    def refunded(self) -> int:
        """The refunds of charges, also of earlier periods."""
        return sum(day.refunded for day in self.days)

    @property
    def total(self) -> int:
        """The charges less the refunds."""
        return self.charged - self.refunded

    @property
    def count(self) -> int:
        """The number of all jobs with charges or refunds."""
        return self.jobs[0].jobs if self.jobs else 0

    @property
    def chart(self) -> DayBars:
        """The charges of each day."""
        return DayBars("charged", [(day.day, day.charged) for day in self.days])


def newest(days: Sequence[DayOfSpending], most: int) -> Sequence[DayOfSpending]:
    """Return the newest days with charges or refunds, newest first."""
    moved = [day for day in days if day.charged or day.refunded]
    return moved[::-1][:most]
