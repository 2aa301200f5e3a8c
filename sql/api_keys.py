"""Rows of API keys: the SHA-256 of each key, and a hint to recognise it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

LIVING_MAX: Final = 100  # per user


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


class ApiKeys:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, user: UUID, key: NewApiKey) -> ApiKeyRow | None:
        """Insert a key; None if the user has too many."""
        row = await self._database.one(
            "api_key_insert",
            *(key.id, user, key.name, key.sha256, key.hint, list(key.scopes)),
            *(key.created_at, key.expires_at, LIVING_MAX),
        )
        return None if row is None else ApiKeyRow(**row)

    async def page(self, user: UUID, limit: int, offset: int) -> Sequence[ApiKeyRow]:
        """Return a page of a user's keys that are not revoked, newest first."""
        rows = await self._database.all("api_key_page", user, limit, offset)
        return [ApiKeyRow(**row) for row in rows]

    async def count(self, user: UUID) -> int:
        """Count a user's keys that are not revoked."""
        row = await self._database.one("api_key_count", user)
        assert row is not None, "count answers one row"
        return int(row["count"])

    async def use(self, sha256: bytes, now: datetime) -> ApiKeyHolder | None:
        """Record a use of the key and return its holder; None unless it is valid now."""
        row = await self._database.one("api_key_use", sha256, now)
        return None if row is None else ApiKeyHolder(**row)

    async def revoke(self, key: UUID, user: UUID, now: datetime) -> bool:
        """Revoke a key of this user; False if it was revoked, or is another user's."""
        return await self._database.one("api_key_revoke", key, user, now) is not None
