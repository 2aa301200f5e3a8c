"""Effects on one attempt at a unit: assign, start, complete, fail, requeue.

Functions that return ``bool | Refusal`` return True if they changed something, False if the effect
was applied before, or the reason for refusing it. An effect was applied before if the unit is in
its target state with the same attempt and node, as an attempt number is assigned only once.
"""

from actors.ledger import tile_dependencies
from actors.ledger.commands.earnings import earned
from actors.ledger.draft import Draft
from actors.ledger.effects import UnitAssign, UnitComplete, UnitFail, UnitRequeue, UnitStart
from actors.ledger.failure_consequences import (
    after_failed_send,
    after_loss,
    avoided_by_job,
    avoided_by_unit,
    record_claims,
    stored_text,
    with_failure,
)
from actors.ledger.messages import GuardFailed
from actors.ledger.postings import Refusal, release, settle
from actors.ledger.unit_changes import change, next_attempt, with_status
from rendertrust.job_status import AT_WORK, STOPPED, UnitStatus
from rendertrust.receipt import IssuedReceipt
from sql.account_names import user_account, work_reference
from sql.books import UnitRow, evolve
from sql.receipts import NewReceipt


def assign(draft: Draft, unit: UnitRow, effect: UnitAssign) -> bool | Refusal:
    if (unit.attempt, unit.node_id) == (effect.attempt, effect.node):
        return False
    fits = effect.attempt == next_attempt(unit)
    if unit.state != "QUEUED" or not fits or unit.missing:
        return GuardFailed("UnitAssign", unit.state)
    job = draft.job_of(unit)
    if job.paused is not None and not (job.paused == "cap" and unit.price == 0):
        return GuardFailed("UnitAssign", "PAUSED")
    if job.cap is not None and job.committed + unit.price > job.cap:
        draft.jobs.put(job.id, with_status(evolve(job, paused="cap"), draft.now))
        return True
    assigned = evolve(
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


def start(draft: Draft, unit: UnitRow, effect: UnitStart) -> bool | Refusal:
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state in ("RUNNING", "VERIFYING", "COMPLETED"):
        return False
    if not ours or unit.state != "DISPATCHED":
        return GuardFailed("UnitStart", unit.state)
    change(draft, unit, evolve(unit, state="RUNNING", started_at=draft.now))
    return True


def complete(
    draft: Draft, unit: UnitRow, effect: UnitComplete, states: frozenset[UnitStatus] = AT_WORK
) -> bool | Refusal:
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state == "COMPLETED":
        return False
    if not ours or unit.state not in states:
        return GuardFailed("UnitComplete", unit.state)
    priced = evolve(unit, price=0) if effect.free else unit
    charged = _charge(draft, priced, effect)
    if not isinstance(charged, bool):
        return charged
    completed = evolve(
        priced,
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
    result = effect.result_ref if job.units == 1 else None  # otherwise results are per unit
    change(draft, unit, completed, result_ref=result)
    if effect.verified:
        earned(draft, unit, effect)
    tile_dependencies.note_completed(draft, unit)
    return True


def _charge(draft: Draft, unit: UnitRow, effect: UnitComplete) -> bool | Refusal:
    """Settle the unit's hold, or release it if the unit is free, and store the receipt."""
    reference = work_reference(unit.job_id, unit.number)
    if unit.price > 0 and draft.holds.get(reference) is None:
        return GuardFailed("UnitComplete", "no hold")
    # A receipt that states another price is not stored.
    matches = effect.receipt is not None and effect.receipt.price == unit.price
    receipt = effect.receipt if matches else None
    if effect.free:
        charged = release(draft, reference)
    else:
        charged = settle(
            draft,
            reference,
            operator=effect.operator if effect.verified else None,
            share_percent=effect.share_percent,
            description=f"Job execution: {draft.job_of(unit).job_type}",
            receipt=None if receipt is None else receipt.hash,
        )
    if receipt is not None and isinstance(charged, bool):
        _keep_receipt(draft, unit, receipt)
    return charged


def _keep_receipt(draft: Draft, unit: UnitRow, issued: IssuedReceipt) -> None:
    """Store the receipt with the entry of the creator's charge; the receipt never changes."""
    account = user_account(draft.job_of(unit).user_id)
    reference = work_reference(unit.job_id, unit.number)
    paid = draft.transfers.get((account, "USAGE", reference))
    row = NewReceipt(
        job_id=unit.job_id,
        unit=unit.number,
        attempt=unit.attempt,
        document=issued.document,
        hash=issued.hash,
        signature=issued.signature,
        paid_by=None if paid is None else paid.key,
        issued_at=draft.now,
    )
    draft.receipts.put((unit.job_id, unit.number), row)


def fail(
    draft: Draft, unit: UnitRow, effect: UnitFail, states: frozenset[UnitStatus] = AT_WORK
) -> bool | Refusal:
    error = stored_text(effect.error)
    ours = unit.attempt == effect.attempt and effect.node in (None, unit.node_id)
    is_same_error = (unit.error_class, unit.error_message) == (effect.error_class, error)
    if ours and is_same_error and unit.state == ("FAILED" if effect.retry_at is None else "QUEUED"):
        return False
    # Without a node the gateway itself fails the unit; then the unit may be QUEUED.
    may_fail = AT_WORK | {"QUEUED"} if effect.node is None else states
    if not ours or unit.state not in may_fail:
        return GuardFailed("UnitFail", unit.state)
    done = _requeue_or_end(
        draft, unit, evolve(with_failure(unit, effect), lease_until=None), effect
    )
    if done is True:
        record_claims(draft, effect)
    return done


def _requeue_or_end(
    draft: Draft, unit: UnitRow, failed: UnitRow, effect: UnitFail
) -> bool | Refusal:
    """Requeue the unit, or end it and release its hold.

    A unit of a stopped job, or of a failed frame, is not retried.
    """
    is_stopped = draft.job_of(unit).paused == STOPPED
    if (
        effect.retry_at is not None
        and not is_stopped
        and not tile_dependencies.has_failed_frame(draft, unit)
    ):
        waiting = evolve(
            failed,
            state="QUEUED",
            not_before=effect.retry_at,
            avoid=avoided_by_unit(failed, effect),
        )
        change(draft, unit, waiting, **avoided_by_job(draft, effect))
        return True
    released = release(draft, work_reference(effect.job, effect.unit))
    if not isinstance(released, bool):
        return released
    state: UnitStatus = "CANCELLED" if is_stopped else "FAILED"
    ended = evolve(failed, state=state, not_before=None, ended_at=draft.now)
    refused = tile_dependencies.note_failed(draft, unit)
    if not isinstance(refused, bool):
        return refused
    change(draft, unit, ended, **avoided_by_job(draft, effect))
    return True


def requeue(draft: Draft, unit: UnitRow, effect: UnitRequeue) -> bool | Refusal:
    if unit.attempt == effect.attempt and (
        unit.state == "QUEUED" or tile_dependencies.failed_with_frame(unit)
    ):
        return False
    if unit.attempt != effect.attempt or unit.state not in AT_WORK:
        return GuardFailed("UnitRequeue", unit.state)
    if effect.unheard and unit.lease_until is not None:
        return GuardFailed("UnitRequeue", "LEASED")
    waiting = evolve(
        unit,
        state="QUEUED",
        lease_until=None,
        not_before=None,
        error_message=stored_text(effect.reason),
        unsent=unit.unsent + (effect.unsent and not _is_begun(unit)),
    )
    if effect.unsendable_to is not None:
        waiting = after_failed_send(waiting, effect.unsendable_to, draft.now)
    if effect.lost_by is not None:
        waiting = after_loss(waiting, effect.lost_by, draft.now)
    if tile_dependencies.has_failed_frame(draft, unit):
        return tile_dependencies.fail_tile(draft, unit, waiting)
    change(draft, unit, waiting)
    return True


def _is_begun(unit: UnitRow) -> bool:
    """Return True if the present attempt has started, so its node has received it."""
    if unit.started_at is None or unit.assigned_at is None:
        return False
    return unit.started_at >= unit.assigned_at
