"""What becomes of a unit whose attempt failed: another try, later and elsewhere, or the end."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from actors.ledger.messages import UnitFail, UnitRequeue
from actors.scheduler.messages import Assignment
from sql.tries import TRIES_MOST, wait_seconds

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
    given_back: bool = False,
    confirmed: bool = True,
) -> UnitFail:
    """A failed attempt.

    ``scene`` is final where it is ``confirmed``; else another node is asked. Three failures of
    nodes are final, too, and on three different nodes they are the scene's. Anything else is
    tried again after 1, 2, then 4 seconds, and then it is final. What is ``given_back`` as its
    node drains or stops did not fail: there are twelve tries of it.
    """
    wait = wait_seconds(
        failures=unit.failures,
        faults=unit.faults,
        tried=unit.tries,
        is_nodes=error_class == "node",
        is_given_back=given_back,
    )
    final = final or wait is None or (error_class == "scene" and confirmed)
    is_third = unit.failures + 1 >= NODES_FOR_SCENE and error_class == "node"
    if final and is_third and len(unit.avoid | {node}) >= NODES_FOR_SCENE:
        error_class, error = "scene", f"failed on {NODES_FOR_SCENE} nodes, last by: {error}"
    return UnitFail(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=node,
        error_class=error_class,
        error=error[:ERROR_CHARACTERS_MOST],
        retry_at=None if final or wait is None else now + timedelta(seconds=wait),
        given_back=given_back,
    )


def lost(unit: Assignment, node: UUID, now: datetime) -> UnitFail | UnitRequeue:
    """The node knows nothing of a unit that it ran. It may have been restarted: no blame."""
    if unit.tries >= TRIES_MOST:
        return failed(unit, node, "network", f"lost by its node {unit.tries} times", now)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, "its node does not have it any more")


def withheld(unit: Assignment) -> UnitRequeue:
    """The node was given the unit, and may not begin it any more: no blame."""
    return _unsent(unit, "its node is to begin nothing new")


def paused(unit: Assignment) -> UnitRequeue:
    """Its job was paused before the node had it. However often that is: nothing failed."""
    return _unsent(unit, "its job was paused")


def relieved(unit: Assignment) -> UnitRequeue:
    """Another node would begin it at once."""
    return _unsent(unit, "another node had nothing to do")


def _unsent(unit: Assignment, reason: str) -> UnitRequeue:
    """Its node never had it: no try, however often that is."""
    return UnitRequeue(unit.job, unit.unit, unit.attempt, reason, unsent=True)


def given_back(unit: Assignment, node: UUID, now: datetime) -> UnitFail | UnitRequeue:
    """The node does not want the unit: it stops perhaps. Who always says so would get it for ever,
    at once and before all others: from the fourth attempt on it is the node's failure.
    """
    reason = "its node gave it back"
    if unit.tries > GIVEN_BACK_MOST:
        return failed(unit, node, "node", reason, now)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, reason)
