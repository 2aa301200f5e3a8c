"""Users with their balances, for admins in the console."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

SORTED_MOST: Final = 5_000  # only the newest are sorted; a search finds older ones


@attrs.frozen
class ListedUser:
    """A row of a list; ``held`` is part of ``balance``."""

    id: UUID
    email: str
    name: str
    role: str
    is_active: bool
    created_at: datetime
    balance: int
    held: int


class UserViews:
    """Reads; raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, search: str, sort: str, limit: int, offset: int) -> Sequence[ListedUser]:
        """Return users whose e-mail or name contains ``search``; '-' in ``sort``: descending."""
        most = offset + limit if sort == "-created" else SORTED_MOST
        rows = await self._database.all("user_desk_page", search, most, sort, limit, offset)
        return [ListedUser(**row) for row in rows]
