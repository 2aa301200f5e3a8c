"""Transitions of jobs and units over a draft of the books: a closed set, each with its guard.

Each function returns True if it changed something, False if it was done before, or a refusal. "Done
before" means the same attempt and node: an attempt number is assigned once, so the same node means
the same decision.
"""

import attrs

from actors.ledger import receipts, tile_dependencies
from actors.ledger.commands import speculative_attempts
from actors.ledger.commands.checks import Fail, deliver, judge, note
from actors.ledger.commands.earnings import earned, of_operator
from actors.ledger.commands.jobs import STOPPED, change, insert, of_job
from actors.ledger.commands.purchases import apply_purchase
from actors.ledger.draft import Draft
from actors.ledger.failure_attribution import avoiding, blamed, lost, shunned, unsendable, words
from actors.ledger.messages import (
    Effect,
    GuardFailed,
    JobInsert,
    OfJob,
    PurchaseEffect,
    SettleHold,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitFail,
    UnitRequeue,
    UnitStart,
    user_account,
    work_reference,
)
from actors.ledger.postings import Refusal, release, settle
from actors.ledger.rows import AT_WORK, stated
from actors.paymaster.messages import OperatorEffect
from actors.verifier.messages import UnitDeliver, UnitVerdict
from sql.books import UnitRow


def apply(draft: Draft, effect: Effect) -> bool | Refusal:
    """Apply one effect and update its job's row."""
    if isinstance(effect, PurchaseEffect):
        return apply_purchase(draft, effect)
    if isinstance(effect, JobInsert):
        return insert(draft, effect)
    if isinstance(effect, OfJob):
        return of_job(draft, effect)
    if isinstance(effect, OperatorEffect):
        return of_operator(draft, effect)
    unit = draft.units.get((effect.job, effect.unit))
    if unit is None:
        return GuardFailed(type(effect).__name__, "")
    draft.touched[effect.job, effect.unit] = None
    if isinstance(effect, UnitCopy):
        return speculative_attempts.copy(draft, unit, effect)
    if unit.copy_node_id is not None:
        left = speculative_attempts.heard(draft, unit, effect, _judge)
        if not isinstance(left, UnitRow):
            return left
        unit = left
    return _unit_effect(draft, unit, effect)


def _judge(
    draft: Draft, unit: UnitRow, effect: UnitVerdict, fail: Fail | None = None
) -> bool | Refusal:
    return judge(draft, unit, effect, complete=_complete, fail=fail or _fail)


def _unit_effect(
    draft: Draft, unit: UnitRow, effect: speculative_attempts.OfAttempt
) -> bool | Refusal:
    if isinstance(effect, UnitDeliver):
        return deliver(draft, unit, effect)
    if isinstance(effect, UnitVerdict):
        return _judge(draft, unit, effect)
    if isinstance(effect, UnitAssign):
        return _assign(draft, unit, effect)
    if isinstance(effect, UnitStart):
        return _start(draft, unit, effect)
    if isinstance(effect, UnitComplete):
        return _complete(draft, unit, effect)
    if isinstance(effect, UnitFail):
        return _fail(draft, unit, effect)
    return _requeue(draft, unit, effect)


# -- units


def _assign(draft: Draft, unit: UnitRow, effect: UnitAssign) -> bool | Refusal:
    if (unit.attempt, unit.node_id) == (effect.attempt, effect.node):
        return False
    fits = effect.attempt == speculative_attempts.next_attempt(unit)
    if unit.state != "QUEUED" or not fits or unit.missing:
        return GuardFailed("UnitAssign", unit.state)
    job = draft.job_of(unit)
    if job.paused is not None and not (job.paused == "cap" and unit.price == 0):
        return GuardFailed("UnitAssign", "PAUSED")
    if job.cap is not None and job.committed + unit.price > job.cap:
        draft.jobs.put(job.id, stated(attrs.evolve(job, paused="cap"), draft.now))
        return True
    assigned = attrs.evolve(
        unit,
        state="DISPATCHED",
        attempt=effect.attempt,
        node_id=effect.node,
        assigned_at=draft.now,
        lease_until=None,
        not_before=None,
        error_class=None,
        error_code=None,
        error_message=None,
    )
    change(draft, unit, assigned, node_id=effect.node, dispatched_at=draft.now)
    return True


def _start(draft: Draft, unit: UnitRow, effect: UnitStart) -> bool | Refusal:
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state in ("RUNNING", "VERIFYING", "COMPLETED"):
        return False
    if not ours or unit.state != "DISPATCHED":
        return GuardFailed("UnitStart", unit.state)
    change(draft, unit, attrs.evolve(unit, state="RUNNING", started_at=draft.now))
    return True


def _complete(
    draft: Draft, unit: UnitRow, effect: UnitComplete, states: frozenset[str] = AT_WORK
) -> bool | Refusal:
    attempt = unit.attempt if effect.attempt is None else effect.attempt
    ours = (unit.attempt, unit.node_id) == (attempt, effect.node)
    if ours and unit.state == "COMPLETED":
        return False
    if not ours or unit.state not in states:
        return GuardFailed("UnitComplete", unit.state)
    price = 0 if effect.free else unit.price
    charged = _charge(draft, attrs.evolve(unit, price=price), effect)
    if not isinstance(charged, bool):
        return charged
    completed = attrs.evolve(
        unit,
        price=price,
        state="COMPLETED",
        result_key=effect.result_ref,
        result_sha256=effect.sha256,
        result_size=effect.size,
        verified=effect.verified,
        lease_until=None,
        error_class=None,
        error_code=None,
        error_message=None,
        ended_at=draft.now,
    )
    job = draft.job_of(unit)
    result = effect.result_ref if job.units == 1 else None  # with several units, each has its own
    change(draft, unit, completed, result_ref=result)
    if effect.verified:
        earned(draft, unit, effect)
    tile_dependencies.feed(draft, unit)
    return True


def _charge(draft: Draft, unit: UnitRow, effect: UnitComplete) -> bool | Refusal:
    reference = work_reference(unit.job_id, unit.number)
    if unit.price > 0 and draft.holds.get(reference) is None:
        return GuardFailed("UnitComplete", "no hold")
    job = draft.job_of(unit)
    # A receipt with another price is not for this charge.
    told = effect.receipt is not None and effect.receipt.price == unit.price
    receipt = effect.receipt if told else None
    if effect.free:
        released = release(draft, reference)
        if receipt is not None and isinstance(released, bool):
            receipts.keep(draft, unit, receipt, user_account(job.user_id), reference)
        return released
    order = SettleHold(
        reference,
        operator=effect.operator if effect.verified else None,
        share_percent=effect.share_percent,
        description=f"Job execution: {job.job_type}",
        receipt=None if receipt is None else receipt.hash,
    )
    settled = settle(draft, order)
    if receipt is not None and isinstance(settled, bool):
        receipts.keep(draft, unit, receipt, user_account(job.user_id), reference)
    return settled


def _fail(
    draft: Draft, unit: UnitRow, effect: UnitFail, states: frozenset[str] = AT_WORK
) -> bool | Refusal:
    error = words(effect.error)
    attempt = unit.attempt if effect.attempt is None else effect.attempt
    ours = unit.attempt == attempt and effect.node in (None, unit.node_id)
    told = (unit.error_class, unit.error_message) == (effect.error_class, error)
    if ours and told and unit.state == ("FAILED" if effect.retry_at is None else "QUEUED"):
        return False
    # Without a node the gateway itself fails the unit, which may be waiting.
    may_fail = AT_WORK | {"QUEUED"} if effect.node is None else states
    if not ours or unit.state not in may_fail:
        return GuardFailed("UnitFail", unit.state)
    done = _give_back(draft, unit, attrs.evolve(blamed(unit, effect), lease_until=None), effect)
    if done is True:
        note(draft, effect, attempt)
    return done


def _give_back(draft: Draft, unit: UnitRow, failed: UnitRow, effect: UnitFail) -> bool | Refusal:
    """Requeue the unit, or end it and release its hold.

    A unit of a stopped job, or of a failed frame, is not retried.
    """
    is_stopped = draft.job_of(unit).paused == STOPPED
    if (
        effect.retry_at is not None
        and not is_stopped
        and not tile_dependencies.is_lost(draft, unit)
    ):
        waiting = attrs.evolve(
            failed, state="QUEUED", not_before=effect.retry_at, avoid=avoiding(failed, effect)
        )
        change(draft, unit, waiting, **shunned(draft, effect))
        return True
    released = release(draft, work_reference(effect.job, effect.unit))
    if not isinstance(released, bool):
        return released
    state = "CANCELLED" if is_stopped else "FAILED"
    ended = attrs.evolve(failed, state=state, not_before=None, ended_at=draft.now)
    starved = tile_dependencies.starve(draft, unit)
    if not isinstance(starved, bool):
        return starved
    change(draft, unit, ended, **shunned(draft, effect))
    return True


def _requeue(draft: Draft, unit: UnitRow, effect: UnitRequeue) -> bool | Refusal:
    if unit.attempt == effect.attempt and (
        unit.state == "QUEUED" or tile_dependencies.was_lost(unit)
    ):
        return False
    if unit.attempt != effect.attempt or unit.state not in AT_WORK:
        return GuardFailed("UnitRequeue", unit.state)
    if effect.unheard and unit.lease_until is not None:
        return GuardFailed("UnitRequeue", "LEASED")
    waiting = attrs.evolve(
        unit,
        state="QUEUED",
        lease_until=None,
        not_before=None,
        error_message=words(effect.reason),
        unsent=unit.unsent + (effect.unsent and not _is_begun(unit)),
    )
    if effect.unsendable_to is not None:
        waiting = unsendable(waiting, effect.unsendable_to, draft.now)
    if effect.lost_by is not None:
        waiting = lost(waiting, effect.lost_by, draft.now)
    if tile_dependencies.is_lost(draft, unit):
        return tile_dependencies.lose(draft, unit, waiting)
    change(draft, unit, waiting)
    return True


def _is_begun(unit: UnitRow) -> bool:
    """Return True if this attempt started, so that it must have been sent to its node."""
    if unit.started_at is None or unit.assigned_at is None:
        return False
    return unit.started_at >= unit.assigned_at
