"""When a job will be done, from how long its own units took: nothing else is guessed from."""

from collections.abc import Sequence
from typing import Final

ENOUGH: Final = 3  # units, before anything is said


def seconds_left(
    done: int, mean: float | None, at_work: Sequence[float], waiting: int
) -> float | None:
    """Seconds until all is delivered; None while that cannot be told.

    ``done`` units took ``mean`` seconds each, with what passed before each began; those ``at_work``
    for so many seconds are as many as work side by side; ``waiting`` come after them, be they in a
    node's backlog by now. One that takes longer than others is taken to be nearly done, and its
    successor to begin then. How long the last verdicts take nobody knows.
    """
    if done < ENOUGH or mean is None or not at_work:
        return None
    ahead = [max(0.0, mean - seconds) for seconds in at_work]
    shared = (sum(ahead) + waiting * mean) / len(ahead)
    return max(shared, *ahead)
