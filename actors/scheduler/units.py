"""The units that have not ended, and how many jobs of each user they are."""

from collections import UserDict
from uuid import UUID

from actors.scheduler.node import UnitKey
from actors.scheduler.unit import Unit


class Units(UserDict[UnitKey, Unit]):
    """By job and number, those too whose first commit is under way."""

    def __init__(self) -> None:
        self._open: dict[UUID, dict[UUID, int]] = {}  # user -> job -> its units here
        super().__init__()

    def jobs_of(self, user: UUID) -> int:
        """How many jobs of a user are open."""
        return len(self._open.get(user, ()))

    def __setitem__(self, key: UnitKey, unit: Unit) -> None:
        before = self.data.get(key)
        if before is not None:
            self._count(before, -1)
        self.data[key] = unit
        self._count(unit, +1)

    def __delitem__(self, key: UnitKey) -> None:
        self._count(self.data.pop(key), -1)

    def _count(self, unit: Unit, change: int) -> None:
        jobs = self._open.setdefault(unit.user, {})
        jobs[unit.job] = jobs.get(unit.job, 0) + change
        if jobs[unit.job] == 0:
            del jobs[unit.job]
        if not jobs:
            del self._open[unit.user]
