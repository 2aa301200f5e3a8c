"""Decisions about when a checkpoint is due, and which keys may sign it (pure)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from config.settings import DEFAULTS, Proof
from sql.log import LogView

# share of the time that the Sequencer may work while its lag is below LAG_SECONDS
SHARE: Final = 0.1
LAG_SECONDS: Final = 20.0
# lag from which on the Sequencer may work all the time, as invariant I7 allows sixty seconds
LAG_SECONDS_MAX: Final = 40.0


@attrs.frozen
class SequencerSettings:
    """The Sequencer looks for transfers every ``every_seconds``, and appends up to ``batch`` at
    once.
    """

    proof: Proof = DEFAULTS.proof
    every_seconds: float = 0.5
    batch: int = 4000


def is_due(look: LogView, size: int, now: datetime, settings: SequencerSettings) -> bool:
    """Return True if a log of ``size`` leaves needs a checkpoint."""
    if look.checked is None or look.checked_at is None:
        return True
    fresh = size - look.checked
    age = (now - look.checked_at).total_seconds()
    proof = settings.proof
    is_old = fresh > 0 and age >= proof.checkpoint_seconds
    return fresh >= proof.checkpoint_transfers or is_old


def rest_after(worked: float, lag: float) -> float:
    """Return the seconds to pause after ``worked`` seconds of work.

    ``lag``: the age of the last appended transfer. While the lag is small, the Sequencer works a
    tenth of the time, to leave the database to the Ledger. As the lag grows, the Sequencer works
    more.
    """
    behind = (lag - LAG_SECONDS) / (LAG_SECONDS_MAX - LAG_SECONDS)
    share = SHARE + (1.0 - SHARE) * min(max(behind, 0.0), 1.0)
    return worked * (1.0 / share - 1.0)


def is_idle(look: LogView, now: datetime, settings: SequencerSettings) -> bool:
    """Return True if no transfer waits, all are covered and no checkpoint is due."""
    if look.waiting or look.newest > look.head.covered:
        return False
    return not is_due(look, look.head.size, now, settings)


def new_keys(known: frozenset[str], ours: Sequence[str]) -> tuple[str, ...] | None:
    """Return those of this gateway's public keys (``ours``) that must be added to the ``known``
    keys of the log.

    None if this gateway must not sign, as none of its keys is known. A log without known keys
    accepts any key.
    """
    if known and known.isdisjoint(ours):
        return None
    return tuple(verifier for verifier in ours if verifier not in known)
