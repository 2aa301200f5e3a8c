"""Rules of a node's recent failures: when a node fails often, and how long it then rests.

Only failures by the node's fault count, and those of one job once: a difficult scene must not make
its nodes look bad. Used by sessions and the Scheduler.
"""

from typing import Final
from uuid import UUID

import attrs

FAILING_FROM: Final = 3  # recent failures from which a node fails often
FAILURES_MOST: Final = 8
SUCCESSES_EACH: Final = 4  # successes in a row that make up for one failure
REST_SECONDS: Final = 30.0
REST_SECONDS_MOST: Final = 600.0


@attrs.frozen
class FailureRecord:
    """A node's recent failures. ``successes``: in a row, since ``failures`` last changed.

    ``jobs``: the jobs whose failures were counted last.
    """

    failures: int = 0
    successes: int = 0
    jobs: tuple[UUID, ...] = ()

    @property
    def is_failing(self) -> bool:
        """True if the node fails often."""
        return self.failures >= FAILING_FROM

    def failed(self, job: UUID) -> "FailureRecord":
        """Return the record after a failure; a further failure of a counted job adds nothing."""
        if job in self.jobs:
            return attrs.evolve(self, successes=0)
        jobs = (*self.jobs, job)[-FAILURES_MOST:]
        return FailureRecord(min(self.failures + 1, FAILURES_MOST), 0, jobs)

    def succeeded(self) -> "FailureRecord":
        """Return the record after a unit that the node finished."""
        if self.failures == 0:
            return FailureRecord()
        if self.successes + 1 < SUCCESSES_EACH:
            return attrs.evolve(self, successes=self.successes + 1)
        jobs = self.jobs if self.failures > 1 else ()
        return FailureRecord(self.failures - 1, 0, jobs)


@attrs.frozen
class FailureNote:
    """A change of a node's record, to store. ``code``, ``reason``: the last failure; '' keeps the
    stored one.

    A period of frequent failures begins when ``is_failing`` is True, and ends without failures.
    """

    failures: int
    is_failing: bool = False
    code: str = ""
    reason: str = ""


def rest_seconds(failures: int) -> float:
    """Return how long other nodes get work before a node that has failed again."""
    if failures < FAILING_FROM:
        return 0.0
    return min(REST_SECONDS * 2.0 ** (failures - FAILING_FROM), REST_SECONDS_MOST)
