"""When a checkpoint is due, and with which keys one may be signed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from sql.log import LogView

SHARE: Final = 0.1  # of the time is for the log, while the last entry it took is younger than this:
LAG_SECONDS: Final = 20.0
LAG_SECONDS_MAX: Final = 40.0  # from here on all of it: after sixty an entry is late (I7)


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


def is_due(look: LogView, size: int, now: datetime, settings: SequencerSettings) -> bool:
    """Whether a log of ``size`` leaves wants a checkpoint."""
    if look.checked is None or look.checked_at is None:
        return True
    fresh = size - look.checked
    age = (now - look.checked_at).total_seconds()
    return fresh >= settings.entries or (fresh > 0 and age >= settings.seconds)


def rest_after(worked: float, lag: float) -> float:
    """Seconds to rest after a turn of ``worked`` seconds, by the age of what was taken up last.

    A peak costs the Ledger a tenth of its time and is made up for later; one that goes on costs it
    what it takes to keep up.
    """
    behind = (lag - LAG_SECONDS) / (LAG_SECONDS_MAX - LAG_SECONDS)
    share = SHARE + (1.0 - SHARE) * min(max(behind, 0.0), 1.0)
    return worked * (1.0 / share - 1.0)


def is_idle(look: LogView, now: datetime, settings: SequencerSettings) -> bool:
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
