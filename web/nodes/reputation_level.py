"""Levels of a node's reputation: what each unlocks, and what is missing for the next."""

from typing import Final

import attrs

from rendertrust.device_class import kin_of
from sql.reputation_rules import FORGIVEN_BY, FORGIVEN_MOST, STRIKES_MOST, Record
from sql.sampling import ALWAYS_UNTIL, MEASURED_KIND

EVERY: Final = "The farm renders parts of each of its results again, and compares them."
UNMEASURED: Final = "The farm always compares results of its kind of device."


@attrs.frozen
class ReputationLevel:
    """A level. ``unlocked`` says how the node's results are checked; ``next``: how it gets further,
    or ''.
    """

    name: str
    unlocked: str
    next: str = ""


def level_of(record: Record, strikes: int, least: float) -> ReputationLevel:
    """Return the level of a node in a device class.

    ``strikes``: of all its device classes. ``least``: the setting ``verification.least_odds``.
    """
    known, in_row = record.reputation, record.reputation.valid_in_row
    if strikes:
        ahead = FORGIVEN_BY - in_row % FORGIVEN_BY
        return ReputationLevel(
            "On watch",
            f"{EVERY} {strikes} of {STRIKES_MOST} strikes; the last one puts it in quarantine.",
            f"{_results(ahead)} in a row remove a strike."
            if known.forgiven < FORGIVEN_MOST
            else "An admin can release it.",
        )
    if kin_of(record.device_class)[0] != MEASURED_KIND:
        return ReputationLevel("New", UNMEASURED)
    if in_row < ALWAYS_UNTIL:
        missing = _results(ALWAYS_UNTIL - in_row)
        return ReputationLevel("New", EVERY, f"After {missing} in a row it compares fewer.")
    if 1 / in_row > least:
        more = "With each further valid result it compares fewer."
        return ReputationLevel("Known", _compared(in_row), more)
    return ReputationLevel("Proven", _compared(round(1 / least) if least > 0 else in_row))


def _compared(often: int) -> str:
    return f"The farm renders parts of about 1 in {often} of its results again, and compares them."


def _results(number: int) -> str:
    return f"{number} more valid result{'' if number == 1 else 's'}"
