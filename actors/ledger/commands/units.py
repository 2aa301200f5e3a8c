"""Effects on one attempt at a unit: assign, start, complete, fail, requeue.

A failure leaves the unit its error, nodes that it avoids, and records of its node's claims.

Functions that return ``bool | Refusal`` return True if they changed something, False if the effect
was applied before, or the reason for refusing it. An effect was applied before if the unit is in
its target state with the same attempt and node, as an attempt number is assigned only once.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from actors.ledger.commands.earnings import earned
from actors.ledger.draft import Draft
from actors.ledger.effects import UnitAssign, UnitComplete, UnitFail, UnitRequeue, UnitStart
from actors.ledger.messages import GuardFailed, GuardReason, RowState
from actors.ledger.postings import Refusal, release, settle
from actors.ledger.unit_changes import (
    change,
    fail_tile,
    failed_with_frame,
    has_failed_frame,
    next_attempt,
    note_completed,
    note_failed,
    with_status,
)
from rendertrust.job_status import AT_WORK, STOPPED, UnitStatus
from rendertrust.receipt import IssuedReceipt
from sql.account_names import user_account, work_reference
from sql.books import UnitRow, evolve
from sql.checks import CheckRow, WordRow
from sql.receipts import NewReceipt
from sql.unit_retry_policy import held_seconds, tries

ERROR_CHARACTERS: Final = 2000
SAID_MAX: Final = 500  # characters of an explanation that a check's row keeps
EXCUSES: Final = ("gateway", "verifier")  # error classes with which a node blames another party


def assign(draft: Draft, unit: UnitRow, effect: UnitAssign) -> bool | Refusal:
    if (unit.attempt, unit.node_id) == (effect.attempt, effect.node):
        return False
    fits = effect.attempt == next_attempt(unit)
    if unit.state != "QUEUED" or not fits or unit.missing:
        return GuardFailed("UnitAssign", RowState(unit.state))
    job = draft.job_of(unit)
    if job.paused is not None and not (job.paused == "cap" and unit.price == 0):
        return GuardFailed("UnitAssign", RowState.PAUSED)
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
        return GuardFailed("UnitStart", RowState(unit.state))
    change(draft, unit, evolve(unit, state="RUNNING", started_at=draft.now))
    return True


def complete(
    draft: Draft, unit: UnitRow, effect: UnitComplete, states: frozenset[UnitStatus] = AT_WORK
) -> bool | Refusal:
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state == "COMPLETED":
        return False
    if not ours or unit.state not in states:
        return GuardFailed("UnitComplete", RowState(unit.state))
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
    measured = measured_of_job(draft, unit, effect.vram_used)
    change(draft, unit, completed, result_ref=result, **measured)
    if effect.verified:
        earned(draft, unit, effect)
    note_completed(draft, unit)
    return True


def _charge(draft: Draft, unit: UnitRow, effect: UnitComplete) -> bool | Refusal:
    """Settle the unit's hold, or release it if the unit is free, and store the receipt."""
    reference = work_reference(unit.job_id, unit.number)
    if unit.price > 0 and draft.holds.get(reference) is None:
        return GuardFailed("UnitComplete", GuardReason.NO_HOLD)
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
        return GuardFailed("UnitFail", RowState(unit.state))
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
    if effect.retry_at is not None and not is_stopped and not has_failed_frame(draft, unit):
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
    refused = note_failed(draft, unit)
    if not isinstance(refused, bool):
        return refused
    change(draft, unit, ended, **avoided_by_job(draft, effect))
    return True


def requeue(draft: Draft, unit: UnitRow, effect: UnitRequeue) -> bool | Refusal:
    if unit.attempt == effect.attempt and (unit.state == "QUEUED" or failed_with_frame(unit)):
        return False
    if unit.attempt != effect.attempt or unit.state not in AT_WORK:
        return GuardFailed("UnitRequeue", RowState(unit.state))
    if effect.unheard and unit.lease_until is not None:
        return GuardFailed("UnitRequeue", GuardReason.LEASED)
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
    if has_failed_frame(draft, unit):
        return fail_tile(draft, unit, waiting)
    change(draft, unit, waiting)
    return True


def _is_begun(unit: UnitRow) -> bool:
    """Return True if the present attempt has started, so its node has received it."""
    if unit.started_at is None or unit.assigned_at is None:
        return False
    return unit.started_at >= unit.assigned_at


def stored_text(error: str) -> str:
    """Return an error text as the database stores it: without NUL characters, and shortened."""
    return error.replace("\x00", "\ufffd")[:ERROR_CHARACTERS]


def with_failure(unit: UnitRow, effect: UnitFail) -> UnitRow:
    """Return the unit with its error.

    If the node is at fault, the unit's ``failures`` increase and it avoids the node. Otherwise its
    ``faults`` increase, unless the node returned the unit or the failure is ``uncounted``.
    """
    failed = attrs.evolve(
        unit,
        error_class=effect.error_class,
        error_code=effect.error_code,
        error_message=stored_text(effect.error),
        needs_memory=max(unit.needs_memory, effect.needs_memory),
        needs_opengl=unit.needs_opengl or effect.needs_opengl,
        needs_vram=max(unit.needs_vram, effect.needs_vram),
        needs_scripts=unit.needs_scripts or effect.needs_scripts,
    )
    if effect.error_class != "node":
        nothing_failed = effect.returned or effect.uncounted
        return failed if nothing_failed else attrs.evolve(failed, faults=unit.faults + 1)
    node = effect.node
    avoid = unit.avoid if node is None or node in unit.avoid else (*unit.avoid, node)
    return attrs.evolve(failed, failures=unit.failures + 1, avoid=avoid)


def measured_of_job(draft: Draft, unit: UnitRow, vram_used: int) -> dict[str, Any]:
    """Return the change of the job's row by the graphics memory that a unit took, if any."""
    job = draft.job_of(unit)
    return {"vram_used": vram_used} if vram_used > job.vram_used else {}


def avoided_by_job(draft: Draft, effect: UnitFail) -> dict[str, Any]:
    """Return the change of the job's row that makes its other units avoid the node, if any.

    They avoid a node that failed the unit, also one that blames the gateway or a verifier, or lacks
    what the unit needs.
    """
    job = draft.jobs.get(effect.job)
    is_excused = effect.uncounted or effect.error_class in EXCUSES
    is_its = effect.error_class == "node" or (is_excused and effect.retry_at is not None)
    if job is None or not is_its or effect.node in (None, *job.avoid):
        return {}
    return {"avoid": (*job.avoid, effect.node)}


def avoided_by_unit(unit: UnitRow, effect: UnitFail) -> tuple[UUID, ...]:
    """Return the nodes that a unit avoids after a failure.

    A node that returned the unit without a failure is not added.
    """
    node, again = effect.node, effect.retry_at is not None and not effect.returned
    if not again or node is None or node in unit.avoid:
        return unit.avoid
    return (*unit.avoid, node)


def after_failed_send(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit with one more node that it could not be sent to.

    Other nodes are tried first, but the failure does not count against this node.
    """
    nodes = unit.unsendable_to if node in unit.unsendable_to else (*unit.unsendable_to, node)
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(nodes), times=unit.unsent))
    return attrs.evolve(unit, unsendable_to=nodes, avoid=avoid, not_before=now + wait)


def after_loss(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit after a node lost it: after a pause, other nodes are tried first.

    A loss in the first try has no consequence, as the node may have been restarted.
    """
    times = tries(unit.attempt, unit.unsent) - 1
    if times < 1:
        return unit
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(avoid), times=times))
    return attrs.evolve(unit, avoid=avoid, not_before=now + wait)


def record_claims(draft: Draft, effect: UnitFail) -> None:
    """Record a false claim of the attempt's node, or its report that the scene is at fault."""
    if effect.caught is not None:
        _record_false_claim(draft, effect, effect.caught)
    elif effect.accused is not None:
        assert effect.node is not None, "the report comes from a node"
        of = (effect.job, effect.unit, effect.attempt)
        word = WordRow(*of, effect.node, effect.accused, draft.now)
        draft.words.put(word.id, word)


def _record_false_claim(draft: Draft, effect: UnitFail, device_class: str) -> None:
    """Record a node's false claim as an invalid result, although no check was made."""
    assert effect.node is not None, "a false claim comes from a node"
    row = CheckRow(
        *(effect.job, effect.unit, effect.attempt, effect.node, None),
        share_percent=0,
        dispute_window=timedelta(),
        device_class=device_class,
        opened_at=draft.now,
        state="DECIDED",
        verdict="invalid",
        said=effect.error[:SAID_MAX],
        decided_at=draft.now,
        strike=True,
    )
    draft.checks.put(row.id, row)
