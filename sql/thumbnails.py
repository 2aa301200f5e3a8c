"""Thumbnails of frames, for their owners."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class Thumbnail:
    """A JPEG as a node sent it, unchecked."""

    picture: bytes = attrs.field(repr=False)
    frame: int


@attrs.frozen
class ThumbnailInfo:
    """The thumbnail of a frame, without the picture; made by the unit's ``attempt``."""

    unit: int
    frame: int
    attempt: int
    made_at: datetime


class Thumbnails:
    """Each method raises ``sql.database.Unavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_job(self, job: UUID, user: UUID | None, frame: int | None) -> Thumbnail | None:
        """Return a thumbnail of a user's job (None: any user's): that of a frame, or the newest."""
        row = await self._database.one("thumbnail_of_job", job, user, frame)
        return None if row is None else Thumbnail(**row)

    async def shown(
        self, job: UUID, frames: Sequence[int] | None = None
    ) -> Sequence[ThumbnailInfo]:
        """Return which of the frames (None: all) have a thumbnail, newest last."""
        wanted = None if frames is None else list(frames)
        rows = await self._database.all("thumbnails_shown", job, wanted)
        return [ThumbnailInfo(**row) for row in rows]

    async def expire(self, before: datetime, jobs: int) -> bool:
        """Delete thumbnails of up to ``jobs`` jobs that ended before then.

        Return True if there were any.
        """
        return bool(await self._database.all("thumbnails_expire", before, jobs))
