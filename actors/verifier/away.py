"""Nodes that were asked about a delivery and came to nothing: they may do better later."""

from collections.abc import Set
from typing import Final
from uuid import UUID

import attrs

RESTS: Final = 9  # times as long as one kept a check for nothing, until he is asked as others are


@attrs.frozen
class Failed:
    """So many times a node came to nothing; it is not asked before ``until``, in seconds of the
    monotonic clock.
    """

    times: int
    until: float


@attrs.define
class Away:
    """``lost`` went while they were at it."""

    failed: dict[UUID, Failed] = attrs.field(factory=dict[UUID, Failed])
    lost: frozenset[UUID] = frozenset()

    def lose(self, node: UUID, now: float, wait: float) -> None:
        """Who was looking at it went: once it may happen, then it came to nothing."""
        if node in self.lost:
            self.fail(node, now, wait)
        self.lost |= {node}

    def fail(self, node: UUID, now: float, wait: float) -> None:
        """It came to nothing by this node, which may do better after ``wait`` seconds; the next
        time after twice as many.
        """
        before = self.failed.get(node)
        times = 1 if before is None else before.times + 1
        self.failed[node] = Failed(times, now + wait * 2 ** (times - 1))

    def resting(self, now: float) -> Set[UUID]:
        """Those that came to nothing just now."""
        return {node for node, failed in self.failed.items() if now < failed.until}

    @property
    def last(self) -> Set[UUID]:
        """Those that are asked when there is nobody else."""
        return self.lost | self.failed.keys()


@attrs.define
class Rests:
    """Owners whose nodes kept checks for nothing are asked last, about whatever: so nobody does so
    for more than a tenth of the time. An answer ends no rest, as it would be a cheap way out. All
    times are seconds of the monotonic clock; a restart forgets them.
    """

    _until: dict[UUID, float] = attrs.field(factory=dict[UUID, float])

    def begin(self, owner: UUID, since: float, now: float) -> None:
        """What his node was asked at ``since`` came to nothing."""
        self._until[owner] = max(now + RESTS * (now - since), self._until.get(owner, now))

    def at(self, now: float) -> Set[UUID]:
        """Those that are asked last."""
        self._until = {owner: until for owner, until in self._until.items() if until > now}
        return self._until.keys()
