"""The VideoMaker, which orders videos page by page, so that none waits behind refused ones."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from actors.video_maker.actor import VideoMakerActor
from actors.video_maker.messages import VideosDue
from sql.database import Unavailable
from sql.related_jobs import AT_ONCE, JobEnd, VideoDue
from supervisors.engines.system_clock import SystemClock
from tests.unit.dispatch.stage import OWNER, on_stage
from tests.unit.simulated_time import simulated


def due(number: int) -> VideoDue:
    ended = datetime.now(UTC) - timedelta(minutes=30, seconds=-number)
    return VideoDue(UUID(int=number), OWNER, "MP4", ended)


class Farm:
    """Completed jobs of which the first ones' videos are refused, or cannot be ordered."""

    def __init__(self, jobs: int, *, error: Exception | None = None) -> None:
        self.jobs, self.error = [due(number) for number in range(jobs)], error
        self.ordered = list[VideoDue]()

    async def due(self, after: JobEnd) -> list[VideoDue]:
        return [job for job in self.jobs if job.end > after][:AT_ONCE]

    async def order(self, job: VideoDue) -> str | None:
        self.ordered.append(job)
        if job is self.jobs[0] and self.error is not None:
            raise self.error
        return "Insufficient credits"


@simulated
@pytest.mark.parametrize("error", [None, Unavailable("away")], ids=["refused", "unavailable"])
async def test_a_video_does_not_wait_behind_those_that_cannot_be_ordered(
    error: Exception | None,
) -> None:
    farm = Farm(AT_ONCE + 1, error=error)
    clock = SystemClock()
    async with on_stage("videos", lambda: VideoMakerActor(farm.due, farm.order, clock)) as ref:
        for _ in range(2):
            await ref.ask(VideosDue(), within=5)
        assert set(farm.ordered) == set(farm.jobs)
        for _ in range(2):
            await ref.ask(VideosDue(), within=5)
        assert farm.ordered.count(farm.jobs[0]) == 2, "they are tried again"
