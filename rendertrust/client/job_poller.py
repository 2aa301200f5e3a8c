"""Poller of a job until the job has ended. The pauses grow as time goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs

from rendertrust.api.jobs import Job
from rendertrust.client.backoff import polling
from rendertrust.client.errors import NoAnswer, StillRunning, Unavailable

OUTAGE_SECONDS_MAX = 120.0
FIRST_LOOK_SECONDS = 5.0  # timeout of the first reply, even if the deadline is earlier


@attrs.define
class JobPoller:
    """Poller of one job for at most ``within`` seconds.

    The poller waits up to OUTAGE_SECONDS_MAX for a gateway that restarts.
    """

    job_id: str
    look: Callable[[], Awaitable[Job]]
    sleep: Callable[[float], Awaitable[None]]
    within: float | None = None
    _seen: Job | None = None
    _deadline: float | None = None
    _away_since: float | None = None

    async def changes(self) -> AsyncIterator[Job]:
        """Yield the job now and after each change. Raises StillRunning at the deadline."""
        if self.within is not None:
            self._deadline = _now() + self.within
        pauses = polling()
        while True:
            job = await self._look()
            if job is not None and self._moved(job):
                if self._seen is None or job.status != self._seen.status:
                    pauses = polling()
                self._seen = job
                yield job
                if job.ended:
                    return
            await self._pause(next(pauses))

    def _moved(self, job: Job) -> bool:
        return self._seen is None or _essence(job) != _essence(self._seen)

    async def _look(self) -> Job | None:
        """Return the job; None while the gateway does not answer."""
        try:
            async with asyncio.timeout_at(self._look_until()):
                job = await self.look()
        except TimeoutError:
            raise self._over() from None
        except (NoAnswer, Unavailable):
            self._away_since = self._away_since or _now()
            # If a gateway never answered, it is not restarting: the address is probably wrong.
            if self._seen is None or _now() - self._away_since > OUTAGE_SECONDS_MAX:
                raise
            return None
        self._away_since = None
        return job

    def _look_until(self) -> float | None:
        if self._deadline is None or self._seen is not None:
            return self._deadline
        return max(self._deadline, _now() + FIRST_LOOK_SECONDS)

    async def _pause(self, pause: float) -> None:
        if self._deadline is None:
            return await self.sleep(pause)
        left = self._deadline - _now()
        if left <= 0:
            raise self._over()
        return await self.sleep(min(pause, left))

    def _over(self) -> StillRunning | NoAnswer:
        within = self.within or 0.0
        if self._seen is None:
            waited = max(within, FIRST_LOOK_SECONDS)
            return NoAnswer(f"The gateway did not answer within {waited:g} s", delivered=True)
        return StillRunning(self.job_id, self._seen.status, within)


def _essence(job: Job) -> tuple[object, ...]:
    counts = (job.done, job.failed, job.paused, job.priority, job.max_credits)
    return (
        job.status,
        job.verifying,
        job.progress,
        job.node_id,
        job.retry_count,
        job.error_message,
        *counts,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
