"""A node that fakes some frames of each chunk does not earn more than honest work would."""

import random
from collections.abc import Iterator
from uuid import UUID

import attrs
import pytest

from actors.verifier import check_orders
from rendertrust.node.worker.checks.crop_placement import picked
from sql import sampling
from sql.reputation_rules import NEW, STRIKES_MOST, Reputation, after

SECRET, LEAST = b"s" * 32, 0.05
CHUNKS, LIVES = 200, 60
OWN, LOOKED = UUID(int=20), {"looked": True}


def looked_at(frames: int, number: int) -> list[int]:
    """Return the frames that the first check of a chunk compares."""
    name, result = b"job:%d:1" % number, number.to_bytes(32)
    return picked([*check_orders.places("chunk", frames, SECRET, name, result).shown], frames)


@pytest.mark.parametrize("frames", [2, 3, 8, 9, 16, 64, 128, 250])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_check_costs_a_liar_more_than_he_saves(frames: int, share: float) -> None:
    """An invalid chunk is unpaid as a whole. A check therefore costs a liar at least as many
    frames' pay as were faked, as with single frames.
    """
    faked = set(random.Random(frames).sample(range(frames), max(round(frames * share), 1)))
    often = sum(not faked.isdisjoint(looked_at(frames, n)) for n in range(2000)) / 2000
    assert often * frames >= len(faked) * 0.8  # a tolerance for 2,000 draws


@attrs.define
class Life:
    """A node that fakes frames of each chunk until it is quarantined.

    At the quarantine all its earnings are still pending, and each frame that earned them is
    compared.
    """

    frames: int
    faked: int
    chance: random.Random
    known: Reputation = NEW
    rendered: int = 0
    pending: int = 0  # frames that are paid for if nothing is found

    def deliver(self) -> None:
        self.rendered += self.frames - self.faked
        honest = self.known.strikes == 0
        often = sampling.odds(self.known.valid_in_row, LEAST) if honest else 1.0
        drawn = self.chance.random() < often
        number = self.chance.getrandbits(64)
        lies = self.chance.sample(range(self.frames), self.faked)
        if drawn and not set(lies).isdisjoint(looked_at(self.frames, number)):
            self.known, self.pending = after(self.known, "m"), 0
            return
        self.known = after(self.known, "v") if drawn else self.known
        self.pending += self.frames

    def lives(self, chunks: int) -> Iterator[None]:
        for _ in range(chunks):
            if self.known.strikes >= STRIKES_MOST:
                return
            self.deliver()
            yield


def profit(frames: int, faked: int) -> float:
    """Return paid frames per rendered frame; honest work gives 1."""
    lives = [Life(frames, faked, random.Random(seed)) for seed in range(LIVES)]
    for life in lives:
        list(life.lives(CHUNKS))
    return sum(life.pending for life in lives) / sum(life.rendered for life in lives)


@pytest.mark.parametrize(("frames", "faked"), [(8, 1), (8, 2), (16, 1), (64, 1), (64, 8)])
def test_a_liar_earns_less_than_by_honest_work_while_what_he_earned_waits(
    frames: int, faked: int
) -> None:
    found = profit(frames, faked)
    assert found < 0.75, found


def test_who_is_honest_earns_all() -> None:
    assert profit(8, 0) == 1.0
