"""The decision on a batch (pure): each commit sees the changes of earlier commits in the batch."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from actors.ledger.commands import (
    checks,
    disputes,
    earnings,
    jobs,
    purchases,
    speculative_attempts,
    units,
)
from actors.ledger.draft import Draft
from actors.ledger.effects import (
    DisputeDecide,
    DisputeOpen,
    EarningClaim,
    EarningMature,
    Effect,
    JobInsert,
    OfJob,
    OfPayout,
    PurchaseEffect,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitDeliver,
    UnitFail,
    UnitStart,
    UnitVerdict,
)
from actors.ledger.messages import (
    Booked,
    Commit,
    GuardFailed,
    KeyConflict,
    Outcome,
    Posted,
    Replayed,
)
from actors.ledger.postings import Refusal, book, booked_before
from sql.books import Changes, KeyRow, Rows, UnitRow


def decide(
    rows: Rows, commits: Sequence[Commit], now: datetime, uuid: Callable[[], UUID]
) -> tuple[Changes, list[Outcome]]:
    """Return the rows to write and the outcome of each commit."""
    draft = Draft(rows, now, uuid)
    outcomes = [_attempt(draft, commit) for commit in commits]
    return draft.changes(), outcomes


def _attempt(draft: Draft, commit: Commit) -> Outcome:
    draft.begin()
    outcome = _stored_answer(draft, commit) or _apply_all(draft, commit)
    if not isinstance(outcome, Posted | Replayed):
        draft.drop()
        return outcome
    purchases.pay_debts(draft)
    key = commit.idempotency
    if key is not None and draft.answers.get((key.user, key.key)) is None:
        kept = KeyRow(key.user, key.key, key.request, key.answer, draft.now)
        draft.answers.put((key.user, key.key), kept)
    draft.keep()
    return outcome


def _stored_answer(draft: Draft, commit: Commit) -> Outcome | None:
    """Return the answer that is stored under the commit's key; None if there is none."""
    key = commit.idempotency
    kept = None if key is None else draft.answers.get((key.user, key.key))
    if key is None or kept is None:
        return None
    if kept.request != key.request:
        return KeyConflict(key.key)
    return Replayed(entries=_entries_before(draft, commit), answer=kept.answer)


def _apply_all(draft: Draft, commit: Commit) -> Outcome:
    changed = False
    for effect in commit.effects:
        step = _apply(draft, effect)
        if isinstance(step, GuardFailed):
            draft.drop()
            return attrs.evolve(step, units=draft.touched_states())
        if not isinstance(step, bool):
            return step
        changed = changed or step
    for transfer in commit.transfers:
        step = book(draft, transfer)
        if not isinstance(step, bool):
            return step
        changed = changed or step
    if changed and commit.act is not None:
        draft.note(commit.act)
    entries, units = tuple(draft.booked), draft.touched_states()
    if changed:
        return Posted(entries, units)
    return Replayed(entries, units=units)


def _entries_before(draft: Draft, commit: Commit) -> tuple[Booked, ...]:
    found = [booked_before(draft, transfer) for transfer in commit.transfers]
    return tuple(entry for entry in found if entry is not None)


# -- effects


def _apply(draft: Draft, effect: Effect) -> bool | Refusal:
    """Apply one effect: return True if it changed something, False if it was applied before."""
    if isinstance(effect, JobInsert):
        return jobs.insert(draft, effect)
    if isinstance(effect, OfJob):
        return jobs.of_job(draft, effect)
    if isinstance(effect, PurchaseEffect):
        return purchases.of_purchase(draft, effect)
    if isinstance(effect, OfPayout):
        return earnings.of_payout(draft, effect)
    if isinstance(effect, EarningMature):
        return earnings.mature(draft, effect)
    if isinstance(effect, EarningClaim):
        return earnings.claim(draft, effect)
    if isinstance(effect, DisputeOpen):
        return disputes.open_dispute(draft, effect)
    if isinstance(effect, DisputeDecide):
        return disputes.decide_dispute(draft, effect)
    unit = draft.units.get((effect.job, effect.unit))
    if unit is None:
        return GuardFailed(type(effect).__name__, "")
    draft.touched[effect.job, effect.unit] = None
    if isinstance(effect, UnitCopy):
        return speculative_attempts.copy(draft, unit, effect)
    if unit.copy_node_id is not None:
        remaining = speculative_attempts.apply_to_pair(draft, unit, effect)
        if not isinstance(remaining, UnitRow):
            return remaining
        unit = remaining
    return _apply_to_attempt(draft, unit, effect)


def _apply_to_attempt(
    draft: Draft, unit: UnitRow, effect: speculative_attempts.OfAttempt
) -> bool | Refusal:
    """Apply an effect to a unit that has no second attempt."""
    if isinstance(effect, UnitAssign):
        return units.assign(draft, unit, effect)
    if isinstance(effect, UnitStart):
        return units.start(draft, unit, effect)
    if isinstance(effect, UnitDeliver):
        return checks.deliver(draft, unit, effect)
    if isinstance(effect, UnitVerdict):
        return checks.judge(draft, unit, effect)
    if isinstance(effect, UnitComplete):
        return units.complete(draft, unit, effect)
    if isinstance(effect, UnitFail):
        return units.fail(draft, unit, effect)
    return units.requeue(draft, unit, effect)
