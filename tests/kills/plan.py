"""Who is killed, and when: the same plan for the same seed."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

import attrs

EVERYTHING: Final = "everything"
GATEWAY: Final = "gateway"
# An engine by the name of its process; the gateway lives on, and starts it anew.
ENGINES: Final = {"postgres": "postgres", "valkey": "valkey-server", "objects": "weed"}
# In every so many kills each of them, in another order.
ROUND: Final = (EVERYTHING, GATEWAY, "postgres", EVERYTHING, "objects", "valkey")
VICTIMS: Final = tuple(dict.fromkeys(ROUND))
LATER_SECONDS: Final = 1.0
STARTING_SECONDS: Final = 3.0
AGAIN_OF: Final = 3  # of those that end the gateway one in so many is followed by another


@attrs.frozen
class Kill:
    """``after``: seconds, once enough was acknowledged.

    ``again``: so many seconds into the start that follows all is killed once more.
    """

    number: int
    victim: str
    after: float
    again: float | None = None

    def __str__(self) -> str:
        again = "" if self.again is None else f", and at {self.again:.2f} s of the start"
        return f"kill {self.number}: {self.victim} after {self.after:.2f} s{again}"


def plan(seed: str, kills: int, victims: Sequence[str] = ROUND) -> list[Kill]:
    """So many kills of these victims."""
    chance = Random(f"{seed} kills")
    order = _order(chance, victims)
    return [_kill(chance, number, next(order)) for number in range(1, kills + 1)]


def _order(chance: Random, victims: Sequence[str]) -> Iterator[str]:
    while True:
        yield from chance.sample(victims, len(victims))


def _kill(chance: Random, number: int, victim: str) -> Kill:
    after = chance.uniform(0, LATER_SECONDS)
    again = chance.randrange(AGAIN_OF) == 0, chance.uniform(0, STARTING_SECONDS)
    if victim in ENGINES or not again[0]:
        return Kill(number, victim, after)
    return Kill(number, victim, after, again[1])
