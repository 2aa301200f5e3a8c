"""Entries of the books for the console: of one user, or of all accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

SORTED_MOST: Final = 10_000  # only the newest are sorted; a filter finds older ones
NEWEST: Final = "-entry_id"
KINDS: Final = (
    *("STRIPE", "USAGE", "ADJUSTMENT", "DEDUCTION", "REFUND"),
    *("EARNING", "CLAIM", "REVERSAL", "FINE", "PAYOUT"),
)


@attrs.frozen
class EntryFilter:
    """Filter for entries. ``account``: a prefix of its name, or part of its owner's.

    ``reference``: part of it. ``before``: only smaller entry numbers. ``sort``: an attribute of the
    rows, with '-' for descending.
    """

    kind: str | None = None
    account: str = ""
    reference: str = ""
    before: int | None = None
    sort: str = NEWEST


@attrs.frozen
class ConsoleEntryRow:
    """An entry as seen from its account, and its progress towards the chain.

    ``unit`` and the following fields describe its job. ``grid``: the columns and rows of tiles, if
    the job's frames are cut.
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
        """True if it is on the account of the job's owner, not on an operator's."""
        return self.account.startswith("user:")


class LedgerViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down.

    ``owner`` None: all accounts.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, wish: EntryFilter, limit: int, offset: int = 0
    ) -> Sequence[ConsoleEntryRow]:
        """Return a page; other orders than newest first only cover the newest ``SORTED_MOST``."""
        most = offset + limit if wish.sort == NEWEST else SORTED_MOST
        bounds = (wish.before, wish.kind, wish.reference, most, wish.sort, limit, offset)
        some = owner is not None or wish.account
        accounts = await self._accounts(owner, wish.account) if some else None
        rows = await self._database.all("ledger_desk_page", *bounds, accounts)
        return [ConsoleEntryRow(**row) for row in rows]

    async def _accounts(self, owner: UUID | None, word: str) -> list[int]:
        own = [] if owner is None else [f"{kind}:{owner}" for kind in ("user", "operator", "debt")]
        word = word if owner is None else ""
        rows = await self._database.all("ledger_desk_accounts", own, word)
        return [row["id"] for row in rows]
