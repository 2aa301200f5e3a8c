"""The decision on a batch (pure): each commit sees the changes of earlier commits in the batch."""

from collections.abc import Callable, Container, Sequence
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
from actors.ledger.messages import (
    Booked,
    Commit,
    Effect,
    GuardFailed,
    JobInsert,
    KeyConflict,
    OfJob,
    Outcome,
    Posted,
    PurchaseEffect,
    Replayed,
    Transfer,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitDeliver,
    UnitFail,
    UnitStart,
)
from actors.ledger.postings import Refusal, book, booked_before
from actors.paymaster.messages import (
    DisputeDecide,
    DisputeOpen,
    EarningClaim,
    EarningMature,
    OfPayout,
)
from actors.verifier.messages import UnitVerdict
from sql.books import Changes, KeyRow, Rows, UnitRow


def decide(
    rows: Rows,
    commits: Sequence[Commit],
    now: datetime,
    uuid: Callable[[], UUID],
    *,
    again: Container[int] = (),
) -> tuple[Changes, list[Outcome]]:
    """Return the rows to write and the outcome of each commit.

    ``again``: positions of commits that an earlier try may have written, as its COMMIT got no
    answer. If the changes of such a commit are already made, that try made them, so the outcome is
    ``Posted`` instead of ``Replayed``.
    """
    draft = Draft(rows, now, uuid)
    outcomes = [_attempt(draft, each, again=n in again) for n, each in enumerate(commits)]
    return draft.changes(), outcomes


def _attempt(draft: Draft, commit: Commit, *, again: bool) -> Outcome:
    draft.begin()
    outcome = _stored_answer(draft, commit, again=again) or _apply_all(draft, commit, again=again)
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


def _stored_answer(draft: Draft, commit: Commit, *, again: bool) -> Outcome | None:
    """Return the answer that is stored under the commit's key; None if there is none."""
    key = commit.idempotency
    kept = None if key is None else draft.answers.get((key.user, key.key))
    if key is None or kept is None:
        return None
    if kept.request != key.request:
        return KeyConflict(key.key)
    if again and _is_done(draft, commit):
        return None  # an earlier try of this commit has stored the answer
    return Replayed(entries=_entries_before(draft, commit), answer=kept.answer)


def _is_done(draft: Draft, commit: Commit) -> bool:
    """Return True if an earlier try wrote this commit; the job ids of each request are new."""
    inserts = [effect for effect in commit.effects if isinstance(effect, JobInsert)]
    return bool(inserts) and all(draft.jobs.get(insert.job) is not None for insert in inserts)


def _apply_all(draft: Draft, commit: Commit, *, again: bool) -> Outcome:
    changed = False
    for effect in commit.effects:
        step = _apply(draft, effect)
        if isinstance(step, GuardFailed):
            draft.drop()
            return attrs.evolve(step, units=draft.touched_states())
        if not isinstance(step, bool):
            return step
        changed = changed or step
    for posting in commit.postings:
        step = book(draft, posting)
        if not isinstance(step, bool):
            return step
        changed = changed or step
    if changed and commit.act is not None:
        draft.note(commit.act)
    entries, units = tuple(draft.booked), draft.touched_states()
    if changed or again:
        return Posted(entries, units)
    return Replayed(entries, units=units)


def _entries_before(draft: Draft, commit: Commit) -> tuple[Booked, ...]:
    transfers = [posting for posting in commit.postings if isinstance(posting, Transfer)]
    found = [booked_before(draft, transfer) for transfer in transfers]
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
