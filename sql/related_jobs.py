"""Jobs that belong to another job: its videos, frames rendered again, and those of its scene."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from rendertrust.job_spec import Container
from rendertrust.job_status import JobStatus
from sql.database import Table

AT_ONCE: Final = 20  # jobs that want a video and are read at once
TRIED_FOR: Final = timedelta(hours=1)  # after the job's end; a creator may lack credits at first
JobEnd: TypeAlias = tuple[datetime, UUID]  # when a job ended, and its id


@attrs.frozen
class VideoDue:
    """A completed job whose creator wants a video of its frames, in this ``container``."""

    id: UUID
    user_id: UUID
    container: Container
    completed_at: datetime

    @property
    def end(self) -> JobEnd:
        """The position among jobs that have ended."""
        return self.completed_at, self.id


@attrs.frozen
class ConsoleVideo:
    """A video of a job's frames, which is a job itself. ``is_there``: its file is delivered."""

    id: UUID
    status: JobStatus
    is_there: bool
    created_at: datetime
    charged: int


@attrs.frozen
class FrameAgain:
    """A job that renders a frame of another job again."""

    id: UUID
    status: JobStatus
    frames: str | None
    created_at: datetime


@attrs.frozen
class SameScene:
    """A job that rendered the scene of another job. ``params``: its parameters, if it has any."""

    id: UUID
    name: str
    created_at: datetime
    params: Mapping[str, Any] | None
    status: JobStatus
    units: int


class RelatedJobs(Table):
    """Reads of related jobs; each raises ``Unavailable`` while the database is down."""

    async def videos_due(self, after: JobEnd) -> Sequence[VideoDue]:
        """Return the next ``AT_ONCE`` completed jobs that want a video and have none, by their
        ends.
        """
        return await self._database.rows(VideoDue, "job_videos_due", *after, AT_ONCE)

    async def again_count(self, job: UUID) -> int:
        """Count the jobs that render a frame of the job again."""
        return await self._database.number("job_again_count", job)

    async def held_for(self, job: UUID, unit: int) -> int:
        """Return the price of a unit, with its tiles, for which credits were held at submission.

        A unit that was not charged, as its result cannot be verified, has the price 0 now.
        """
        return await self._database.number("job_again_held", job, unit)

    async def videos(self, job: UUID, user: UUID) -> Sequence[ConsoleVideo]:
        """Return the videos of the frames of a job of ``user``, newest first."""
        return await self._database.rows(ConsoleVideo, "job_view_videos", job, user)

    async def again(self, job: UUID) -> Sequence[FrameAgain]:
        """Return the jobs that render a frame of the job again, newest first."""
        return await self._database.rows(FrameAgain, "job_view_again", job)

    async def same_scene(self, job: UUID) -> Sequence[SameScene]:
        """Return other jobs of its owner that rendered the job's scene, newest first."""
        return await self._database.rows(SameScene, "job_view_same_scene", job)
