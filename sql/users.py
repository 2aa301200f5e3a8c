"""Rows of users."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database
from sql.sessions import TokenFamily


@attrs.frozen
class UserRow:
    """A user. ``has_nodes``: they own or owned a node; only set when read by id."""

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
    """``role`` applies to users that an admin creates; those who register are ``user``."""

    id: UUID
    email: str
    name: str
    password_hash: str = attrs.field(repr=False)
    role: str = "user"


class Users:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, user: NewUser, family: TokenFamily, now: datetime) -> UserRow | None:
        """Insert a user with an open login; None if the e-mail is taken."""
        row = await self._database.one(
            "user_insert",
            *(user.id, user.email, user.name, user.password_hash),
            *(family.sid, family.jti, family.expires_at, family.client, now),
        )
        return None if row is None else UserRow(**row)

    async def by_email(self, email: str) -> UserRow | None:
        """Return the user with this address, with the password hash."""
        row = await self._database.one("user_by_email", email)
        return None if row is None else UserRow(**row)

    async def by_id(self, user: UUID) -> UserRow | None:
        """Return one user, with the password hash."""
        row = await self._database.one("user_by_id", user)
        return None if row is None else UserRow(**row)

    async def page(self, search: str, after: UUID | None, limit: int) -> Sequence[UserRow]:
        """Return users whose address or name contains ``search``, newest first, after ``after``."""
        rows = await self._database.all("user_page", search, after, limit)
        return [UserRow(**row) for row in rows]

    async def count(self, search: str) -> int:
        """Count the users whose address or name contains ``search``."""
        row = await self._database.one("user_count", search)
        assert row is not None, "count answers one row"
        return int(row["count"])
