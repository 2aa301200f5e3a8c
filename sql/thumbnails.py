"""Thumbnails of frames, for their owners."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Table


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


class Thumbnails(Table):
    async def of_job(self, job: UUID, user: UUID | None, frame: int | None) -> Thumbnail | None:
        """Return a thumbnail of a job: of ``frame`` if given, otherwise the newest.

        None if ``user`` is given and the job belongs to another user.
        """
        return await self._database.row(Thumbnail, "thumbnail_of_job", job, user, frame)

    async def of_attempt(
        self, job: UUID, unit: int, attempt: int, frame: int | None
    ) -> Thumbnail | None:
        """Return the thumbnail that an attempt sent of its unit; of ``frame``, if given."""
        return await self._database.row(
            Thumbnail, "thumbnail_of_attempt", job, unit, attempt, frame
        )

    async def shown(
        self, job: UUID, frames: Sequence[int] | None = None
    ) -> Sequence[ThumbnailInfo]:
        """Return the thumbnails of these frames, or of all frames, without pictures; the newest is
        last.
        """
        wanted = None if frames is None else list(frames)
        return await self._database.rows(ThumbnailInfo, "thumbnails_shown", job, wanted)

    async def expire(self, before: datetime, jobs: int) -> bool:
        """Delete thumbnails of up to ``jobs`` jobs that ended before ``before``.

        Return True if there were any.
        """
        return bool(await self._database.all("thumbnails_expire", before, jobs))
