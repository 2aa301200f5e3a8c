"""The units that have not ended, by their jobs, and how many jobs of each user they are."""

from collections import UserDict
from collections.abc import Collection
from uuid import UUID

from actors.scheduler.node import UnitKey
from actors.scheduler.unit import Unit


class Units(UserDict[UnitKey, Unit]):
    """By job and number, those too whose first commit is under way."""

    def __init__(self) -> None:
        self._open: dict[UUID, set[UUID]] = {}  # user -> his jobs
        self._of: dict[UUID, dict[UnitKey, Unit]] = {}  # job -> its units here
        super().__init__()

    def jobs_of(self, user: UUID) -> int:
        """How many jobs of a user are open."""
        return len(self._open.get(user, ()))

    @property
    def jobs(self) -> Collection[UUID]:
        """The jobs of which units are known here."""
        return self._of.keys()

    def of(self, job: UUID) -> Collection[Unit]:
        """The units of a job that are known here."""
        return self._of.get(job, {}).values()

    def __setitem__(self, key: UnitKey, unit: Unit) -> None:
        self.data[key] = unit
        self._of.setdefault(unit.job, {})[key] = unit
        self._open.setdefault(unit.user, set()).add(unit.job)

    def __delitem__(self, key: UnitKey) -> None:
        unit = self.data.pop(key)
        del self._of[unit.job][key]
        if not self._of[unit.job]:
            del self._of[unit.job]
            self._open[unit.user].discard(unit.job)
            if not self._open[unit.user]:
                del self._open[unit.user]
