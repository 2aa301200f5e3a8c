"""The decision on a batch (pure): each commit sees the changes of earlier commits in the batch."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias, cast, get_args

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
    UnitRequeue,
    UnitStart,
    UnitVerdict,
)
from actors.ledger.messages import (
    Booked,
    Commit,
    GuardFailed,
    GuardReason,
    KeyConflict,
    Outcome,
    Posted,
    Replayed,
)
from actors.ledger.postings import Refusal, book, booked_before
from sql.books import BatchRow, Changes, KeyRow, Rows, UnitRow


def decide(
    rows: Rows,
    commits: Sequence[Commit],
    now: datetime,
    token: Callable[[int], bytes],
    batch: BatchRow | None = None,
) -> tuple[Changes, list[Outcome]]:
    """Return the rows to write and the outcome of each commit.

    ``token`` returns so many random bytes. ``batch`` is the number of the batch, which is written
    with its rows, if there are any.
    """
    draft = Draft(rows, now, token)
    outcomes = [_attempt(draft, commit) for commit in commits]
    return draft.changes(batch), outcomes


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
    """Return the answer that is stored under the commit's key; None if there is none.

    KeyConflict if the answer is that of another request.
    """
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


Apply: TypeAlias = Callable[[Draft, Any], bool | Refusal]
_WITHOUT_UNIT: Final[Mapping[type[Any], Apply]] = {
    JobInsert: jobs.insert,
    **dict.fromkeys(get_args(OfJob), jobs.of_job),
    **dict.fromkeys(get_args(PurchaseEffect), purchases.of_purchase),
    **dict.fromkeys(get_args(OfPayout), earnings.of_payout),
    EarningMature: earnings.mature,
    EarningClaim: earnings.claim,
    DisputeOpen: disputes.open_dispute,
    DisputeDecide: disputes.decide_dispute,
}
# Effects on the only attempt at a unit, or on the first of two.
_ON_UNIT: Final[Mapping[type[Any], Callable[[Draft, UnitRow, Any], bool | Refusal]]] = {
    UnitAssign: units.assign,
    UnitStart: units.start,
    UnitDeliver: checks.deliver,
    UnitVerdict: checks.judge,
    UnitComplete: units.complete,
    UnitFail: units.fail,
    UnitRequeue: units.requeue,
}


def _apply(draft: Draft, effect: Effect) -> bool | Refusal:
    """Apply one effect: return True if it changed something, False if it was applied before."""
    apply = _WITHOUT_UNIT.get(type(effect))
    if apply is not None:
        return apply(draft, cast("Any", effect))
    return _apply_to_unit(draft, cast("UnitCopy | speculative_attempts.OfAttempt", effect))


def _apply_to_unit(
    draft: Draft, effect: UnitCopy | speculative_attempts.OfAttempt
) -> bool | Refusal:
    unit = draft.units.get((effect.job, effect.unit))
    if unit is None:
        return GuardFailed(type(effect).__name__, GuardReason.ABSENT)
    draft.touched[effect.job, effect.unit] = None
    if isinstance(effect, UnitCopy):
        return speculative_attempts.copy(draft, unit, effect)
    if unit.copy_node_id is not None:
        remaining = speculative_attempts.apply_to_pair(draft, unit, effect)
        if not isinstance(remaining, UnitRow):
            return remaining
        unit = remaining
    return _ON_UNIT[type(effect)](draft, unit, cast("Any", effect))
