"""Changes to a job by its owner: committed by the Ledger, reported to the Scheduler."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from actors.ledger.messages import (
    Commit,
    GuardFailed,
    InsufficientCredits,
    JobPause,
    JobResume,
    OfJob,
    Posted,
    Replayed,
    UnitRetry,
    UnitState,
)
from actors.notifier.messages import Notifier, Paused, UnitsMoved
from actors.scheduler.messages import JobPaused, JobsChanged, Scheduler, UnitsChanged
from sql.audit import Act
from sql.jobs import PagedUnit, PastJob
from web.gateway import Gateway
from web.http.operations import Call
from web.http.problem import Problem, unavailable
from web.http.refusal_code import RefusalCode
from web.jobs.affordable_retry import AffordableRetry, affordable
from web.jobs.price_overruns import refusal_of, refused_of
from web.jobs.submission import NOT_FOUND, Outcome, RetryOutcome, again
from web.money.ledger_client import commit, insufficient

NO_UNIT: Final = Problem(404, "Unit not found", code=RefusalCode.UNIT_NOT_FOUND)
AT_CAP: Final = Problem(
    409,
    "The job is at its max_credits: raise max_credits to go on",
    code=RefusalCode.AT_MAX_CREDITS,
)
SPENT: Final = Problem(
    409,
    "The job has already committed more than max_credits",
    code=RefusalCode.MAX_CREDITS_COMMITTED,
)
STOPPED: Final = Problem(
    409, "Job was stopped; it ends with its checks", code=RefusalCode.JOB_STOPPED
)
NONE_FAILED: Final = Problem(409, "No frame of it failed", code=RefusalCode.NOTHING_FAILED)
ANEW: Final = Problem(
    409,
    "Job was cancelled; a job of several units is submitted again",
    code=RefusalCode.JOB_CANCELLED,
)
_AGAIN: Final = unavailable("The job has changed; try again", code=RefusalCode.CHANGED_MEANWHILE)


async def controlled(call: Call[Any, Any], effect: OfJob) -> Problem | None:
    """Commit the effect; None if it is done, now or before. Raises AskFailed, Unavailable."""
    row = await call.gateway.tables.jobs.by_id(effect.job, call.caller)
    return NOT_FOUND if row is None else await steered(call.gateway, effect)


async def steered(gateway: Gateway, *effects: OfJob, act: Act | None = None) -> Problem | None:
    """Commit effects on a job that is known to be the user's; an admin's ``act`` is recorded."""
    again = [effect.unit for effect in effects if isinstance(effect, UnitRetry)]
    if (dearer := await refusal_of(gateway, effects[0].job, again)) is not None:
        return dearer
    outcome = await commit(gateway, Commit(effects=effects, act=act))
    if isinstance(outcome, InsufficientCredits):
        return insufficient(outcome)
    if isinstance(outcome, GuardFailed):
        return _refused(effects[0], outcome.found)
    if not isinstance(outcome, Posted | Replayed):
        return _AGAIN
    if isinstance(outcome, Posted):
        _tell(gateway, effects, outcome.units)
    return None


async def retried(
    gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None, *, partly: bool = False
) -> Outcome:
    """Retry the failed units of a job of several units (the rest is done and paid); else ``again``.

    ``owner`` None: an admin retries any user's job, and the ``act`` is recorded. ``partly``: as
    many units as there are credits for.
    """
    row = await gateway.tables.jobs.past(job, owner)
    if row is None or row.units == 1:
        return await again(gateway, job, owner, act)
    done = await failed_again(gateway, row, act, partly=partly)
    if isinstance(done, Problem):
        return done
    return RetryOutcome(row.id, None, row.status, is_new=True, missing=done.missing)


async def failed_again(
    gateway: Gateway, row: PastJob, act: Act | None, *, partly: bool = True
) -> Problem | AffordableRetry:
    """Retry all failed units of a job, except those that take far more than their quote.

    ``partly``: without credits for all of them, the first ones that they suffice for.
    """
    if row.status == "CANCELLED":
        return ANEW
    units = await gateway.tables.jobs.unit_page(row.id, -1, row.units)
    failed = [unit for unit in units if unit.state == "FAILED"]
    if not failed:
        return NONE_FAILED
    dearer = await refused_of(gateway, row.id)
    # If all of them are refused, the first gives the reason.
    some = [unit for unit in failed if unit.number not in dearer] or failed
    refused = await _tried(gateway, row, some, act)
    if refused is None:
        return AffordableRetry(len(some), len(some))
    if refused.status != 402:
        return refused
    balance = await gateway.tables.credits.balance(row.user_id)
    there, takes = balance.balance - balance.held, sum(unit.price for unit in some)
    chosen, done = affordable(some, there)
    if not partly or not chosen:
        return insufficient(InsufficientCredits(there, takes))
    return await _tried(gateway, row, chosen, act) or done


async def _tried(
    gateway: Gateway, row: PastJob, units: Sequence[PagedUnit], act: Act | None
) -> Problem | None:
    wishes = [UnitRetry(row.id, unit.number, row.user_id) for unit in units]
    return await steered(gateway, *wishes, act=act)


def _tell(gateway: Gateway, effects: Sequence[OfJob], units: tuple[UnitState, ...]) -> None:
    scheduler, notifier = gateway.registry.ref(Scheduler), gateway.registry.ref(Notifier)
    for effect in effects:
        if isinstance(effect, JobPause):
            scheduler.tell(JobPaused(effect.job))
            notifier.tell(Paused(effect.job))
    scheduler.tell(UnitsChanged(units))
    scheduler.tell(JobsChanged(tuple({effect.job for effect in effects})))
    notifier.tell(UnitsMoved(units))


def _refused(effect: OfJob, found: str) -> Problem:
    if not found:
        return NO_UNIT
    if found == "CAP":
        return AT_CAP if isinstance(effect, JobResume) else SPENT
    if found == "STOPPED":
        return STOPPED
    if hasattr(effect, "unit"):
        if found == "CANCELLED":
            return Problem(409, "Job was cancelled", code=RefusalCode.JOB_CANCELLED)
        what = f"Unit is {found}; only FAILED units are retried"
        return Problem(409, what, code=RefusalCode.UNIT_NOT_FAILED)
    return Problem(409, f"Job is {found}; it has ended", code=RefusalCode.JOB_ENDED)
