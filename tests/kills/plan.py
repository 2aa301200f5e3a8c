"""Plans of kills: the victims and the times; the same seed gives the same plan."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

import attrs

EVERYTHING: Final = "everything"
GATEWAY: Final = "gateway"
# Process names of the engines; the gateway survives their death and starts them again.
ENGINES: Final = {"postgres": "postgres", "valkey": "valkey-server", "objects": "weed"}
# Each six kills in a row have these victims, in a random order.
ROUND: Final = (EVERYTHING, GATEWAY, "postgres", EVERYTHING, "objects", "valkey")
VICTIMS: Final = tuple(dict.fromkeys(ROUND))
LATER_SECONDS: Final = 1.0
STARTING_SECONDS: Final = 3.0
AGAIN_OF: Final = 3  # of three kills that hit the gateway, one hits everything while it restarts


@attrs.frozen
class Kill:
    """A kill; ``after`` is the delay in seconds once enough answers were acknowledged.

    ``again`` is the time, in seconds after the restart began, of a second kill of everything.
    """

    number: int
    victim: str
    after: float
    again: float | None = None

    def __str__(self) -> str:
        again = "" if self.again is None else f", and at {self.again:.2f} s of the start"
        return f"kill {self.number}: {self.victim} after {self.after:.2f} s{again}"


def plan(seed: str, kills: int, victims: Sequence[str] = ROUND) -> list[Kill]:
    """Return a plan of ``kills`` kills."""
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
