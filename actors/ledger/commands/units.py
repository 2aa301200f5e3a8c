"""Effects on one attempt at a unit: assign, start, complete, fail, requeue.

Each function returns True if it changed something, False if that was done before, or a refusal.
"Done before" means by the same attempt and node: an attempt number is assigned once, so the same
node means the same decision.
"""

import attrs

from actors.ledger import tile_dependencies
from actors.ledger.commands.earnings import earned
from actors.ledger.draft import Draft
from actors.ledger.failure_attribution import (
    avoiding,
    blamed,
    lost,
    note,
    shunned,
    unsendable,
    words,
)
from actors.ledger.messages import (
    GuardFailed,
    SettleHold,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
    user_account,
    work_reference,
)
from actors.ledger.postings import Refusal, release, settle
from actors.ledger.rows import AT_WORK, STOPPED, change, next_attempt, stated
from rendertrust.receipt import IssuedReceipt
from sql.books import UnitRow
from sql.receipts import ReceiptRow


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


def start(draft: Draft, unit: UnitRow, effect: UnitStart) -> bool | Refusal:
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state in ("RUNNING", "VERIFYING", "COMPLETED"):
        return False
    if not ours or unit.state != "DISPATCHED":
        return GuardFailed("UnitStart", unit.state)
    change(draft, unit, attrs.evolve(unit, state="RUNNING", started_at=draft.now))
    return True


def complete(
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
    # with several units, each has its own result
    result = effect.result_ref if job.units == 1 else None
    change(draft, unit, completed, result_ref=result)
    if effect.verified:
        earned(draft, unit, effect)
    tile_dependencies.feed(draft, unit)
    return True


def _charge(draft: Draft, unit: UnitRow, effect: UnitComplete) -> bool | Refusal:
    """Settle the unit's hold, or release it if the unit is free, and keep the receipt."""
    reference = work_reference(unit.job_id, unit.number)
    if unit.price > 0 and draft.holds.get(reference) is None:
        return GuardFailed("UnitComplete", "no hold")
    # A receipt with another price is not for this charge.
    told = effect.receipt is not None and effect.receipt.price == unit.price
    receipt = effect.receipt if told else None
    if effect.free:
        charged = release(draft, reference)
    else:
        order = SettleHold(
            reference,
            operator=effect.operator if effect.verified else None,
            share_percent=effect.share_percent,
            description=f"Job execution: {draft.job_of(unit).job_type}",
            receipt=None if receipt is None else receipt.hash,
        )
        charged = settle(draft, order)
    if receipt is not None and isinstance(charged, bool):
        _keep_receipt(draft, unit, receipt)
    return charged


def _keep_receipt(draft: Draft, unit: UnitRow, issued: IssuedReceipt) -> None:
    """Store the receipt with the creator's entry that pays for it; it never changes later."""
    account = user_account(draft.job_of(unit).user_id)
    reference = work_reference(unit.job_id, unit.number)
    paid = draft.transfers.get((account, "USAGE", reference))
    row = ReceiptRow(
        job_id=unit.job_id,
        unit=unit.number,
        attempt=unit.attempt,
        document=issued.document,
        hash=issued.hash,
        signature=issued.signature,
        entry_id=None if paid is None else paid[1].entry_id,
        issued_at=draft.now,
    )
    draft.receipts.put((unit.job_id, unit.number), row)


def fail(
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


def requeue(draft: Draft, unit: UnitRow, effect: UnitRequeue) -> bool | Refusal:
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
    """Return True if this attempt has started, so that it must have been sent to its node."""
    if unit.started_at is None or unit.assigned_at is None:
        return False
    return unit.started_at >= unit.assigned_at
