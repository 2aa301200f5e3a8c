"""When the gateway's own renders a frame whole. How long that takes its creator chooses, so no one
of them gets much of it, nor all of them together more than half of one verifier's time.
"""

from collections.abc import Set
from typing import Final
from uuid import UUID

import attrs

RESTS: Final = 9  # times as long as his frame took, until a creator's next one


@attrs.frozen
class _Begun:
    creator: UUID
    at: float


@attrs.define
class Wholes:
    """One at a time; all times are seconds of the monotonic clock. A restart forgets them."""

    _begun: dict[UUID, _Begun] = attrs.field(factory=dict[UUID, _Begun])  # by check
    _free_at: float = float("-inf")
    _rests: dict[UUID, float] = attrs.field(factory=dict[UUID, float])  # creators

    def may(self, creator: UUID, now: float) -> bool:
        """Whether one of this creator's may begin."""
        return not self._begun and now >= max(self._free_at, self._rests.get(creator, now))

    def begin(self, check: UUID, creator: UUID, now: float) -> None:
        """It was asked for."""
        self._begun[check] = _Begun(creator, now)

    def attend(self, running: Set[UUID], now: float) -> None:
        """See which checks are over, however they ended."""
        for check in self._begun.keys() - running:
            begun = self._begun.pop(check)
            took = now - begun.at
            self._free_at = now + took
            self._rests[begun.creator] = now + RESTS * took
        self._rests = {of: until for of, until in self._rests.items() if until > now}
