"""When a checkpoint is due, and with which keys one may be signed."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from sql.log import Look


@attrs.frozen
class SequencerSettings:
    """A checkpoint comes after so many entries, or after so many seconds if there is any new one.

    Every ``every_seconds`` the Sequencer looks for entries; it takes up ``batch`` of them at once.
    """

    origin: str = ""  # of a log that begins; empty: a name is made up
    entries: int = 10_000
    seconds: float = 10.0
    every_seconds: float = 0.5
    batch: int = 4000


def is_due(look: Look, size: int, now: datetime, settings: SequencerSettings) -> bool:
    """Whether a log of ``size`` leaves wants a checkpoint."""
    if look.checked is None or look.checked_at is None:
        return True
    fresh = size - look.checked
    age = (now - look.checked_at).total_seconds()
    return fresh >= settings.entries or (fresh > 0 and age >= settings.seconds)


def is_idle(look: Look, now: datetime, settings: SequencerSettings) -> bool:
    """Whether nothing is to be done: no entry waits, all are covered, no checkpoint is due."""
    if look.waiting or look.newest > look.head.covered:
        return False
    return not is_due(look, look.head.size, now, settings)


def new_keys(known: frozenset[str], ours: Sequence[str]) -> tuple[str, ...] | None:
    """Which of our verifiers are to be added to the known ones; None: we may not sign.

    The first key of a log counts by itself; a later one does when one that counts signs beside it.
    """
    if known and known.isdisjoint(ours):
        return None
    return tuple(verifier for verifier in ours if verifier not in known)
