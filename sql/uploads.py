"""Rows of uploads: announced content, and whether it has arrived."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import attrs

from sql.database import Table


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
    expired_at: datetime | None  # when the deletion of the upload began


@attrs.frozen
class NewUpload:
    """An announced upload."""

    id: UUID
    sha256: bytes
    size: int
    filename: str
    object_key: str


class Uploads(Table):
    async def announce(self, user: UUID, content: NewUpload) -> UploadRow | None:
        """Return the user's upload of this content, creating it if necessary; None if there is no
        such user.
        """
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
        return await self._database.row(UploadRow, "upload_by_id", upload, user)

    async def by_content(self, user: UUID, sha256: bytes) -> UploadRow | None:
        """Return the user's upload of some content."""
        return await self._database.row(UploadRow, "upload_by_content", user, sha256)

    async def complete(self, upload: UUID, user: UUID, now: datetime) -> UploadRow | None:
        """Record that the object was found in the store."""
        return await self._database.row(UploadRow, "upload_complete", upload, user, now)

    async def by_key(self, user: UUID, object_key: str) -> UploadRow | None:
        """Return a completed upload of this user under this key."""
        return await self._database.row(UploadRow, "upload_by_key", user, object_key)

    async def completed(self, user: UUID, uploads: Sequence[UUID]) -> Sequence[UploadRow]:
        """Return the uploads with these ids that belong to this user and are complete."""
        return await self._database.rows(UploadRow, "uploads_completed", user, list(uploads))
