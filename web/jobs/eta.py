"""When a job will be done, estimated only from how long its own units took."""

from collections.abc import Sequence
from typing import Final

ENOUGH: Final = 3  # units, before anything is estimated


def seconds_left(
    done: int, mean: float | None, at_work: Sequence[float], waiting: int
) -> float | None:
    """Return the seconds until all is delivered; None while there is no estimate.

    ``done`` units took ``mean`` seconds each, including the time before each began. The list
    ``at_work`` has the seconds of those at work, which is also how many run in parallel.
    ``waiting`` come after them, be they in a node's backlog already. A unit that takes longer than
    the mean is taken to be nearly done, and its successor to begin then. The time of the last
    verdicts is not included.
    """
    if done < ENOUGH or mean is None or not at_work:
        return None
    ahead = [max(0.0, mean - seconds) for seconds in at_work]
    shared = (sum(ahead) + waiting * mean) / len(ahead)
    return max(shared, *ahead)
