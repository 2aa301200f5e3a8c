"""How often a unit is tried: what counts as a try, when the next one is, and which is the last.

Sessions, the Lifeline and the Verifier go by it, each for what it hears of.
"""

from typing import Final

NODE_FAILURES_MOST: Final = 3
TRIES_MOST: Final = 12  # however they ended
RETRY_SECONDS: Final = (1, 2, 4)
HELD_NODES: Final = 3  # different ones that a unit came back from unfinished: an admin is told
HELD_SECONDS_MOST: Final = 60
OWNERS_MOST: Final = 3  # of nodes that failed a unit: then it is not its nodes' fault


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


def held_seconds(*, nodes: int, times: int) -> int:
    """Return how long a unit waits that came back ``times`` times and did not fail.

    ``nodes`` are the different ones that it came back from: they could not be sent it, or lost it.
    Attempt numbers are finite, so the pause grows even where two nodes alternate.
    """
    if nodes >= HELD_NODES:
        return HELD_SECONDS_MOST
    return int(min(2 ** min(max(times - 1, 0), 10), HELD_SECONDS_MOST))
