"""What becomes of a unit that its node no longer vouches for."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from actors.ledger.messages import UnitFail, UnitRequeue
from sql.scheduler_rows import OpenUnit

WAITING_MOST: Final = timedelta(
    days=7
)  # since the job was submitted; fsck allows a day more, and nine at a node


STEP_SECONDS: Final = 5.0  # by which two clocks that run well do not part within a sweep


@attrs.frozen
class Clocks:
    """The database's clock and our steady clock, read together."""

    database: datetime
    steady: float


def stepped(before: Clocks | None, now: Clocks) -> bool:
    """Return whether the database's clock was set ahead since ``before``, or this machine slept.

    Leases seem to have run out then that nobody had the time to renew.
    """
    if before is None:
        return False
    passed = (now.database - before.database).total_seconds()
    return passed - (now.steady - before.steady) > STEP_SECONDS


def rescue(unit: OpenUnit) -> UnitRequeue:
    """Return the unit to the queue. However often nodes lose it, that ends nothing.

    A frame that was never sent cost nothing; another node is asked after the second loss.
    """
    if unit.lease_until is None:
        reason = "it was never sent to its node"
        return UnitRequeue(unit.job, unit.unit, unit.attempt, reason, unsent=True)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, "its lease ran out", lost_by=unit.node)


def expired(unit: OpenUnit) -> UnitFail:
    """A unit that waited longer than ``WAITING_MOST``: what is held for it goes back."""
    return UnitFail(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=None,
        error_class="gateway",
        error_code="no_node",
        error=f"no node finished it within {WAITING_MOST.days} days; submit it again",
    )
