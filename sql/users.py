"""Rows of users."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database
from sql.sessions import TokenFamily


@attrs.frozen
class UserRow:
    """``has_nodes``: a node is his, or was before he gave it up; known where he is read by his id
    alone.
    """

    id: UUID
    email: str
    name: str
    is_active: bool
    role: str
    created_at: datetime
    password_hash: str | None = attrs.field(default=None, repr=False)
    has_nodes: bool = False


@attrs.frozen
class NewUser:
    """``role`` counts for those whom an operator creates; who registers is a ``user``."""

    id: UUID
    email: str
    name: str
    password_hash: str = attrs.field(repr=False)
    role: str = "user"


class Users:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, user: NewUser, family: TokenFamily, now: datetime) -> UserRow | None:
        """A new user who is logged in at once; None when the e-mail is taken."""
        row = await self._database.one(
            "user_insert",
            *(user.id, user.email, user.name, user.password_hash),
            *(family.sid, family.jti, family.expires_at, family.client, now),
        )
        return None if row is None else UserRow(**row)

    async def by_email(self, email: str) -> UserRow | None:
        """The user under this address, with the hash of the password."""
        row = await self._database.one("user_by_email", email)
        return None if row is None else UserRow(**row)

    async def by_id(self, user: UUID) -> UserRow | None:
        """One user, with the hash of the password."""
        row = await self._database.one("user_by_id", user)
        return None if row is None else UserRow(**row)

    async def page(self, search: str, after: UUID | None, limit: int) -> Sequence[UserRow]:
        """Those whose address or name contains ``search``, newest first, older than ``after``."""
        rows = await self._database.all("user_page", search, after, limit)
        return [UserRow(**row) for row in rows]

    async def count(self, search: str) -> int:
        """How many there are whose address or name contains ``search``."""
        row = await self._database.one("user_count", search)
        assert row is not None, "count answers one row"
        return int(row["count"])
