"""Thresholds of comparisons; of several regions the region that differs most decides.

The distance of two renders means nothing by itself. A dark scene differs little even if all of it
is missing. A scene of 4,096 samples differs little even without three quarters of the samples. So
distances are given in multiples of the noise, which is the distance of two honest renders with
different seeds.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import attrs

# A render with a share f of the same samples differs by sqrt((1 - f) / 2f) of the noise: 0.1 is the
# distance with 98 % of the samples, 0.5 that with two thirds, and 1 that with another seed.
MATCH_NOISE: Final = 0.1
OPEN_NOISE: Final = 0.5
OTHER_CLASS_NOISE: Final = 0.3
Finding: TypeAlias = Literal["exact", "match", "open", "mismatch"]
_FROM_WORST: Final[tuple[Finding, ...]] = ("mismatch", "open", "match", "exact")


@attrs.frozen
class Thresholds:
    """Thresholds in multiples of the noise: a distance up to ``match`` is a match, and a distance
    above ``open`` a mismatch.

    For a distance between ``match`` and ``open``, more regions are compared. ``other_class``
    replaces ``match`` if node and verifier have different instruction sets.
    """

    match: float = MATCH_NOISE
    open: float = OPEN_NOISE
    other_class: float = OTHER_CLASS_NOISE

    @property
    def across(self) -> "Thresholds":
        """Return the thresholds for a check by a verifier of another device class."""
        return attrs.evolve(self, match=self.other_class)


@attrs.frozen
class RegionDifference:
    """Difference of a region that the verifier rendered from the same region of the delivery.

    ``off``: the distance, in multiples of the noise. The distance is 0 if the regions are
    ``equal``, and infinite if they cannot be compared; NaN is no match.
    """

    equal: bool
    off: float


DEFAULTS: Final = Thresholds()


def of_region(compared: RegionDifference, thresholds: Thresholds = DEFAULTS) -> Finding:
    if compared.equal:
        return "exact"
    if compared.off <= thresholds.match:
        return "match"
    return "open" if compared.off <= thresholds.open else "mismatch"


def of_all(found: Sequence[RegionDifference], thresholds: Thresholds = DEFAULTS) -> Finding:
    """Return the worst finding.

    Raises ValueError if there is no finding, as then nothing was checked.
    """
    if not found:
        raise ValueError("nothing was compared")
    findings = [of_region(one, thresholds) for one in found]
    return next(one for one in _FROM_WORST if one in findings)


def is_match(finding: Finding) -> bool:
    """Return True if the delivery matches the scene, as far as it was compared."""
    return finding in ("exact", "match")
