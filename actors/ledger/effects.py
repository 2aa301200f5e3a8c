"""What changes jobs and units, over a draft of the books: a closed set, each with its guard.

Each function answers True when it changed something, False when it was done before, or why not.
"Before" is told by attempt and node: an attempt is given once, so one that is found with the same
node was given by the same decision.
"""

from typing import Any
from uuid import UUID

import attrs

from actors.ledger.draft import Draft
from actors.ledger.facts import PurchaseEffect
from actors.ledger.messages import (
    Effect,
    GuardFailed,
    JobCancel,
    JobInsert,
    SettleHold,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
    work_reference,
)
from actors.ledger.operators import earned, of_operator
from actors.ledger.postings import Refusal, release, settle
from actors.ledger.purchases import apply_purchase
from actors.ledger.status import AT_WORK, ENDED, followed
from actors.paymaster.messages import OperatorEffect
from sql.books import JobRow, UnitRow

ERROR_CHARACTERS = 2000


def apply(draft: Draft, effect: Effect) -> bool | Refusal:
    """Do one effect, and bring its job's row up to date."""
    if isinstance(effect, PurchaseEffect):
        return apply_purchase(draft, effect)
    if isinstance(effect, JobInsert):
        return _insert(draft, effect)
    if isinstance(effect, JobCancel):
        return _cancel(draft, effect)
    if isinstance(effect, OperatorEffect):
        return of_operator(draft, effect)
    unit = draft.units.get((effect.job, effect.unit))
    if unit is None:
        return GuardFailed(type(effect).__name__, "")
    draft.touched[effect.job, effect.unit] = None
    return _unit_effect(draft, unit, effect)


def _unit_effect(
    draft: Draft,
    unit: UnitRow,
    effect: UnitAssign | UnitStart | UnitComplete | UnitFail | UnitRequeue,
) -> bool | Refusal:
    if isinstance(effect, UnitAssign):
        return _assign(draft, unit, effect)
    if isinstance(effect, UnitStart):
        return _start(draft, unit, effect)
    if isinstance(effect, UnitComplete):
        return _complete(draft, unit, effect)
    if isinstance(effect, UnitFail):
        return _fail(draft, unit, effect)
    return _requeue(draft, unit, effect)


# -- jobs


def _insert(draft: Draft, effect: JobInsert) -> bool | Refusal:
    before = draft.jobs.get(effect.job)
    if before is not None:
        for unit in draft.units_of(effect.job):
            draft.touched[unit.job_id, unit.number] = None
        return False if _same(draft, before, effect) else GuardFailed("JobInsert", before.status)
    if effect.units < 1 or effect.price < 0:
        return GuardFailed("JobInsert", "")
    job = JobRow(
        id=effect.job,
        user_id=effect.user,
        job_type=effect.job_type,
        payload_ref=effect.payload_ref,
        params=effect.params,
        status="QUEUED",
        price=effect.price * effect.units,
        price_number=effect.price_number,
        open_units=effect.units,
        created_at=draft.now,
        queued_at=draft.now,
        updated_at=draft.now,
    )
    draft.add_job(job, effect.units, effect.price)
    return True


def _same(draft: Draft, job: JobRow, effect: JobInsert) -> bool:
    prices = [unit.price for unit in draft.units_of(job.id)]
    found = (job.user_id, job.job_type, job.payload_ref, job.params, prices)
    wanted = (effect.user, effect.job_type, effect.payload_ref, effect.params)
    return found == (*wanted, [effect.price] * effect.units)


def _cancel(draft: Draft, effect: JobCancel) -> bool | Refusal:
    job = draft.jobs.get(effect.job)
    if job is None or job.user_id != effect.user:
        return GuardFailed("JobCancel", "")
    units = draft.units_of(effect.job)
    for unit in units:
        draft.touched[unit.job_id, unit.number] = None
    if job.status == "CANCELLED":
        return False
    if job.status not in ("QUEUED", "DISPATCHED"):
        return GuardFailed("JobCancel", job.status)
    for unit in units:
        if unit.state not in ENDED:
            released = release(draft, work_reference(unit.job_id, unit.number))
            if not isinstance(released, bool):
                return released
            ended = attrs.evolve(unit, state="CANCELLED", lease_until=None, not_before=None)
            _change(draft, unit, attrs.evolve(ended, ended_at=draft.now))
    return True


# -- units


def _assign(draft: Draft, unit: UnitRow, effect: UnitAssign) -> bool | Refusal:
    if (unit.attempt, unit.node_id) == (effect.attempt, effect.node):
        return False
    if unit.state != "QUEUED" or effect.attempt != unit.attempt + 1:
        return GuardFailed("UnitAssign", unit.state)
    assigned = attrs.evolve(
        unit,
        state="DISPATCHED",
        attempt=effect.attempt,
        node_id=effect.node,
        assigned_at=draft.now,
        lease_until=None,
        not_before=None,
        error_class=None,
        error_message=None,
    )
    _change(draft, unit, assigned, node_id=effect.node, dispatched_at=draft.now)
    return True


def _start(draft: Draft, unit: UnitRow, effect: UnitStart) -> bool | Refusal:
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state in ("RUNNING", "COMPLETED"):
        return False
    if not ours or unit.state != "DISPATCHED":
        return GuardFailed("UnitStart", unit.state)
    _change(draft, unit, attrs.evolve(unit, state="RUNNING", started_at=draft.now))
    return True


def _complete(draft: Draft, unit: UnitRow, effect: UnitComplete) -> bool | Refusal:
    attempt = unit.attempt if effect.attempt is None else effect.attempt
    ours = (unit.attempt, unit.node_id) == (attempt, effect.node)
    if ours and unit.state == "COMPLETED":
        return False
    if not ours or unit.state not in AT_WORK:
        return GuardFailed("UnitComplete", unit.state)
    charged = _charge(draft, unit, effect)
    if not isinstance(charged, bool):
        return charged
    completed = attrs.evolve(
        unit,
        state="COMPLETED",
        result_key=effect.result_ref,
        result_sha256=effect.sha256,
        result_size=effect.size,
        verified=effect.verified,
        lease_until=None,
        error_class=None,
        error_message=None,
        ended_at=draft.now,
    )
    _change(draft, unit, completed, result_ref=effect.result_ref)
    if effect.verified:
        earned(draft, unit, effect)
    return True


def _charge(draft: Draft, unit: UnitRow, effect: UnitComplete) -> bool | Refusal:
    reference = work_reference(unit.job_id, unit.number)
    if unit.price > 0 and draft.holds.get(reference) is None:
        return GuardFailed("UnitComplete", "no hold")
    job = draft.jobs.get(unit.job_id)
    assert job is not None, "a unit has a job"
    order = SettleHold(
        reference,
        operator=effect.operator if effect.verified else None,
        share_percent=effect.share_percent,
        description=f"Job execution: {job.job_type}",
    )
    return settle(draft, order)


def _fail(draft: Draft, unit: UnitRow, effect: UnitFail) -> bool | Refusal:
    error = effect.error.replace("\x00", "\ufffd")[:ERROR_CHARACTERS]
    attempt = unit.attempt if effect.attempt is None else effect.attempt
    ours = unit.attempt == attempt and effect.node in (None, unit.node_id)
    told = (unit.error_class, unit.error_message) == (effect.error_class, error)
    if ours and told and unit.state == ("FAILED" if effect.retry_at is None else "QUEUED"):
        return False
    # Without a node it is the gateway that gives up, also a unit that waits.
    may_fail = AT_WORK | {"QUEUED"} if effect.node is None else AT_WORK
    if not ours or unit.state not in may_fail:
        return GuardFailed("UnitFail", unit.state)
    failed = attrs.evolve(
        unit, lease_until=None, error_class=effect.error_class, error_message=error
    )
    if effect.error_class == "node":
        failed = _blame(failed, effect.node)
    return _give_back(draft, unit, failed, effect)


def _blame(unit: UnitRow, node: UUID | None) -> UnitRow:
    avoid = unit.avoid if node is None or node in unit.avoid else (*unit.avoid, node)
    return attrs.evolve(unit, failures=unit.failures + 1, avoid=avoid)


def _give_back(draft: Draft, unit: UnitRow, failed: UnitRow, effect: UnitFail) -> bool | Refusal:
    """To the queue, or to the creator his credits."""
    if effect.retry_at is not None:
        _change(draft, unit, attrs.evolve(failed, state="QUEUED", not_before=effect.retry_at))
        return True
    released = release(draft, work_reference(effect.job, effect.unit))
    if not isinstance(released, bool):
        return released
    ended = attrs.evolve(failed, state="FAILED", not_before=None, ended_at=draft.now)
    _change(draft, unit, ended)
    return True


def _requeue(draft: Draft, unit: UnitRow, effect: UnitRequeue) -> bool | Refusal:
    if unit.attempt == effect.attempt and unit.state == "QUEUED":
        return False
    if unit.attempt != effect.attempt or unit.state not in AT_WORK:
        return GuardFailed("UnitRequeue", unit.state)
    waiting = attrs.evolve(unit, state="QUEUED", lease_until=None, not_before=None)
    waiting = attrs.evolve(waiting, error_message=effect.reason[:ERROR_CHARACTERS])
    _change(draft, unit, waiting)
    return True


def _change(draft: Draft, unit: UnitRow, changed: UnitRow, **of_job: Any) -> None:
    """Put the changed unit, and let the job's row follow it."""
    job = draft.jobs.get(unit.job_id)
    assert job is not None, "a unit has a job"
    draft.put_unit(changed)
    draft.jobs.put(job.id, followed(job, unit, changed, draft.now, **of_job))
