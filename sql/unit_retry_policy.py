"""Retry policy of units: what counts as a try, how long the pauses are, when to give up.

Used by sessions, the Lifeline and the Verifier.
"""

from typing import Final

NODE_FAILURES_MOST: Final = 3
TRIES_MOST: Final = 12  # tries of a unit, with any outcome
RETRY_SECONDS: Final = (1, 2, 4)
# admins are alerted once so many nodes lost a unit, lack what it needs, or could not receive it
HELD_NODES: Final = 3
HELD_SECONDS_MOST: Final = 60
# once nodes of so many owners failed a unit, further failures are not the nodes' fault
OWNERS_MOST: Final = 3


def tries(attempt: int, unsent: int) -> int:
    """Count the tries of a unit, including the present try.

    ``unsent`` attempts, which no node received, do not count.
    """
    return max(attempt - unsent, 1)


def wait_seconds(
    *, failures: int, faults: int, tried: int, is_nodes: bool, is_returned: bool = False
) -> int | None:
    """Return the pause after a failure; None after the last try.

    ``failures`` counts earlier failures by a node's fault, ``faults`` other earlier failures;
    ``is_nodes``: this failure is a node's fault. ``tried``: the tries, with this one.
    ``is_returned``: the node returned the unit without a failure; the return only counts towards
    the maximum of tries.
    """
    failures, faults = failures + is_nodes, faults + (not is_nodes)
    count = tried if is_returned else failures + faults
    is_last = count > len(RETRY_SECONDS) and not is_returned
    if is_last or failures >= NODE_FAILURES_MOST or tried >= TRIES_MOST:
        return None
    return RETRY_SECONDS[min(count, len(RETRY_SECONDS)) - 1]


def held_seconds(*, nodes: int, times: int) -> int:
    """Return the pause in seconds of a unit that came back ``times`` times without a failure.

    ``nodes``: the number of nodes that could not receive the unit, or that it avoids. The pause
    grows even if two nodes alternate, as attempt numbers are finite.
    """
    if nodes >= HELD_NODES:
        return HELD_SECONDS_MOST
    return int(min(2 ** min(max(times - 1, 0), 10), HELD_SECONDS_MOST))
