"""Entries of the books as people look for them in the console: of one user, or of every account."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

SORTED_MOST: Final = 10_000  # of the newest: what is older is found by a filter
NEWEST: Final = "-entry_id"
KINDS: Final = (
    *("STRIPE", "USAGE", "ADJUSTMENT", "DEDUCTION", "REFUND"),
    *("EARNING", "CLAIM", "REVERSAL", "FINE", "PAYOUT"),
)


@attrs.frozen
class EntryFilter:
    """Which entries. ``account``: the beginning of its name, or a part of its owner's.

    ``reference`` is a part of it. ``before``: those with smaller numbers alone. ``sort`` is an
    attribute of the rows, '-' before it for the greatest first.
    """

    kind: str | None = None
    account: str = ""
    reference: str = ""
    before: int | None = None
    sort: str = NEWEST


@attrs.frozen
class DeskEntryRow:
    """An entry, from the view of its account, and how far it has come towards the chain.

    ``unit`` and what follows: of the job that it is about. ``grid``: into how many columns and rows
    of tiles a frame of it is cut, if it is.
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
        """The job that it is about."""
        sort, *parts = self.reference.split(":")
        return parts[0] if (sort, len(parts)) in (("job", 2), ("check", 3)) else None

    @property
    def is_of_owner(self) -> bool:
        """Whether it is of the account of who owns that job, and not of who worked at it."""
        return self.account.startswith("user:")


class LedgerViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away.

    ``owner`` None means every account.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, wish: EntryFilter, limit: int, offset: int = 0
    ) -> Sequence[DeskEntryRow]:
        """A page; any order but the newest first is one of the newest ``SORTED_MOST``."""
        most = offset + limit if wish.sort == NEWEST else SORTED_MOST
        bounds = (wish.before, wish.kind, wish.reference, most, wish.sort, limit, offset)
        some = owner is not None or wish.account
        accounts = await self._accounts(owner, wish.account) if some else None
        rows = await self._database.all("ledger_desk_page", *bounds, accounts)
        return [DeskEntryRow(**row) for row in rows]

    async def _accounts(self, owner: UUID | None, word: str) -> list[int]:
        own = [] if owner is None else [f"{kind}:{owner}" for kind in ("user", "operator", "debt")]
        word = word if owner is None else ""
        rows = await self._database.all("ledger_desk_accounts", own, word)
        return [row["id"] for row in rows]
