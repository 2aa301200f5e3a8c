"""The units that have not ended, by their jobs, and what of each user they are."""

from collections import Counter, UserDict
from collections.abc import Collection, Set
from uuid import UUID

import attrs

from actors.scheduler.node import UnitKey
from actors.scheduler.placement_request import RequestKind
from actors.scheduler.policy import PENDING
from actors.scheduler.unit import Unit

NO_KINDS: Counter[RequestKind] = Counter()


@attrs.frozen
class DormantJob:
    """An open job of which no unit is known here: it is paused, or waits for verdicts."""

    user: UUID
    is_free: bool
    kind: RequestKind


class Units(UserDict[UnitKey, Unit]):
    """By job and number, those too whose first commit is under way.

    A job whose last unit is removed counts as open until ``forget``: its owner may have paused it.
    """

    def __init__(self) -> None:
        self._open: dict[UUID, set[UUID]] = {}  # user -> his jobs
        self._of: dict[UUID, dict[UnitKey, Unit]] = {}  # job -> its units here
        self._priced: Counter[UUID] = Counter()  # job -> how many of those cost something
        self._free: Counter[UUID] = Counter()  # user -> how many of his jobs cost nothing
        self._kinds: dict[UUID, Counter[RequestKind]] = {}  # user -> how many units of each kind
        self._kind_of: dict[UnitKey, RequestKind] = {}  # as it was counted
        self.resting: dict[UUID, DormantJob] = {}  # by job
        super().__init__()

    def jobs_of(self, user: UUID) -> int:
        """How many jobs of a user are open."""
        return len(self._open.get(user, ()))

    @property
    def jobs(self) -> Set[UUID]:
        """The jobs of which units are known here."""
        return self._of.keys()

    def free_jobs_of(self, user: UUID) -> int:
        """How many of them cost nothing, as far as is known here."""
        return self._free[user]

    def kinds_of(self, user: UUID) -> Set[RequestKind]:
        """The kinds that the units of a user's open jobs are of."""
        return self._kinds.get(user, NO_KINDS).keys()

    def of(self, job: UUID) -> Collection[Unit]:
        """The units of a job that are known here."""
        return self._of.get(job, {}).values()

    def rest(self, job: UUID, resting: DormantJob) -> None:
        """Count a job as open of which no unit is known here."""
        if job in self._of or job in self.resting:
            return
        self.resting[job] = resting
        self._open.setdefault(resting.user, set()).add(job)
        self._add_free(resting.user, int(resting.is_free))
        self._add_kind(resting.user, resting.kind)

    def forget(self, job: UUID) -> None:
        """Count a job no more of which no unit is known here: it has ended."""
        resting = self.resting.pop(job, None)
        if resting is not None:
            self._close(resting.user, job)
            self._add_free(resting.user, -int(resting.is_free))
            self._remove_kind(resting.user, resting.kind)

    def __setitem__(self, key: UnitKey, unit: Unit) -> None:
        before = self.data.get(key)
        if before is unit:
            return
        if before is not None:
            del self[key]
        self.forget(unit.job)  # it is counted by its units now
        self.data[key] = unit
        was_free = self._is_free(unit.job)
        self._of.setdefault(unit.job, {})[key] = unit
        self._open.setdefault(unit.user, set()).add(unit.job)
        self._priced[unit.job] += unit.is_priced
        self._count_free(unit, was_free)
        self._kind_of[key] = unit.kind
        self._add_kind(unit.user, unit.kind)

    def __delitem__(self, key: UnitKey) -> None:
        unit = self.data.pop(key)
        was_free = self._is_free(unit.job)
        del self._of[unit.job][key]
        self._priced[unit.job] -= unit.is_priced
        if not self._of[unit.job]:
            del self._of[unit.job], self._priced[unit.job]
            self._close(unit.user, unit.job)
        self._count_free(unit, was_free)
        kind = self._kind_of.pop(key)
        self._remove_kind(unit.user, kind)
        if unit.state != PENDING:
            self.rest(unit.job, DormantJob(unit.user, was_free, kind))

    def _is_free(self, job: UUID) -> bool:
        return job in self._of and not self._priced[job]

    def _count_free(self, unit: Unit, was_free: bool) -> None:
        self._add_free(unit.user, self._is_free(unit.job) - was_free)

    def _close(self, user: UUID, job: UUID) -> None:
        self._open[user].discard(job)
        if not self._open[user]:
            del self._open[user]

    def _add_free(self, user: UUID, number: int) -> None:
        self._free[user] += number
        if not self._free[user]:
            del self._free[user]

    def _add_kind(self, user: UUID, kind: RequestKind) -> None:
        self._kinds.setdefault(user, Counter())[kind] += 1

    def _remove_kind(self, user: UUID, kind: RequestKind) -> None:
        kinds = self._kinds[user]
        kinds[kind] -= 1
        if not kinds[kind]:
            del kinds[kind]
        if not kinds:
            del self._kinds[user]
