"""What becomes of a unit that its node no longer vouches for."""

from typing import Final

from actors.ledger.messages import UnitFail, UnitRequeue
from sql.work import OpenUnit

ATTEMPTS_MOST: Final = 12


def rescue(unit: OpenUnit) -> UnitFail | UnitRequeue:
    """Another node, or the same, may have it; after twelve attempts it has failed.

    A frame that was never sent cost nothing: that may happen any number of times.
    """
    if unit.lease_until is None:
        reason = "it was never sent to its node"
        return UnitRequeue(unit.job, unit.unit, unit.attempt, reason)
    if unit.attempt < ATTEMPTS_MOST:
        return UnitRequeue(unit.job, unit.unit, unit.attempt, "its lease ran out")
    return UnitFail(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=unit.node,
        error_class="network",
        error=f"its nodes were lost {unit.attempt} times",
    )
