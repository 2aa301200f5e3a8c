"""Reads all open jobs and units from the database, in pages of bounded size."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from actors.ports import Store
from actors.scheduler.state import WINDOW, SchedulerState
from actors.scheduler.units import DormantJob, kind_of
from sql.database import Conflict, Unavailable
from sql.units import JobPlace, OpenJob

ROWS_LEAST, ROWS_MOST = 16, 512  # approximate bounds for the number of units in a page
JOBS_MOST: Final = ROWS_MOST // WINDOW  # jobs in a page if their numbers of units are unknown


class BacklogReader:
    """Reads the open jobs in (queued_at, id) order and corrects the state by their units.

    A pass reads all open jobs once. Jobs that the state knew when the pass began, but that were not
    listed, have ended or were queued again. At the end of the pass these jobs are read by id. A
    listed job without units to read, for example a paused one, still counts among its user's open
    jobs. A page is read and applied within one message, so the state does not change in between.
    After a failed read the next page is smaller, so that a slow database can answer.
    """

    def __init__(self, store: Store, state: SchedulerState, now: Callable[[], datetime]) -> None:
        self._store, self._state, self._now = store, state, now
        self._rows = ROWS_MOST
        self._after: JobPlace | None = None
        self._unlisted: set[UUID] = set()
        self.under_way = False
        self._is_listed = False

    async def read_page(self) -> bool:
        """Read the next page; return True if it was the last of the pass.

        Raises Unavailable and Conflict.
        """
        if not self.under_way:
            self._begin()
        try:
            if self._is_listed:
                await self._read_unlisted()
            else:
                await self._read_listed()
        except (Unavailable, Conflict):
            self._rows = max(self._rows // 2, ROWS_LEAST)
            raise
        self._rows = min(self._rows * 2, ROWS_MOST)
        self.under_way = bool(self._unlisted) or not self._is_listed
        return not self.under_way

    async def read(self, jobs: Collection[UUID]) -> None:
        """Read the open units of these jobs and correct the state.

        Raises Unavailable and Conflict.
        """
        rows = await self._store.open_units(sorted(jobs), WINDOW, self._state.plan_of)
        self._state.reconcile(rows, self._now(), jobs)

    def _begin(self) -> None:
        self._after, self._is_listed = None, False
        self._unlisted = {*self._state.jobs, *self._state.units.dormant}
        self.under_way = True

    async def _read_listed(self) -> None:
        listed = await self._store.open_jobs(self._after, self._rows)
        page = page_of(listed, self._rows)
        if page:
            jobs = {job.id for job in page}
            await self.read(jobs)
            await self._note_dormant(jobs)
            self._unlisted -= jobs
            self._after = page[-1].place
        self._is_listed = len(page) == len(listed) < self._rows

    async def _read_unlisted(self) -> None:
        jobs = set(islice(self._unlisted, max(self._rows // WINDOW, 1)))
        await self.read(jobs)
        for job in jobs:
            self._state.units.forget(job)
        self._unlisted -= jobs

    async def _note_dormant(self, jobs: set[UUID]) -> None:
        units = self._state.units
        unknown = sorted(jobs - units.jobs - units.dormant.keys())
        if not unknown:
            return
        for row in await self._store.open_job_terms(unknown):
            kind = kind_of(row.plan, many=row.units > 1)
            units.add_dormant(row.job, DormantJob(row.user, row.is_free, kind))


def page_of(jobs: Sequence[OpenJob], rows: int) -> Sequence[OpenJob]:
    """Return the first jobs whose units fit into a page of ``rows`` rows, but at least one job."""
    for number, job in enumerate(jobs):
        rows -= min(job.units, WINDOW)
        if rows < 0:
            return jobs[: max(number, 1)]
    return jobs
