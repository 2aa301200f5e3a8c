"""What is known of a node's work, for each class of machine: read from the verdicts on it."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import attrs

STRIKES_MOST: Final = 3  # then it is quarantined
FORGIVEN_BY: Final = 20  # valid results in a row take one strike away
FORGIVEN_MOST: Final = 2  # strikes in all: else lying now and then would pay
HISTORY: Final = 1000  # verdicts by which a node is known
VALID, INVALID = "v", "m"  # as a record spells them
LIES, KIN = "LIES", "KIN"  # why the gateway itself put a node into quarantine


@attrs.frozen
class Reputation:
    """``valid_in_row`` is the streak by which checks become rarer; ``strikes`` are invalid results
    that are not made good for yet. Checked results alone count: what nobody looked at says nothing.
    """

    valid_in_row: int = 0
    valid: int = 0
    invalid: int = 0
    strikes: int = 0
    forgiven: int = 0  # strikes taken away since an admin released it, or ever

    @property
    def score(self) -> float:
        """0 to 1: the share of valid results, an invalid one counting for ten; half where nobody
        knows anything.
        """
        return (self.valid + 1) / (self.valid + 10 * self.invalid + 2)


NEW: Final = Reputation()


@attrs.frozen
class Record:
    """The verdicts on a node's work in a class of machine, oldest first, a letter each: before its
    last release that let it begin anew, and since; without one (``released``) all are ``since``.
    """

    node: UUID
    device_class: str
    released: bool
    before: str
    since: str

    @property
    def reputation(self) -> Reputation:
        """What they make of it."""
        if not self.released:
            return after(NEW, self.since)
        return after(released(after(NEW, self.before)), self.since)


def after(before: Reputation, letters: str) -> Reputation:
    """After these verdicts. Plain numbers, as a list of nodes has a hundred thousand of them."""
    streak, strikes, forgiven = before.valid_in_row, before.strikes, before.forgiven
    for letter in letters:
        if letter == INVALID:
            streak, strikes = 0, strikes + 1
            continue
        streak += 1
        if strikes and streak % FORGIVEN_BY == 0 and forgiven < FORGIVEN_MOST:
            strikes, forgiven = strikes - 1, forgiven + 1
    return Reputation(
        valid_in_row=streak,
        valid=before.valid + letters.count(VALID),
        invalid=before.invalid + letters.count(INVALID),
        strikes=strikes,
        forgiven=forgiven,
    )


def strikes_of(records: Sequence[Record]) -> int:
    """Of a node: its lies in all its classes together, less those that are made good for, so many
    in all, as a node says itself what it is of; after a release with those that it began with.
    """
    forgiven = min(sum(one.reputation.forgiven for one in records), FORGIVEN_MOST)
    return max(_struck(records) - forgiven, 0)


def _struck(records: Sequence[Record]) -> int:
    """What it began with and its lies since, whatever was made good for."""
    begun = STRIKES_MOST - 1 if any(one.released for one in records) else 0
    return begun + sum(one.since.count(INVALID) for one in records)


def begins_anew(caught: str | None, records: Sequence[Record]) -> bool:
    """Whether a release lets a node's record begin anew, with two strikes: where it ends what the
    node's lies brought about that still count, or another key of its owner's.

    ``caught``: why the gateway itself put it there. What an admin alone did leaves the record as it
    is, which is of fewer than three strikes then.
    """
    if strikes_of(records) >= STRIKES_MOST:
        return True
    return caught == KIN or (caught == LIES and _struck(records) >= STRIKES_MOST)


def released(before: Reputation) -> Reputation:
    """After a release that lets it begin anew: each result is checked."""
    return attrs.evolve(before, valid_in_row=0, strikes=STRIKES_MOST - 1, forgiven=0)


def record(row: Any) -> Record:
    """A row of ``checks_records``."""
    return Record(**row)
