"""The last reported progress of units: bounded and in memory, as the database does not have it."""

from collections import OrderedDict
from typing import Final, TypeAlias
from uuid import UUID

from actors.ledger.messages import UnitState
from actors.notifier.messages import Progress

ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_Told: TypeAlias = OrderedDict[tuple[int, int], Progress]  # by unit and attempt, newest last


class ProgressStore:
    """The ``most`` newest reports; the oldest of the least active job is dropped first.

    Each attempt has its own report, as two may run for one unit.
    """

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0
        self._jobs: OrderedDict[UUID, _Told] = OrderedDict()

    def put(self, told: Progress) -> None:
        """Replace the attempt's last report."""
        of_job, key = self._jobs.setdefault(told.job, OrderedDict()), (told.unit, told.attempt)
        self._count += key not in of_job
        of_job[key] = told
        of_job.move_to_end(key)
        self._jobs.move_to_end(told.job)
        if self._count > self._most:
            silent = next(iter(self._jobs))
            self._forget(silent, next(iter(self._jobs[silent])))

    def newest(self, job: UUID) -> Progress | None:
        told = self._jobs.get(job)
        return next(reversed(told.values())) if told else None

    def of(self, job: UUID) -> tuple[Progress, ...]:
        """Return all reports of a job."""
        return tuple(self._jobs.get(job, {}).values())

    def moved(self, unit: UnitState) -> None:
        """Drop reports of units that have ended or wait again, and of all units of a job that has
        ended.

        A delivered unit that waits for its verdict counts as complete.
        """
        if unit.state == "VERIFYING":
            self.put(Progress(unit.job, unit.unit, unit.attempt, 1.0))
            return
        if unit.job_status not in ENDED and unit.state not in {*ENDED, "QUEUED"}:
            return
        for key in list(self._jobs.get(unit.job, ())):
            if unit.job_status in ENDED or key[0] == unit.unit:
                self._forget(unit.job, key)

    def _forget(self, job: UUID, key: tuple[int, int]) -> None:
        del self._jobs[job][key]
        self._count -= 1
        if not self._jobs[job]:
            del self._jobs[job]
