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
    """In units; ``held`` is part of ``balance``."""

    balance: int
    held: int


@attrs.frozen
class AccountEntryRow:
    """One entry, from the view of its account: a negative amount is a debit."""

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
    """An open hold; the job is None where it is held for something else.

    ``grid``: into how many columns and rows of tiles a frame of the job is cut, if it is.
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
    """What was charged for work on one day, in units."""

    day: date
    charged: int
    jobs: int


@attrs.frozen
class ChargedUnit:
    """A unit of work, and what its creator was charged for it, in units of money."""

    user_id: UUID
    job_id: UUID
    number: int
    job_type: str
    charged: int


@attrs.frozen
class RefundableUnit:
    """What was charged for a unit of work, and given back of it; None: nothing was."""

    number: int
    frames: str | None
    tile: int | None
    charged: int
    refunded: int | None


class Credits:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._balances = BatchedReads(self._balances_of)

    async def balance(self, user: UUID) -> Balance:
        return await self._balances.get(user)

    async def _balances_of(self, users: Sequence[UUID]) -> Sequence[Balance]:
        return [Balance(**row) for row in await self._database.all("balance_of_users", users)]

    async def page(self, user: UUID, span: Page) -> Sequence[AccountEntryRow] | None:
        """A page of the user's entries, newest first; None when ``span.after`` is none of his."""
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
        """A page of what is held of the user's credits now, newest first."""
        rows = await self._database.all("holds_of_user", user, span.limit, span.offset)
        return [OpenHoldRow(**row) for row in rows]

    async def holds_count(self, user: UUID) -> int:
        row = await self._database.one("holds_count", user)
        return 0 if row is None else int(row["count"])

    async def usage(self, user: UUID, first: date, last: date) -> Sequence[UsageRow]:
        """What was charged on each of these days (UTC), oldest first."""
        rows = await self._database.all("usage_of_user", user, first, last)
        return [UsageRow(**row) for row in rows]

    async def charged_unit(self, job: UUID, number: int) -> ChargedUnit | None:
        """What was charged for a unit of a job; None: there is no such unit."""
        row = await self._database.one("charged_unit", job, number)
        return None if row is None else ChargedUnit(**row)

    async def refundable_units(self, job: UUID) -> Sequence[RefundableUnit]:
        """Units of a job by number, also those that cost nothing."""
        rows = await self._database.all("refundable_units", job)
        return [RefundableUnit(**row) for row in rows]
