"""What a comparison says: the worst of a result's crops counts.

How far two renders are apart means nothing by itself: a dark scene differs by little where all of
it is missing, and so does a scene of 4,096 samples where three quarters of them are. So it is told
in multiples of the noise, which is how far two honest renders with other seeds are apart.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import attrs

# With a share f of the samples, the same ones, a render is sqrt((1 - f) / 2f) of the noise away:
# 0.1 is 98 % of them, 0.5 two thirds; another seed is 1.
MATCH_NOISE: Final = 0.1
SUSPICIOUS_NOISE: Final = 0.5
ACROSS_NOISE: Final = 0.3
Verdict: TypeAlias = Literal["exact", "match", "suspicious", "mismatch"]
_FROM_WORST: Final[tuple[Verdict, ...]] = ("mismatch", "suspicious", "match", "exact")


@attrs.frozen
class Thresholds:
    """In multiples of the noise: up to ``match`` it is one, beyond ``suspicious`` it is none.

    ``other_class`` takes the place of ``match`` between two instruction sets.
    """

    match: float = MATCH_NOISE
    suspicious: float = SUSPICIOUS_NOISE
    other_class: float = ACROSS_NOISE

    @property
    def across(self) -> "Thresholds":
        """Those for a check by a machine of another class."""
        return attrs.evolve(self, match=self.other_class)


@attrs.frozen
class Compared:
    """One crop beside the same part of what was delivered. ``off`` is 0 where equal, infinite where
    nothing can be compared; NaN is no match.
    """

    equal: bool
    off: float


DEFAULTS: Final = Thresholds()


def of_crop(compared: Compared, thresholds: Thresholds = DEFAULTS) -> Verdict:
    """What one crop says."""
    if compared.equal:
        return "exact"
    if compared.off <= thresholds.match:
        return "match"
    return "suspicious" if compared.off <= thresholds.suspicious else "mismatch"


def of_all(found: Sequence[Compared], thresholds: Thresholds = DEFAULTS) -> Verdict:
    """What all of them say together. Raises ValueError without any: nothing was checked."""
    if not found:
        raise ValueError("nothing was compared")
    verdicts = [of_crop(one, thresholds) for one in found]
    return next(one for one in _FROM_WORST if one in verdicts)


def is_valid(verdict: Verdict) -> bool:
    """Whether the work is paid for."""
    return verdict in ("exact", "match")


def decided(first: Verdict, third: Verdict) -> Verdict:
    """What two checks by two others say: on suspicion the third node has the word.

    A suspicion that is confirmed is a mismatch. Where the first was sure, nobody else was asked.
    """
    if first != "suspicious":
        return first
    return third if is_valid(third) else "mismatch"
