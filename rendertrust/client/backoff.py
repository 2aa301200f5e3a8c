"""How long to wait between two tries: growing, jittered, bounded, and as the gateway asks."""

import random
from collections.abc import Callable, Iterator

import attrs

Uniform = Callable[[float, float], float]


@attrs.frozen(kw_only=True)
class Retries:
    """Try again ``times`` times, after ``first`` s and twice as long each time, at most ``most`` s.

    A gateway that asks for more than ``patience`` s by Retry-After is not waited for, and no try
    begins later than ``within`` s after the first.
    """

    times: int = 5
    first: float = 0.25
    most: float = 4.0
    patience: float = 30.0
    within: float = 60.0

    def delays(self, uniform: Uniform = random.uniform) -> Iterator[float]:
        """The pauses, in seconds; up to a quarter shorter than named, so that clients spread."""
        delay = self.first
        for _ in range(self.times):
            yield delay * uniform(0.75, 1.0)
            delay = min(delay * 2, self.most)

    def pause(self, delay: float, retry_after: float | None, gone: float = 0.0) -> float | None:
        """What to wait in fact, ``gone`` s after the first try; None: rather give up."""
        asked = retry_after or 0.0
        pause = max(delay, asked)
        return None if asked > self.patience or gone + pause > self.within else pause


NEVER = Retries(times=0)


def polling() -> Iterator[float]:
    """Pauses between two looks at something that takes its time, for ever."""
    delay = 0.25
    while True:
        yield delay
        delay = min(delay * 1.5, 2.0)
