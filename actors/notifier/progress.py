"""The last reported progress of units, in memory and bounded; the database does not have it."""

from collections import OrderedDict
from typing import TypeAlias
from uuid import UUID

from actors.ledger.messages import UnitState
from actors.notifier.messages import Progress
from rendertrust.job_status import ENDED

_Told: TypeAlias = OrderedDict[tuple[int, int], Progress]  # by unit and attempt, newest last


class ProgressStore:
    """The last progress report of each attempt, of at most ``most`` attempts.

    Beyond that, the oldest report of the job that was silent longest is dropped.
    """

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0
        self._jobs: OrderedDict[UUID, _Told] = OrderedDict()

    def put(self, report: Progress) -> None:
        """Replace the attempt's last report."""
        key = (report.unit, report.attempt)
        of_job = self._jobs.setdefault(report.job, OrderedDict())
        self._count += key not in of_job
        of_job[key] = report
        of_job.move_to_end(key)
        self._jobs.move_to_end(report.job)
        if self._count > self._most:
            silent = next(iter(self._jobs))
            self._forget(silent, next(iter(self._jobs[silent])))

    def newest(self, job: UUID) -> Progress | None:
        reports = self._jobs.get(job)
        return next(reversed(reports.values())) if reports else None

    def at_work(self, job: UUID) -> float | None:
        """Return the sum of the progress of a job's units, with the best attempt of each; None if
        none was reported.
        """
        best = dict[int, float]()
        for (unit, _), report in self._jobs.get(job, {}).items():
            best[unit] = max(best.get(unit, 0.0), report.value)
        return sum(best.values()) if best else None

    def of(self, job: UUID) -> tuple[Progress, ...]:
        """Return all reports of a job."""
        return tuple(self._jobs.get(job, {}).values())

    def moved(self, unit: UnitState) -> None:
        """Update the reports after a unit changed its state.

        The unit's reports are dropped if the unit has ended or was requeued. Reports on all units
        of its job are dropped if the job has ended. A delivered unit that waits for its verdict
        gets the progress 1.
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
