"""Balances, entries and holds of a user, and entries of all accounts for the console.

Only the Ledger writes balances, entries and holds.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import attrs

from rendertrust.job_status import JobStatus
from sql.account_names import USER
from sql.batched_reads import BatchedReads
from sql.database import Database, Table
from sql.page import Page

SORTED_MOST: Final = 10_000  # only so many newest entries are sorted; a filter finds older ones
NEWEST: Final = "-entry_id"
KINDS: Final = (
    *("STRIPE", "USAGE", "ADJUSTMENT", "DEDUCTION", "REFUND"),
    *("EARNING", "CLAIM", "REVERSAL", "FINE", "PAYOUT"),
)


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
    """An open hold; ``job_id`` is None if the hold is not for a job.

    ``grid``: the columns and rows of tiles, if the job's frames are cut.
    """

    id: UUID
    amount: int
    reference: str
    created_at: datetime
    job_id: UUID | None
    job_type: str | None
    job_status: JobStatus | None
    unit: int | None = None
    frames: str | None = None
    tile: int | None = None
    grid: Sequence[int] | None = None
    job_name: str | None = None


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
    """A unit of work, its charge, and the first refund of the charge; None if nothing was refunded.

    An upheld dispute may have refunded the rest later.
    """

    number: int
    frames: str | None
    tile: int | None
    charged: int
    refunded: int | None


class Credits:
    """Queries of balances, entries, holds and charges.

    Methods raise ``sql.database.Unavailable`` while the database is down.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._balances = BatchedReads(self._balances_of)

    async def balance(self, user: UUID) -> Balance:
        return await self._balances.get(user)

    async def _balances_of(self, users: Sequence[UUID]) -> Sequence[Balance]:
        return await self._database.rows(Balance, "balance_of_users", users)

    async def page(self, user: UUID, span: Page) -> Sequence[AccountEntryRow] | None:
        """Return a page of a user's entries, newest first.

        None if ``span.after`` is not an entry of the user.
        """
        if span.after is not None:
            known = await self._database.one("entry_is_of_user", user, span.after)
            if known is None:
                return None
        bounds = (span.limit, span.offset, span.after)
        return await self._database.rows(AccountEntryRow, "entries_of_user", user, *bounds)

    async def count(self, user: UUID) -> int:
        return await self._database.number("entries_count", user)

    async def holds(self, user: UUID, span: Page) -> Sequence[OpenHoldRow]:
        """Return a page of the user's open holds, newest first."""
        return await self._database.rows(
            OpenHoldRow, "holds_of_user", user, span.limit, span.offset
        )

    async def holds_count(self, user: UUID) -> int:
        return await self._database.number("holds_count", user)

    async def usage(self, user: UUID, first: date, last: date) -> Sequence[UsageRow]:
        """Return the charges on each of these days (UTC), oldest first."""
        return await self._database.rows(UsageRow, "usage_of_user", user, first, last)

    async def charged_unit(self, job: UUID, number: int) -> ChargedUnit | None:
        """Return the charge for a unit of a job; None if there is no such unit."""
        return await self._database.row(ChargedUnit, "charged_unit", job, number)

    async def refundable_units(self, job: UUID) -> Sequence[RefundableUnit]:
        """Return the units of a job by number, including free units."""
        return await self._database.rows(RefundableUnit, "refundable_units", job)


@attrs.frozen
class EntryFilter:
    """Filter for entries.

    ``account``: a prefix of the account's name, or part of the name or e-mail of its owner.

    ``reference``: part of the reference. ``before``: only smaller entry numbers. ``sort``: an
    attribute of the rows, with '-' for descending.
    """

    kind: str | None = None
    account: str = ""
    reference: str = ""
    before: int | None = None
    sort: str = NEWEST


@attrs.frozen
class ConsoleEntryRow:
    """An entry as seen from its account, and its progress towards the chain.

    ``unit`` and the following fields describe the entry's job. ``grid``: the columns and rows of
    tiles, if the job's frames are cut.
    """

    entry_id: int
    account: str
    email: str | None
    kind: str
    amount: int
    after: int
    reference: str
    description: str
    created_at: datetime
    leaf_index: int | None
    signed_at: datetime | None
    anchored_at: datetime | None
    unit: int | None = None
    job_name: str | None = None
    frames: str | None = None
    tile: int | None = None
    grid: Sequence[int] | None = None

    @property
    def job(self) -> str | None:
        """The job that the entry is about."""
        sort, *parts = self.reference.split(":")
        return parts[0] if (sort, len(parts)) in (("job", 2), ("check", 3)) else None

    @property
    def is_of_owner(self) -> bool:
        """True if the entry is on the account of the job's owner, not on an operator's."""
        return self.account.startswith(USER)


class LedgerViews(Table):
    """Queries of entries for the console.

    Methods raise ``sql.database.Unavailable`` while the database is down. If ``owner`` is None, the
    entries of all accounts are read.
    """

    async def page(
        self, owner: UUID | None, wish: EntryFilter, limit: int, offset: int = 0
    ) -> Sequence[ConsoleEntryRow]:
        """Return a page; other orders than newest first only cover the newest ``SORTED_MOST``."""
        most = offset + limit if wish.sort == NEWEST else SORTED_MOST
        bounds = (wish.before, wish.kind, wish.reference, most, wish.sort, limit, offset)
        some = owner is not None or wish.account
        accounts = await self._accounts(owner, wish.account) if some else None
        return await self._database.rows(ConsoleEntryRow, "ledger_view_page", *bounds, accounts)

    async def _accounts(self, owner: UUID | None, word: str) -> list[int]:
        own = [] if owner is None else [f"{kind}:{owner}" for kind in ("user", "operator", "debt")]
        word = word if owner is None else ""
        rows = await self._database.all("ledger_view_accounts", own, word)
        return [row["id"] for row in rows]
