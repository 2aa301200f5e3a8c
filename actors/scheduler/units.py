"""The units that have not ended, by their jobs, and what of each user they are."""

from collections import Counter, UserDict
from collections.abc import Collection, Set
from uuid import UUID

from actors.scheduler.demand import Kind
from actors.scheduler.node import UnitKey
from actors.scheduler.unit import Unit

NO_KINDS: Counter[Kind] = Counter()


class Units(UserDict[UnitKey, Unit]):
    """By job and number, those too whose first commit is under way."""

    def __init__(self) -> None:
        self._open: dict[UUID, set[UUID]] = {}  # user -> his jobs
        self._of: dict[UUID, dict[UnitKey, Unit]] = {}  # job -> its units here
        self._priced: Counter[UUID] = Counter()  # job -> how many of those cost something
        self._free: Counter[UUID] = Counter()  # user -> how many of his jobs cost nothing
        self._kinds: dict[UUID, Counter[Kind]] = {}  # user -> how many units of each kind
        self._kind_of: dict[UnitKey, Kind] = {}  # as it was counted
        super().__init__()

    def jobs_of(self, user: UUID) -> int:
        """How many jobs of a user are open."""
        return len(self._open.get(user, ()))

    @property
    def jobs(self) -> Collection[UUID]:
        """The jobs of which units are known here."""
        return self._of.keys()

    def free_jobs_of(self, user: UUID) -> int:
        """How many of them cost nothing, as far as is known here."""
        return self._free[user]

    def kinds_of(self, user: UUID) -> Set[Kind]:
        """The kinds that a user's units are of."""
        return self._kinds.get(user, NO_KINDS).keys()

    def of(self, job: UUID) -> Collection[Unit]:
        """The units of a job that are known here."""
        return self._of.get(job, {}).values()

    def __setitem__(self, key: UnitKey, unit: Unit) -> None:
        before = self.data.get(key)
        if before is unit:
            return
        if before is not None:
            del self[key]
        self.data[key] = unit
        was_free = self._is_free(unit.job)
        self._of.setdefault(unit.job, {})[key] = unit
        self._open.setdefault(unit.user, set()).add(unit.job)
        self._priced[unit.job] += unit.is_priced
        self._count_free(unit, was_free)
        self._kind_of[key] = unit.kind
        self._kinds.setdefault(unit.user, Counter())[unit.kind] += 1

    def __delitem__(self, key: UnitKey) -> None:
        unit = self.data.pop(key)
        was_free = self._is_free(unit.job)
        del self._of[unit.job][key]
        self._priced[unit.job] -= unit.is_priced
        if not self._of[unit.job]:
            del self._of[unit.job], self._priced[unit.job]
            self._open[unit.user].discard(unit.job)
            if not self._open[unit.user]:
                del self._open[unit.user]
        self._count_free(unit, was_free)
        kinds, kind = self._kinds[unit.user], self._kind_of.pop(key)
        kinds[kind] -= 1
        if not kinds[kind]:
            del kinds[kind]
        if not kinds:
            del self._kinds[unit.user]

    def _is_free(self, job: UUID) -> bool:
        return job in self._of and not self._priced[job]

    def _count_free(self, unit: Unit, was_free: bool) -> None:
        self._free[unit.user] += self._is_free(unit.job) - was_free
        if not self._free[unit.user]:
            del self._free[unit.user]
