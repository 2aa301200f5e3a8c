"""Estimate of a job's remaining time, from how long its own units took."""

from collections.abc import Sequence
from typing import Final

ENOUGH: Final = 3  # completed units that are needed for an estimate


def seconds_left(
    done: int, mean: float | None, at_work: Sequence[float], waiting: int
) -> float | None:
    """Return the seconds until all units are delivered; None while there is no estimate.

    ``done`` units are complete, and took ``mean`` seconds each, including the wait before each
    began. ``at_work`` lists the seconds since each running unit began; as many units are assumed to
    run in parallel. ``waiting`` units have not begun, including those in a node's backlog. A unit
    that runs longer than the mean is assumed to end now. The time for verdicts is not included.
    """
    if done < ENOUGH or mean is None or not at_work:
        return None
    ahead = [max(0.0, mean - seconds) for seconds in at_work]
    shared = (sum(ahead) + waiting * mean) / len(ahead)
    return max(shared, *ahead)
