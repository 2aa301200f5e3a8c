"""The VideoMaker actor: orders the videos of completed jobs whose creators asked for one."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias
from uuid import UUID

from actors.kernel import Actor, AskFailed, handles
from actors.ports import Clock, ObjectsUnavailable
from actors.video_maker.messages import VideoMaker, VideosDue
from sql.database import Conflict, Unavailable
from sql.related_jobs import AT_ONCE, TRIED_FOR, JobEnd, VideoDue

LOOK_SECONDS: Final = 5.0
FIRST: Final = UUID(int=0)  # before the ids of all jobs

Due: TypeAlias = Callable[[JobEnd], Awaitable[Sequence[VideoDue]]]
Order: TypeAlias = Callable[[VideoDue], Awaitable[str | None]]

log = logging.getLogger("videos")


class VideoMakerActor(Actor[VideoMaker]):
    """Looks for completed jobs without their video periodically, and orders it.

    ``due`` returns the next jobs that ended after another one; ``order`` orders a video, and
    returns why it was refused, or None. Several gateways may order at once, as the order of a job's
    video is idempotent. Each look goes on where the last one ended, so that no video waits behind
    others that are refused again and again.
    """

    def __init__(self, due: Due, order: Order, clock: Clock) -> None:
        self._due, self._order, self._clock = due, order, clock
        self._after: JobEnd | None = None  # the last job that was tried; None: begin anew

    async def started(self) -> None:
        self.after(LOOK_SECONDS, VideosDue(), jitter=0.5)

    @handles(VideosDue)
    async def look(self, _: VideosDue) -> None:
        first = self._clock.now() - TRIED_FOR, FIRST
        try:
            found = await self._due(first if self._after is None else max(first, self._after))
            self._after = None
            for each in found:
                self._after = each.end
                refused = await self._order(each)
                if refused is not None:
                    log.debug("the video of job %s cannot be ordered now: %s", each.id, refused)
            if len(found) < AT_ONCE:
                self._after = None
        except (AskFailed, Conflict, ObjectsUnavailable, Unavailable) as error:
            log.warning("videos cannot be ordered now: %s", type(error).__name__)
        self.after(LOOK_SECONDS, VideosDue(), jitter=0.1)
