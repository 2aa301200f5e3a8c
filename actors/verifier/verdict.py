"""What a comparison says: the worst of a result's crops counts."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import attrs

MATCH_DECIBELS: Final = 60.0
SUSPICIOUS_DECIBELS: Final = 40.0
Verdict: TypeAlias = Literal["exact", "match", "suspicious", "mismatch"]
_FROM_WORST: Final[tuple[Verdict, ...]] = ("mismatch", "suspicious", "match", "exact")


@attrs.frozen
class Thresholds:
    """In decibels of PSNR: from ``match`` on it is one, below ``suspicious`` it is none."""

    match: float = MATCH_DECIBELS
    suspicious: float = SUSPICIOUS_DECIBELS


@attrs.frozen
class Compared:
    """One crop beside the same part of what was delivered. ``psnr`` is infinite where equal;
    NaN, of pixels that are none, is no match.
    """

    equal: bool
    psnr: float


DEFAULTS: Final = Thresholds()


def of_crop(compared: Compared, thresholds: Thresholds = DEFAULTS) -> Verdict:
    """What one crop says."""
    if compared.equal:
        return "exact"
    if compared.psnr >= thresholds.match:
        return "match"
    return "suspicious" if compared.psnr >= thresholds.suspicious else "mismatch"


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
