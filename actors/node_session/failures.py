"""What becomes of a unit whose attempt failed: another try, later and elsewhere, or the end."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from actors.ledger.messages import UnitFail, UnitRequeue
from actors.scheduler.messages import Assignment

NODE_FAILURES_MOST: Final = 3
ATTEMPTS_MOST: Final = 12  # however they failed
RETRY_SECONDS: Final = (1, 2, 4)
NODES_FOR_SCENE: Final = 3
GIVEN_BACK_MOST: Final = 3  # attempts that a node may hand back without blame
ERROR_CHARACTERS_MOST: Final = 500


def failed(
    unit: Assignment,
    node: UUID,
    error_class: str,
    error: str,
    now: datetime,
    *,
    final: bool = False,
    confirmed: bool = True,
) -> UnitFail:
    """A failed attempt.

    ``scene`` is final where it is ``confirmed``; else another node is asked. Three failures of
    nodes are final, too, and on three different nodes they are the scene's. Anything else is
    tried again after 1, 2, then 4 seconds.
    """
    failures = unit.failures + (error_class == "node")
    final = (
        final
        or (error_class == "scene" and confirmed)
        or failures >= NODE_FAILURES_MOST
        or unit.attempt >= ATTEMPTS_MOST
    )
    if final and error_class == "node" and len(unit.avoid | {node}) >= NODES_FOR_SCENE:
        error_class, error = "scene", f"failed on {NODES_FOR_SCENE} nodes, last by: {error}"
    wait = RETRY_SECONDS[min(unit.attempt, len(RETRY_SECONDS)) - 1]
    return UnitFail(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=node,
        error_class=error_class,
        error=error[:ERROR_CHARACTERS_MOST],
        retry_at=None if final else now + timedelta(seconds=wait),
    )


def lost(unit: Assignment, node: UUID, now: datetime) -> UnitFail | UnitRequeue:
    """The node knows nothing of a unit that it ran. It may have been restarted: no blame."""
    if unit.attempt >= ATTEMPTS_MOST:
        return failed(unit, node, "network", f"lost by its node {unit.attempt} times", now)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, "its node does not have it any more")


def withheld(unit: Assignment, node: UUID, now: datetime) -> UnitFail | UnitRequeue:
    """The node was given the unit, and may not begin it any more: no blame."""
    if unit.attempt >= ATTEMPTS_MOST:
        return failed(unit, node, "network", f"taken from its node {unit.attempt} times", now)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, "its node is to begin nothing new")


def paused(unit: Assignment) -> UnitRequeue:
    """Its job was paused before the node had it. However often that is: nothing failed."""
    return UnitRequeue(unit.job, unit.unit, unit.attempt, "its job was paused")


def given_back(unit: Assignment, node: UUID, now: datetime) -> UnitFail | UnitRequeue:
    """The node does not want the unit: it stops perhaps. Who always says so would get it for ever,
    at once and before all others: from the fourth attempt on it is the node's failure.
    """
    reason = "its node gave it back"
    if unit.attempt > GIVEN_BACK_MOST:
        return failed(unit, node, "node", reason, now)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, reason)
