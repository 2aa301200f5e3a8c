"""A user's balance and entries. Only the Ledger writes them."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import attrs

from sql.batched_reads import BatchedReads
from sql.database import Database
from sql.page import Page


@attrs.frozen
class Balance:
    """A balance in units of money; ``held`` is part of ``balance``."""

    balance: int
    held: int


@attrs.frozen
class AccountEntryRow:
    """One entry as seen from its account: a negative amount is a debit."""

    id: UUID
    entry_id: int
    amount: int
    kind: str
    reference: str
    after: int
    description: str
    created_at: datetime


@attrs.frozen
class OpenHoldRow:
    """An open hold; the job is None if it is held for something else.

    ``grid``: the columns and rows of tiles, if the job's frames are cut.
    """

    id: UUID
    amount: int
    reference: str
    created_at: datetime
    job_id: UUID | None
    job_type: str | None
    job_status: str | None
    unit: int | None = None
    frames: str | None = None
    tile: int | None = None
    grid: Sequence[int] | None = None


@attrs.frozen
class UsageRow:
    """The charges for work on one day, in units of money."""

    day: date
    charged: int
    jobs: int


@attrs.frozen
class ChargedUnit:
    """A unit of work and its charge, in units of money."""

    user_id: UUID
    job_id: UUID
    number: int
    job_type: str
    charged: int


@attrs.frozen
class RefundableUnit:
    """A unit of work, its charge and the refunded part; None: not refunded."""

    number: int
    frames: str | None
    tile: int | None
    charged: int
    refunded: int | None


class Credits:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._balances = BatchedReads(self._balances_of)

    async def balance(self, user: UUID) -> Balance:
        return await self._balances.get(user)

    async def _balances_of(self, users: Sequence[UUID]) -> Sequence[Balance]:
        return [Balance(**row) for row in await self._database.all("balance_of_users", users)]

    async def page(self, user: UUID, span: Page) -> Sequence[AccountEntryRow] | None:
        """Return a page of a user's entries, newest first; None if ``span.after`` is not theirs."""
        if span.after is not None:
            known = await self._database.one("entry_is_of_user", user, span.after)
            if known is None:
                return None
        bounds = (span.limit, span.offset, span.after)
        rows = await self._database.all("entries_of_user", user, *bounds)
        return [AccountEntryRow(**row) for row in rows]

    async def count(self, user: UUID) -> int:
        row = await self._database.one("entries_count", user)
        return 0 if row is None else int(row["count"])

    async def holds(self, user: UUID, span: Page) -> Sequence[OpenHoldRow]:
        """Return a page of the user's open holds, newest first."""
        rows = await self._database.all("holds_of_user", user, span.limit, span.offset)
        return [OpenHoldRow(**row) for row in rows]

    async def holds_count(self, user: UUID) -> int:
        row = await self._database.one("holds_count", user)
        return 0 if row is None else int(row["count"])

    async def usage(self, user: UUID, first: date, last: date) -> Sequence[UsageRow]:
        """Return the charges on each of these days (UTC), oldest first."""
        rows = await self._database.all("usage_of_user", user, first, last)
        return [UsageRow(**row) for row in rows]

    async def charged_unit(self, job: UUID, number: int) -> ChargedUnit | None:
        """Return the charge for a unit of a job; None: there is no such unit."""
        row = await self._database.one("charged_unit", job, number)
        return None if row is None else ChargedUnit(**row)

    async def refundable_units(self, job: UUID) -> Sequence[RefundableUnit]:
        """Return the units of a job by number, including free ones."""
        rows = await self._database.all("refundable_units", job)
        return [RefundableUnit(**row) for row in rows]
