"""Retry policy with delays that grow, are jittered and bounded, and respect Retry-After."""

import random
from collections.abc import Callable, Iterator

import attrs

Uniform = Callable[[float, float], float]


@attrs.frozen(kw_only=True)
class Retries:
    """Retries of a request, at most ``times``.

    The first delay is ``first`` seconds, and each delay is twice the previous delay, up to
    ``most``. There is no retry if Retry-After asks for more than ``patience`` seconds. There is no
    retry later than ``within`` seconds after the first try.
    """

    times: int = 5
    first: float = 0.25
    most: float = 4.0
    patience: float = 30.0
    within: float = 60.0

    def delays(self, uniform: Uniform = random.uniform) -> Iterator[float]:
        """Yield the delays in seconds.

        Each delay is shortened by up to a quarter at random, so that clients do not retry together.
        """
        delay = self.first
        for _ in range(self.times):
            yield delay * uniform(0.75, 1.0)
            delay = min(delay * 2, self.most)

    def pause(self, delay: float, retry_after: float | None, gone: float = 0.0) -> float | None:
        """Return the pause before a retry, ``gone`` seconds after the first try.

        Return None to give up.
        """
        asked = retry_after or 0.0
        pause = max(delay, asked)
        return None if asked > self.patience or gone + pause > self.within else pause


NEVER = Retries(times=0)


def polling() -> Iterator[float]:
    """Yield growing pauses between two polls, without end."""
    delay = 0.25
    while True:
        yield delay
        delay = min(delay * 1.5, 2.0)
