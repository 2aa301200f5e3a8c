"""Users as admins look for them in the console, with what each has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

SORTED_MOST: Final = 5_000  # of the newest: who came earlier is found by a narrower search


@attrs.frozen
class ListedUser:
    """A line of a list; ``held`` is part of ``balance``."""

    id: UUID
    email: str
    name: str
    role: str
    is_active: bool
    created_at: datetime
    balance: int
    held: int


class UserViews:
    """Reads; raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, search: str, sort: str, limit: int, offset: int) -> Sequence[ListedUser]:
        """Some of those whose e-mail or name contains ``search``; '-' before: greatest first."""
        most = offset + limit if sort == "-created" else SORTED_MOST
        rows = await self._database.all("user_desk_page", search, most, sort, limit, offset)
        return [ListedUser(**row) for row in rows]
