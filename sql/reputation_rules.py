"""Rules of a node's reputation per device class: strikes, forgiveness and release from quarantine,
computed from the verdicts on its work.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

STRIKES_MOST: Final = 3  # strikes that lead to quarantine
FORGIVEN_BY: Final = 20  # valid results in a row that remove one strike
FORGIVEN_MOST: Final = 2  # strikes removed in total; otherwise occasional lying would pay
RELEASED_BY: Final = 10  # valid frames in a row for its owner that end a node's quarantine
TRIED_MOST: Final = 30  # frames for its owner that are compared for the end of a node's quarantine
HISTORY: Final = 1000  # newest verdicts that count
# letters of a record; the last is an invalid result that is no strike
VALID, INVALID, REJECTED = "v", "m", "x"
LIES, KIN = "LIES", "KIN"  # reasons why the gateway quarantined a node


@attrs.frozen
class Reputation:
    """The reputation of a node in one device class; only compared results count.

    ``valid_in_row``: the number of valid results in a row, which makes checks rarer. ``strikes``:
    invalid results, without forgiven ones. ``work``: the sum of the shares of the valid results in
    a row.
    """

    valid_in_row: int = 0
    valid: int = 0
    invalid: int = 0
    strikes: int = 0
    forgiven: int = 0  # removed strikes, since a quarantine of the node last ended
    work: int = 0

    def valid_for(self, share: int) -> int:
        """Return how many valid results in a row count for a unit with this share.

        The number is at most the sum of those results' shares divided by ``share``. Ten cheap units
        say little of an expensive unit, and an accomplice can order cheap units for little.
        """
        return self.valid_in_row if share <= 0 else min(self.valid_in_row, self.work // share)

    @property
    def score(self) -> float:
        """The share of valid results, 0 to 1; invalid ones count tenfold. A new node has a half."""
        return (self.valid + 1) / (self.valid + 10 * self.invalid + 2)


NEW: Final = Reputation()


@attrs.frozen
class Record:
    """Verdicts on a node's work in one device class, oldest first, one letter each.

    ``before`` and ``since``: the verdicts before and since the node's last release from quarantine
    that reset the record. If the node was never ``released``, all verdicts are in ``since``.
    ``work``: the sum of the shares of the valid results in a row at the end of ``since``.
    ``released_at``: the time of that release.
    """

    node: UUID
    device_class: str
    released: bool
    before: str
    since: str
    work: int = 0
    released_at: datetime | None = attrs.field(default=None, eq=False)

    @property
    def reputation(self) -> Reputation:
        """The reputation that follows from the verdicts."""
        begun = released(after(NEW, self.before)) if self.released else NEW
        return attrs.evolve(after(begun, self.since), work=self.work)


def after(before: Reputation, letters: str) -> Reputation:
    """Return the reputation after the verdicts ``letters``, from the reputation ``before``."""
    streak, strikes, forgiven = before.valid_in_row, before.strikes, before.forgiven
    for letter in letters:
        if letter == INVALID:
            streak, strikes = 0, strikes + 1
            continue
        if letter == REJECTED:
            streak = 0
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
    """Return a node's strikes over all device classes, less forgiven ones.

    Forgiveness is limited per node, as nodes report their device class themselves. After a release
    from quarantine the record begins with two strikes.
    """
    forgiven = min(sum(one.reputation.forgiven for one in records), FORGIVEN_MOST)
    return max(_struck(records) - forgiven, 0)


def _struck(records: Sequence[Record]) -> int:
    """Count all strikes, also forgiven ones: two after a release, and each later invalid result."""
    begun = STRIKES_MOST - 1 if any(one.released for one in records) else 0
    return begun + sum(one.since.count(INVALID) for one in records)


def begins_anew(caught: str | None, records: Sequence[Record]) -> bool:
    """Return True if a release from quarantine resets the node's record to two strikes.

    The record is reset if the gateway quarantined the node for invalid results that still count, or
    for another key of the same owner (``caught``). After a quarantine by an admin the record is
    kept, as it has fewer than three strikes.
    """
    if strikes_of(records) >= STRIKES_MOST:
        return True
    return caught == KIN or (caught == LIES and _struck(records) >= STRIKES_MOST)


def released(before: Reputation) -> Reputation:
    """Return the reputation after a release from quarantine that reset the record: every result is
    compared.
    """
    return attrs.evolve(before, valid_in_row=0, strikes=STRIKES_MOST - 1, forgiven=0)


def record(row: Any) -> Record:
    """Build a record from a row of ``checks_records``."""
    return Record(**row)
