"""The VideoMaker actor: orders the videos of completed jobs whose creators asked for one."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from actors.kernel import Actor, AskFailed, handles
from actors.ports import Clock, ObjectsUnavailable
from actors.video_maker.messages import VideoMaker, VideosDue
from sql.database import Conflict, Unavailable
from sql.related_jobs import VideoDue

LOOK_SECONDS: Final = 5.0
TRIED_FOR: Final = timedelta(hours=1)  # after the job's end; a creator may lack credits at first

Due: TypeAlias = Callable[[datetime], Awaitable[Sequence[VideoDue]]]
Order: TypeAlias = Callable[[VideoDue], Awaitable[str | None]]

log = logging.getLogger("videos")


class VideoMakerActor(Actor[VideoMaker]):
    """Looks for completed jobs without their video periodically, and orders it.

    ``due`` returns the jobs that ended after a time; ``order`` orders a video, and returns why it
    was refused, or None. Several gateways may order at once, as the order of a job's video is
    idempotent.
    """

    def __init__(self, due: Due, order: Order, clock: Clock) -> None:
        self._due, self._order, self._clock = due, order, clock

    async def started(self) -> None:
        self.after(LOOK_SECONDS, VideosDue(), jitter=0.5)

    @handles(VideosDue)
    async def look(self, _: VideosDue) -> None:
        try:
            for each in await self._due(self._clock.now() - TRIED_FOR):
                refused = await self._order(each)
                if refused is not None:
                    log.debug("the video of job %s cannot be ordered now: %s", each.id, refused)
        except (AskFailed, Conflict, ObjectsUnavailable, Unavailable) as error:
            log.warning("videos cannot be ordered now: %s", type(error).__name__)
        self.after(LOOK_SECONDS, VideosDue(), jitter=0.1)
