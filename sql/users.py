"""Rows of users and of the families of their tokens."""

from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class UserRow:
    id: UUID
    email: str
    name: str
    is_active: bool
    password_hash: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Family:
    """All tokens of one login: ``jti`` is the one refresh token that is valid now."""

    sid: UUID
    jti: UUID
    expires_at: datetime


class Users:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(
        self, user: UUID, email: str, name: str, password_hash: str, family: Family
    ) -> UserRow | None:
        """A new user who is logged in at once; None when the e-mail is taken."""
        row = await self._database.one(
            "user_insert",
            *(user, email, name, password_hash, family.sid, family.jti, family.expires_at),
        )
        return None if row is None else UserRow(**row)

    async def by_email(self, email: str) -> UserRow | None:
        """The user under this address, with the hash of the password."""
        row = await self._database.one("user_by_email", email)
        return None if row is None else UserRow(**row)

    async def insert_family(self, user: UUID, family: Family) -> None:
        """A login."""
        await self._database.execute(
            "family_insert", family.sid, user, family.jti, family.expires_at
        )
