"""Commits that the scheduler sends to the Ledger, and the interpretation of their outcomes."""

from typing import Any, Final

import attrs
from prometheus_client import Counter

from actors.kernel import Ref
from actors.ledger.effects import Effect, UnitAssign, UnitCopy, UnitRequeue
from actors.ledger.messages import Commit, IdempotencyKey, Outcome, Posted, Replayed
from actors.scheduler.messages import Dispatch
from actors.scheduler.units import AssignmentTag, key_of
from rendertrust.job_status import AT_WORK

CLAIMS_LOST: Final = Counter(
    "rendertrust_claims_lost", "Assignments that failed, usually as another gateway was faster."
)
DISPATCHES: Final = Counter("rendertrust_dispatches", "Units assigned to a node.")


def commit_of_dispatch(order: Dispatch, tag: AssignmentTag, observer: Ref[Any]) -> Commit:
    """Return the commit of a new job, with an idempotency key and, given a node, an assignment."""
    # The plan of the unit has the device class that was chosen.
    insert = attrs.evolve(order.insert, plan=tag.unit.plan)
    effects: tuple[Effect, ...] = (insert,)
    if tag.node is not None:
        effects = (insert, UnitAssign(insert.job, 0, tag.attempt, tag.node))
    return Commit(
        effects=effects,
        idempotency=_key(order, tag),
        observer=observer,
        tag=tag,
        act=order.act,
    )


def commit_of_waiting(tag: AssignmentTag, observer: Ref[Any]) -> Commit:
    """Return the commit that assigns a unit of an existing job.

    An unreachable unit is first requeued in the same commit, as an unsent attempt.
    """
    assert tag.node is not None, "a waiting unit's commit assigns it to a node"
    unit = tag.unit
    if unit.is_copy:
        copy = UnitCopy(unit.job, unit.number, tag.attempt, tag.node, tag.beside)
        return Commit(effects=(copy,), observer=observer, tag=tag)
    effects: tuple[Effect, ...] = (UnitAssign(unit.job, unit.number, tag.attempt, tag.node),)
    if unit.state in AT_WORK:
        reason = "its node cannot be reached"
        requeue = UnitRequeue(
            unit.job, unit.number, unit.attempt, reason, unsent=True, unheard=True
        )
        effects = (requeue, *effects)
    return Commit(effects=effects, observer=observer, tag=tag)


def is_committed(tag: AssignmentTag, outcome: Outcome) -> bool:
    """Return whether the books contain the assignment, from this commit or an earlier try.

    False if the Ledger paused the job instead, because the unit would exceed its cap.
    """
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        body: Any = outcome.answer.get("body")
        return isinstance(body, dict) and body.get("job_id") == str(tag.unit.job)
    if not isinstance(outcome, Posted | Replayed):
        return False
    states = [state for state in outcome.units if key_of(state) == tag.unit.key]
    found = {(u.copied, u.copy_node) if tag.unit.is_copy else (u.attempt, u.node) for u in states}
    is_so = (tag.attempt, tag.node) in found
    return is_so or (isinstance(outcome, Posted) and not found)


def _key(order: Dispatch, tag: AssignmentTag) -> IdempotencyKey | None:
    if order.idempotency is None:
        return None
    key, request = order.idempotency
    placed = tag.node is not None
    body = {
        "job_id": str(order.insert.job),
        "node_id": str(tag.node) if placed else None,
        "status": "DISPATCHED" if placed else "QUEUED",
    }
    answer = {"status": 200 if placed else 202, "body": body}
    return IdempotencyKey(order.insert.user, key, request, answer)
