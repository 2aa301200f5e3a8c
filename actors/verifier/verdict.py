"""What a comparison says: the worst of a result's regions counts.

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
OPEN_NOISE: Final = 0.5
OTHER_CLASS_NOISE: Final = 0.3
Finding: TypeAlias = Literal["exact", "match", "open", "mismatch"]
_FROM_WORST: Final[tuple[Finding, ...]] = ("mismatch", "open", "match", "exact")


@attrs.frozen
class Thresholds:
    """Multiples of the noise: up to ``match`` it is a match, beyond ``open`` a mismatch; what lies
    between is left open, and more regions are compared.

    ``other_class`` takes the place of ``match`` between two instruction sets.
    """

    match: float = MATCH_NOISE
    open: float = OPEN_NOISE
    other_class: float = OTHER_CLASS_NOISE

    @property
    def across(self) -> "Thresholds":
        """Return those for a check by a machine of another class."""
        return attrs.evolve(self, match=self.other_class)


@attrs.frozen
class RegionDifference:
    """One region beside the same part of what was delivered. ``off`` is 0 where equal, infinite
    where nothing can be compared; NaN is no match.
    """

    equal: bool
    off: float


DEFAULTS: Final = Thresholds()


def of_region(compared: RegionDifference, thresholds: Thresholds = DEFAULTS) -> Finding:
    """Return what one region says."""
    if compared.equal:
        return "exact"
    if compared.off <= thresholds.match:
        return "match"
    return "open" if compared.off <= thresholds.open else "mismatch"


def of_all(found: Sequence[RegionDifference], thresholds: Thresholds = DEFAULTS) -> Finding:
    """Return what all of them say together. Raises ValueError without any: nothing was checked."""
    if not found:
        raise ValueError("nothing was compared")
    findings = [of_region(one, thresholds) for one in found]
    return next(one for one in _FROM_WORST if one in findings)


def is_match(finding: Finding) -> bool:
    """Return whether what was delivered is what the scene gives, as far as was compared."""
    return finding in ("exact", "match")
