"""Rows of API keys: the SHA-256 of each key, and a hint to recognise it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table
from sql.query_loader import QUERIES

LIVING_MAX: Final = 100  # unrevoked keys per user


@attrs.frozen
class NewApiKey:
    id: UUID
    name: str
    sha256: bytes = attrs.field(repr=False)
    hint: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None


@attrs.frozen
class ApiKeyRow:
    id: UUID
    name: str
    hint: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


@attrs.frozen
class ApiKeyHolder:
    """The holder of a valid key and what it permits."""

    id: UUID
    user_id: UUID
    scopes: Sequence[str]
    expires_at: datetime | None


class ApiKeys(Table):
    async def insert(self, user: UUID, key: NewApiKey) -> ApiKeyRow | None:
        """Insert a key; None if the user has too many keys."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], user)
            row = await connection.fetchrow(
                QUERIES["api_key_insert"],
                *(key.id, user, key.name, key.sha256, key.hint, list(key.scopes)),
                *(key.created_at, key.expires_at, LIVING_MAX),
            )
        return None if row is None else ApiKeyRow(**row)

    async def page(self, user: UUID, limit: int, offset: int) -> Sequence[ApiKeyRow]:
        """Return a page of a user's keys that are not revoked, newest first."""
        return await self._database.rows(ApiKeyRow, "api_key_page", user, limit, offset)

    async def count(self, user: UUID) -> int:
        """Count a user's keys that are not revoked."""
        return await self._database.number("api_key_count", user)

    async def use(self, sha256: bytes, now: datetime) -> ApiKeyHolder | None:
        """Record that the key is used now, and return its holder; None if the key is not valid."""
        return await self._database.row(ApiKeyHolder, "api_key_use", sha256, now)

    async def revoke(self, key: UUID, user: UUID, now: datetime) -> bool:
        """Revoke a key of this user; False if the key was revoked before, or belongs to another
        user.
        """
        return await self._database.one("api_key_revoke", key, user, now) is not None
