"""What is known of a node's work, for each class of machine; what a verdict changes in it."""

from typing import Final

import attrs

from actors.verifier.verdict import Verdict, is_valid

STRIKES_MOST: Final = 3  # then it is quarantined
FORGIVEN_BY: Final = 20  # valid results in a row take one strike away


@attrs.frozen
class Reputation:
    """``valid_in_row`` is the streak by which checks become rarer; ``strikes`` are mismatches that
    are not made good for yet. Checked results alone count: what nobody looked at says nothing.
    """

    valid_in_row: int = 0
    valid: int = 0
    mismatches: int = 0
    suspicions: int = 0
    strikes: int = 0

    @property
    def is_to_be_quarantined(self) -> bool:
        """Whether strangers' work is kept from it."""
        return self.strikes >= STRIKES_MOST

    @property
    def score(self) -> float:
        """0 to 1: the share of valid results, a mismatch counting for ten; half where nobody
        knows anything.
        """
        return (self.valid + 1) / (self.valid + 10 * self.mismatches + 2)


NEW: Final = Reputation()


def after(before: Reputation, verdict: Verdict | None) -> Reputation:
    """None: the check came to nothing, as nobody could do it or who did failed: no node's fault."""
    if verdict is None:
        return before
    if verdict == "suspicious":  # until the third node has said something
        return attrs.evolve(before, suspicions=before.suspicions + 1)
    if not is_valid(verdict):
        return attrs.evolve(
            before,
            valid_in_row=0,
            mismatches=before.mismatches + 1,
            strikes=before.strikes + 1,
        )
    streak = before.valid_in_row + 1
    forgiven = 1 if streak % FORGIVEN_BY == 0 else 0
    return attrs.evolve(
        before,
        valid_in_row=streak,
        valid=before.valid + 1,
        strikes=max(before.strikes - forgiven, 0),
    )


def released(before: Reputation) -> Reputation:
    """After an admin released it from quarantine: it begins anew, and each result is checked."""
    return attrs.evolve(before, valid_in_row=0, strikes=STRIKES_MOST - 1)
