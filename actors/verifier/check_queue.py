"""Fair queueing of checks: creators share the verifiers' time equally."""

from uuid import UUID

import attrs

CREATORS_MOST = 10_000


@attrs.define
class CheckQueue:
    """Start-time fair queueing over creators, in seconds of verifiers' time.

    A creator's turn is the virtual time at which their last check ended, or now if that is later.
    So a creator with many long frames comes later, and idle time is not saved up.
    """

    _now: float = 0.0  # virtual time of the check that began last
    _ends: dict[UUID, float] = attrs.field(factory=dict[UUID, float])

    def of(self, creator: UUID) -> float:
        """Return the virtual time of the creator's next check; the smallest goes first."""
        return max(self._now, self._ends.get(creator, 0.0))

    def begin(self, creator: UUID) -> None:
        """Record that a check for this creator begins."""
        self._now = self.of(creator)

    def spend(self, creator: UUID, seconds: float) -> None:
        """Record how long a check for this creator took."""
        self._ends[creator] = self.of(creator) + seconds
        if len(self._ends) > CREATORS_MOST:
            self._ends = {who: end for who, end in self._ends.items() if end > self._now}
