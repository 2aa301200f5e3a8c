"""Schedules and minimums of operators' payouts."""

from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid5

import attrs

from rendertrust.money import UNITS_PER_CREDIT
from sql.database import Table

BY_HAND: Final = "by_hand"
SCHEDULES: Final = (BY_HAND, "weekly", "monthly")
HOUR: Final = time(6)  # of the day on which payouts are made, in UTC
DAYS_OF_WEEK: Final = 7


@attrs.frozen
class PayoutRule:
    """The rule of an operator. ``minimum``: in units of money; ``next_at``: None by hand."""

    schedule: str = BY_HAND
    kind: str = "CREDITS"
    minimum: int = 0
    next_at: datetime | None = None

    def least(self, of_gateway: int) -> int:
        """Return what a payout has at least; ``of_gateway``: the gateway's minimum for money."""
        return max(self.minimum, of_gateway) if self.kind == "MONEY" else self.minimum


@attrs.frozen
class PassedDate:
    """A date of a rule that is over. ``is_due``: its operator still has to be paid for it.

    ``seen_at``: the database's time.
    """

    operator: UUID
    schedule: str
    kind: str
    minimum: int
    date: datetime
    seen_at: datetime
    is_due: bool

    @property
    def payout(self) -> UUID:
        """The id of the payout for this date, the same for all gateways."""
        return uuid5(self.operator, self.date.isoformat())

    @property
    def next_at(self) -> datetime | None:
        """The date after the present one."""
        return next_date(self.schedule, self.seen_at)


def least_units(minimum: float) -> int:
    """Return the gateway's minimum, which the setting has in credits, in units of money."""
    return round(minimum * UNITS_PER_CREDIT)


def next_date(schedule: str, now: datetime) -> datetime | None:
    """Return the next date of a schedule: a Monday or a first of the month; None by hand."""
    if schedule == BY_HAND:
        return None
    day = now.date()
    if schedule == "weekly":
        first = day - timedelta(days=day.weekday())
        dates = [first, first + timedelta(days=DAYS_OF_WEEK)]
    else:
        first = day.replace(day=1)
        dates = [first, (first + timedelta(days=32)).replace(day=1)]
    moments = (datetime.combine(each, HOUR, tzinfo=now.tzinfo) for each in dates)
    return next(moment for moment in moments if moment > now)


class PayoutRules(Table):
    async def of(self, user: UUID) -> PayoutRule:
        """Return the rule of a user; without one, they are paid out by hand."""
        return await self._database.row(PayoutRule, "payout_rule_of", user) or PayoutRule()

    async def set(self, user: UUID, rule: PayoutRule) -> bool:
        """Store the rule of a user; False if the user is not active."""
        values = attrs.astuple(rule, recurse=False)
        return await self._database.one("payout_rule_set", user, *values) is not None
