"""How often a unit is tried: what counts as a try, when the next one is, and which is the last.

Sessions, the Lifeline and the Verifier go by it, each for what it hears of.
"""

from typing import Final

NODE_FAILURES_MOST: Final = 3
TRIES_MOST: Final = 12  # however they ended
RETRY_SECONDS: Final = (1, 2, 4)
UNSENDABLE_NODES: Final = 3  # different ones that a unit could not be sent to: an admin is told
UNSENDABLE_SECONDS_MOST: Final = 60


def tries(attempt: int, unsent: int) -> int:
    """How often a node was to work on it, this attempt included: ``unsent`` ones no node had."""
    return max(attempt - unsent, 1)


def wait_seconds(
    *, failures: int, faults: int, tried: int, is_nodes: bool, is_given_back: bool = False
) -> int | None:
    """After a failure, of the node or not; None: it was the last try.

    ``failures`` of nodes and ``faults`` that were no node's are those before it. What was given
    back did not fail: there are as many tries of that as of anything.
    """
    failures, faults = failures + is_nodes, faults + (not is_nodes)
    count = tried if is_given_back else failures + faults
    is_last = count > len(RETRY_SECONDS) and not is_given_back
    if is_last or failures >= NODE_FAILURES_MOST or tried >= TRIES_MOST:
        return None
    return RETRY_SECONDS[min(count, len(RETRY_SECONDS)) - 1]


def unsendable_seconds(*, nodes: int, unsent: int) -> int:
    """Return how long a unit waits that could not be sent over a node's connection.

    ``nodes`` are the different ones that this happened with, ``unsent`` the attempts that no node
    ever had. Attempt numbers are finite, so the pause grows even where two nodes alternate.
    """
    if nodes >= UNSENDABLE_NODES:
        return UNSENDABLE_SECONDS_MOST
    return int(min(2 ** min(max(unsent - 1, 0), 10), UNSENDABLE_SECONDS_MOST))
