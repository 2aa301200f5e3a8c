"""Decisions about units whose leases have ended, or that have waited too long (pure)."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from actors.ledger.messages import UnitFail, UnitRequeue
from sql.units import OpenUnit

# Counts from the submission of the job; fsck allows one day more, and nine days at a node.
WAITING_MOST: Final = timedelta(days=7)
STEP_SECONDS: Final = 5.0  # largest drift between two healthy clocks within a sweep


@attrs.frozen
class Clocks:
    """Readings of the database's clock and of this machine's monotonic clock, taken together."""

    database: datetime
    steady: float


def stepped(before: Clocks | None, now: Clocks) -> bool:
    """Return True if the database's clock was set ahead, or this machine slept, since ``before``.

    Leases then seem to have expired although there was no time to renew them.
    """
    if before is None:
        return False
    passed = (now.database - before.database).total_seconds()
    return passed - (now.steady - before.steady) > STEP_SECONDS


def rescue(unit: OpenUnit) -> UnitRequeue:
    """Return a unit to the queue, however often nodes have lost it.

    A unit that was never sent cost nothing; after the second loss another node is tried.
    """
    if unit.lease_until is None:
        reason = "it was never sent to its node"
        return UnitRequeue(unit.job, unit.unit, unit.attempt, reason, unsent=True)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, "its lease ran out", lost_by=unit.node)


def expired(unit: OpenUnit) -> UnitFail:
    """Fail a unit that waited longer than ``WAITING_MOST``; its hold is released."""
    return UnitFail(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=None,
        error_class="gateway",
        error_code="no_node",
        error=f"no node finished it within {WAITING_MOST.days} days; submit it again",
    )
