"""Statements of users' accounts, and what users spend on work."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import attrs

from sql.database import Table
from sql.operator_accounts import AccountVersion


@attrs.frozen
class AccountLogRow:
    """An entry of a user's account; a negative amount is a debit."""

    entry_id: int
    version: int
    created_at: datetime
    kind: str
    amount: int
    balance: int
    reference: str
    description: str


@attrs.frozen
class AccountLine:
    """A line of a statement: one entry, or ``entries`` of a kind for the same job on a day.

    ``name``: the job's name.
    """

    day: date
    kind: str
    job_id: UUID | None
    entries: int
    amount: int
    description: str
    name: str | None = None


@attrs.frozen
class DayOfSpending:
    """The charges for work on a day, the refunds of charges, and the number of charged jobs."""

    day: date
    charged: int
    refunded: int
    jobs: int


@attrs.frozen
class JobSpending:
    """The charges and refunds of a job in a period; ``jobs``: the number of all jobs in it."""

    job_id: UUID
    charged: int
    refunded: int
    units: int
    last_at: datetime
    jobs: int
    name: str

    @property
    def spent(self) -> int:
        """The charges less the refunds."""
        return self.charged - self.refunded


class Spending(Table):
    """Queries of users' accounts by period; days are UTC and inclusive.

    Methods raise ``sql.database.Unavailable`` while the database is down.
    """

    async def moment(self, user: UUID, at: datetime) -> AccountVersion:
        """Return a user's account as it was at a time."""
        found = await self._database.row(AccountVersion, "account_at", user, at)
        return found or AccountVersion()

    async def entries(
        self, user: UUID, after: int, last: int, limit: int
    ) -> Sequence[AccountLogRow]:
        """Return the entries after version ``after`` up to ``last``, oldest first."""
        return await self._database.rows(AccountLogRow, "account_entries", user, after, last, limit)

    async def lines(self, user: UUID, after: int, last: int, limit: int) -> Sequence[AccountLine]:
        """Return the same entries as lines, with one line for each kind, job and day."""
        return await self._database.rows(AccountLine, "account_lines", user, after, last, limit)

    async def days(self, user: UUID, first: date, last: date) -> Sequence[DayOfSpending]:
        """Return the spending on each of these days, oldest first."""
        return await self._database.rows(DayOfSpending, "spending_by_day", user, first, last)

    async def jobs(self, user: UUID, first: date, last: date, limit: int) -> Sequence[JobSpending]:
        """Return the jobs on which the user spent most."""
        return await self._database.rows(JobSpending, "spending_by_job", user, first, last, limit)
