"""Rows of uploads: announced content, and whether it has arrived."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import attrs

from sql.database import Database


@attrs.frozen
class UploadRow:
    id: UUID
    sha256: bytes
    size: int
    filename: str
    object_key: str
    completed_at: datetime | None
    created_at: datetime
    used_at: datetime
    expired_at: datetime | None  # when its deletion began


@attrs.frozen
class NewUpload:
    """An announced upload."""

    id: UUID
    sha256: bytes
    size: int
    filename: str
    object_key: str


class Uploads:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, user: UUID, content: NewUpload) -> UploadRow | None:
        """Return the row for this content, creating it if necessary; None: no such user."""
        try:
            row = await self._database.one(
                "upload_announce",
                *(content.id, user, content.sha256, content.size),
                *(content.filename, content.object_key),
            )
        except asyncpg.ForeignKeyViolationError:
            return None
        assert row is not None, "an upsert returns its row"
        return UploadRow(**row)

    async def by_id(self, upload: UUID, user: UUID) -> UploadRow | None:
        row = await self._database.one("upload_by_id", upload, user)
        return None if row is None else UploadRow(**row)

    async def by_content(self, user: UUID, sha256: bytes) -> UploadRow | None:
        """Return the user's upload of some content."""
        row = await self._database.one("upload_by_content", user, sha256)
        return None if row is None else UploadRow(**row)

    async def complete(self, upload: UUID, user: UUID, now: datetime) -> UploadRow | None:
        """Record that the object was found in the store."""
        row = await self._database.one("upload_complete", upload, user, now)
        return None if row is None else UploadRow(**row)

    async def by_key(self, user: UUID, object_key: str) -> UploadRow | None:
        """Return a completed upload of this user under this key."""
        row = await self._database.one("upload_by_key", user, object_key)
        return None if row is None else UploadRow(**row)

    async def completed(self, user: UUID, uploads: Sequence[UUID]) -> Sequence[UploadRow]:
        """Return those of the uploads that belong to this user and are complete."""
        rows = await self._database.all("uploads_completed", user, list(uploads))
        return [UploadRow(**row) for row in rows]
