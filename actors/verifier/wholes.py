"""When the gateway's own renders a frame whole. How long that takes its creator chooses, so no one
of them gets much of it, nor all of them together more than half of one verifier's time.
"""

from collections.abc import Set
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.verifier.crops import Places
from actors.verifier.messages import FinalVerdict
from actors.verifier.report import Report
from actors.verifier.verdict import Thresholds, is_valid, of_all

Why: TypeAlias = Literal["crops", "unmade", "uncut"]
PICTURE: Final = Places(shown=(0.5,))  # the only one that there is
RESTS: Final = 9  # times as long as his frame took, until a creator's next one


@attrs.frozen
class Whole:
    """``why``: its crops differ; who makes the picture of the evidence dies of it; or parts of its
    scene say nothing. In the last case ``suspect`` is why it is odd all the same, and it is
    rendered only where that can be done at once: no frame waits for it.
    """

    at: Places
    why: Why
    suspect: str | None = None

    @property
    def can_wait(self) -> bool:
        """Whether it stays undecided until it was rendered."""
        return self.why != "uncut"

    def unsaid(self, said: str) -> tuple[FinalVerdict, str]:
        """The verdict where nobody could render it, and the words for it: nobody is condemned. What
        somebody saw something wrong with nobody is charged for.
        """
        if self.why == "uncut":
            return ("unverifiable", said) if self.suspect is None else ("doubtful", self.suspect)
        return "doubtful", f"a check saw {said}, and the whole frame could not be rendered in time"

    def verdict(self, report: Report, limits: Thresholds, *, across: bool) -> FinalVerdict | None:
        """What the gateway's own says who rendered it; None: nothing, as of a release before, or
        of a scene that cannot be rendered here.
        """
        if report.fault is not None and self.why == "uncut":
            return "mismatch"
        if not report.is_whole:
            return None
        if self.why == "unmade" and not report.is_finished:  # of what it rendered itself, too
            return "unverifiable"
        found = of_all(report.compared if self.why != "crops" else report.crops, limits)
        if is_valid(found) and self.why == "uncut" and not report.is_finished:
            return "unverifiable"  # nobody looked at the picture
        if is_valid(found) and report.is_unseen:
            return "doubtful"
        if is_valid(found):
            same: FinalVerdict = "exact" if found == "exact" else "match"
            return "consistent" if across else same
        if self.why != "crops" and (across or self._is_loose(report)):
            return "doubtful" if found == "mismatch" else None
        return "mismatch"

    def _is_loose(self, report: Report) -> bool:
        """Whether an honest picture may differ: a denoiser makes more of bits that are others."""
        others = self.why == "unmade" and any(not crop.equal for crop in report.crops)
        return report.is_loose or others


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
