"""Effects on whole jobs, applied to a draft of the books.

Functions that return ``bool | Refusal`` return True if they changed something, False if the effect
was applied before, or the reason for refusing it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from actors.ledger.draft import Draft
from actors.ledger.effects import (
    JobCancel,
    JobChange,
    JobInsert,
    JobPause,
    JobResume,
    JobStop,
    OfJob,
    UnitRetry,
)
from actors.ledger.messages import Found, GuardFailed, GuardReason, RowState
from actors.ledger.postings import Refusal, hold_units, is_closed, release, reopen
from actors.ledger.unit_changes import cancelled, change, with_copy_only, with_status, without_copy
from rendertrust.job_status import ENDED, NOT_STARTED, STOPPED
from sql.account_names import work_reference
from sql.books import JobRow, NewJob, UnitRow
from sql.job_plan import NewUnit


def insert(draft: Draft, effect: JobInsert) -> bool | Refusal:
    """Insert a job with its units, and hold their prices."""
    before = draft.jobs.get(effect.job)
    if before is not None:
        draft.touched[effect.job, 0] = None
        is_same = _same(draft, before, effect)
        return False if is_same else GuardFailed("JobInsert", RowState(before.status))
    plan, units = effect.plan, effect.plan.units
    if not units or any(unit.price < 0 or (unit.missing and unit.price) for unit in units):
        return GuardFailed("JobInsert", GuardReason.INVALID)
    if is_closed(draft, effect.user):
        return GuardFailed("JobInsert", GuardReason.ACCOUNT_CLOSED)
    refusal = hold_units(draft, effect)
    if refusal is not None:
        return refusal
    job = JobRow(
        id=effect.job,
        user_id=effect.user,
        job_type=plan.job_type,
        status="QUEUED",
        open_units=len(units),
        units=len(units),
        priority=plan.priority,
        cap=plan.cap,
        queued_at=draft.now,
        updated_at=draft.now,
    )
    new = NewJob(
        id=effect.job,
        payload_ref=plan.payload_ref,
        plan=plan.stored(),
        price=plan.price,
        price_number=effect.price_number,
        retry_of=effect.retry_of,
        created_at=draft.now,
        name=plan.name,
    )
    draft.add_job(job, new, _units(effect))
    return True


def _units(effect: JobInsert) -> list[UnitRow]:
    return [
        UnitRow(
            job_id=effect.job,
            number=number,
            price=piece.price,
            place=piece.place,
            frames=piece.frames,
            tile=piece.tile,
            feeds=piece.feeds,
            missing=piece.missing,
        )
        for number, piece in enumerate(effect.plan.units)
    ]


def _same(draft: Draft, job: JobRow, effect: JobInsert) -> bool:
    """Return True if the effect inserted the job; job ids are random, or derived from a job."""
    units, plan = draft.units_of(job.id), effect.plan
    found = (job.user_id, job.job_type, len(units))
    pairs = zip(units, plan.units, strict=False)
    is_same = found == (effect.user, plan.job_type, len(plan.units))
    return is_same and all(_matches(unit, piece) for unit, piece in pairs)


def _matches(unit: UnitRow, piece: NewUnit) -> bool:
    """Return True if the unit's row was inserted from this ``NewUnit`` of a plan.

    The row's price may be 0 by now: a unit that is completed without a charge gets that price.
    """
    is_priced = unit.price in (piece.price, 0)
    return is_priced and (unit.frames, unit.tile) == (piece.frames, piece.tile)


def of_job(draft: Draft, effect: OfJob) -> bool | Refusal:
    """Apply an effect that the job's owner asked for."""
    job = draft.jobs.get(effect.job)
    if job is None or job.user_id != effect.user:
        return GuardFailed(type(effect).__name__, GuardReason.ABSENT)
    return _HANDLERS[type(effect)](draft, job, effect)


# -- cancel and stop


def _cancel(draft: Draft, job: JobRow, effect: JobCancel) -> bool | Refusal:
    if job.status == "CANCELLED":
        return _touch(draft, job)
    if job.status not in (*NOT_STARTED, "PAUSED") or job.reached not in NOT_STARTED:
        _touch(draft, job)
        return GuardFailed("JobCancel", RowState(job.status))
    if any(unit.is_delivered_beside for unit in draft.units_of(job.id)):
        _touch(draft, job)
        return GuardFailed("JobCancel", RowState.RUNNING)  # a delivered attempt is being checked
    return _end(draft, job)


def _stop(draft: Draft, job: JobRow, effect: JobStop) -> bool | Refusal:
    if job.status == "CANCELLED" or job.paused == STOPPED:
        return _touch(draft, job)
    if job.status in ENDED:
        return GuardFailed("JobStop", RowState(job.status))
    return _end(draft, job)


def _touch(draft: Draft, job: JobRow) -> bool:
    for unit in draft.units_of(job.id):
        draft.touched[unit.job_id, unit.number] = None
    return False


def _end(draft: Draft, job: JobRow) -> bool | Refusal:
    """Cancel all open units of a job, except delivered ones.

    Delivered units keep their hold until their verdict. Otherwise a creator could watch frames
    arrive, stop the job and have the frames for nothing. The job's counters are updated once, as
    there may be thousands of units.
    """
    kept = {*ENDED, "VERIFYING"}
    for unit in draft.units_of(job.id):
        if unit.is_delivered_beside:
            _keep_delivered(draft, unit)
            job = draft.job_of(unit)
    open_ones = [unit for unit in draft.units_of(job.id) if unit.state not in kept]
    for unit in open_ones:
        released = release(draft, work_reference(unit.job_id, unit.number))
        if not isinstance(released, bool):
            return released
        ended = attrs.evolve(
            without_copy(unit),
            state="CANCELLED",
            lease_until=None,
            not_before=None,
            ended_at=draft.now,
            # Without an error class the message says why the unit waited, not why it ended.
            error_message=None if unit.error_class is None else unit.error_message,
        )
        draft.put_unit(ended)
    draft.jobs.put(job.id, cancelled(attrs.evolve(job, paused=STOPPED), open_ones, draft.now))
    return True


def _keep_delivered(draft: Draft, unit: UnitRow) -> None:
    """Keep the delivered attempt of a unit, and end its other attempt if that is running."""
    if unit.state != "VERIFYING":
        change(draft, unit, with_copy_only(unit))
    elif unit.copy_delivered_at is None:
        change(draft, unit, without_copy(unit))


def _ended_as(job: JobRow) -> Found | None:
    """Return the status of a job that has ended, or STOPPED; None if the job is open."""
    if job.status in ENDED:
        return RowState(job.status)
    return GuardReason.STOPPED if job.paused == STOPPED else None


# -- pause, resume and change


def _pause(draft: Draft, job: JobRow, effect: JobPause) -> bool | Refusal:
    if ended_as := _ended_as(job):
        return GuardFailed("JobPause", ended_as)
    return _put(draft, job, paused="owner")


def _resume(draft: Draft, job: JobRow, effect: JobResume) -> bool | Refusal:
    if ended_as := _ended_as(job):
        return GuardFailed("JobResume", ended_as)
    if job.paused is not None and _is_at_cap(draft, job):
        return GuardFailed("JobResume", GuardReason.AT_CAP)
    return _put(draft, job, paused=None)


def _is_at_cap(draft: Draft, job: JobRow) -> bool:
    """Return True if the job's next unit would exceed the cap and pause the job again.

    False if a waiting unit costs nothing, as such units may always start.
    """
    waiting = [
        unit for unit in draft.units_of(job.id) if unit.state == "QUEUED" and not unit.missing
    ]
    if job.cap is None or not waiting or not all(unit.price for unit in waiting):
        return False
    first = min(waiting, key=lambda unit: (unit.place, unit.number))
    return job.committed + first.price > job.cap


def _change(draft: Draft, job: JobRow, effect: JobChange) -> bool | Refusal:
    if ended_as := _ended_as(job):
        return GuardFailed("JobChange", ended_as)
    cap = None if effect.uncapped else job.cap if effect.cap is None else effect.cap
    if cap is not None and cap < job.committed:
        return GuardFailed("JobChange", GuardReason.AT_CAP)
    priority = job.priority if effect.priority is None else effect.priority
    paused = job.paused
    if paused == "cap" and cap != job.cap and not _is_at_cap(draft, attrs.evolve(job, cap=cap)):
        paused = None
    return _put(draft, job, cap=cap, paused=paused, priority=priority)


def _put(draft: Draft, job: JobRow, **changes: Any) -> bool:
    if all(getattr(job, name) == value for name, value in changes.items()):
        return False
    draft.jobs.put(job.id, with_status(attrs.evolve(job, **changes), draft.now))
    return True


# -- retry of a unit


def _retry(draft: Draft, job: JobRow, effect: UnitRetry) -> bool | Refusal:
    unit = draft.units.get((effect.job, effect.unit))
    if unit is None:
        return GuardFailed("UnitRetry", GuardReason.ABSENT)
    draft.touched[unit.job_id, unit.number] = None
    if unit.state not in ENDED:
        return False  # the unit was retried before, and waits or runs
    ended_as = _ended_as(job)
    if ended_as is RowState.CANCELLED or ended_as is GuardReason.STOPPED:
        return GuardFailed("UnitRetry", ended_as)
    if unit.state != "FAILED":
        return GuardFailed("UnitRetry", RowState(unit.state))
    if is_closed(draft, effect.user):
        return GuardFailed("UnitRetry", GuardReason.ACCOUNT_CLOSED)
    for one in _units_to_retry(draft, unit):
        held = reopen(draft, work_reference(one.job_id, one.number))
        if not isinstance(held, bool):
            return held
        fresh = attrs.evolve(
            one,
            failures=0,
            faults=0,
            needs_memory=0,
            needs_opengl=False,
            needs_vram=0,
            needs_scripts=False,
        )
        waiting = attrs.evolve(fresh, state="QUEUED", ended_at=None, unsendable_to=())
        change(draft, one, waiting, queued_at=draft.now)
    return True


def _units_to_retry(draft: Draft, unit: UnitRow) -> list[UnitRow]:
    """Return the units to retry: the unit, or for a frame in tiles all its FAILED units."""
    whole = unit.number if unit.feeds is None else unit.feeds
    found = [one for one in draft.units_of(unit.job_id) if whole in (one.number, one.feeds)]
    return [one for one in found if one.state == "FAILED"]


_HANDLERS: Final[Mapping[type[Any], Callable[[Draft, JobRow, Any], bool | Refusal]]] = {
    JobCancel: _cancel,
    JobStop: _stop,
    JobPause: _pause,
    JobResume: _resume,
    JobChange: _change,
    UnitRetry: _retry,
}
