"""Whose delivery is checked next: creators share the verifiers' time alike, whoever sends more."""

from uuid import UUID

import attrs

CREATORS_MOST = 10_000


@attrs.define
class Turns:
    """Start-time fair queueing, in seconds of verifiers' time.

    A creator's turn is when his last check ended, or now, whichever is later: who had much comes
    later, and who had nothing for long has saved nothing up.
    """

    _now: float = 0.0  # the turn of the check that was begun last
    _ends: dict[UUID, float] = attrs.field(factory=dict[UUID, float])

    def of(self, creator: UUID) -> float:
        """Return the turn of his next check: the least is first."""
        return max(self._now, self._ends.get(creator, 0.0))

    def begin(self, creator: UUID) -> None:
        """Note that a check of his begins."""
        self._now = self.of(creator)

    def spend(self, creator: UUID, seconds: float) -> None:
        """Note that one took so long."""
        self._ends[creator] = self.of(creator) + seconds
        if len(self._ends) > CREATORS_MOST:
            self._ends = {who: end for who, end in self._ends.items() if end > self._now}
