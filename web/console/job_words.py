"""The state of a job in words, the same on every page."""

from collections.abc import Mapping
from typing import Final

import attrs

from rendertrust.job_status import JobStatus
from rendertrust.job_words import job_words

_BADGES: Final[Mapping[JobStatus, tuple[str, str]]] = {
    "QUEUED": ("wait", "clock"),
    "DISPATCHED": ("run", "play"),
    "RUNNING": ("run", "play"),
    "PAUSED": ("warn", "pause"),
    "COMPLETED": ("good", "check"),
    "FAILED": ("bad", "cross"),
    "CANCELLED": ("none", "stop"),
}


@attrs.frozen
class JobBadge:
    """The state of a job as a page shows it: a kind (its colour), an icon and words."""

    kind: str
    symbol: str
    words: str


def badge_of(
    status: JobStatus,
    job_type: str,
    *,
    progress: float | None = None,
    paused: str | None = None,
    is_verifying: bool = False,
) -> JobBadge:
    """Return the state of a job. ``progress``: from 0 to 1, of a job at work, if known.

    ``is_verifying``: nothing is left to do but verdicts.
    """
    is_verifying = is_verifying and status == "RUNNING"
    kind, symbol = ("run", "check") if is_verifying else _BADGES[status]
    words = job_words(status, job_type, progress=progress, paused=paused, verifying=is_verifying)
    return JobBadge(kind, symbol, words)
