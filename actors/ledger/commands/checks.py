"""Effects of deliveries and verdicts on a draft of the books; money moves only with the verdict.

A result is booked in two steps. ``UnitDeliver``: the unit is VERIFYING, and its check is recorded;
a draw decides whether a verifier compares the result. ``UnitVerdict``: a valid result ends any
other attempt, settles the hold, pays the operator's share, stores the receipt and completes the
unit; an invalid one counts as a failure of its node. Then fines are taken, and the check is closed.

A fine for an invalid result takes whole pending shares of the operator, newest first, until their
sum covers it; so more than the fine may be taken. A fine is taken once, with the verdict. The
operator gets it back if the scene turns out to be at fault.

Functions that return ``bool | Refusal`` return True if they changed something, False if the effect
was applied before, or the reason for refusing it.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ledger.commands import units
from actors.ledger.commands.units import SAID_MAX, measured_of_job
from actors.ledger.draft import Draft
from actors.ledger.effects import (
    Transfer,
    UnitComplete,
    UnitDeliver,
    UnitFail,
    UnitVerdict,
    costs,
    earns,
)
from actors.ledger.messages import GuardFailed, GuardReason, RowState
from actors.ledger.postings import Refusal, book
from actors.ledger.unit_changes import change
from rendertrust.job_status import AT_WORK, UnitStatus
from sql.account_names import REVENUE, operator_of
from sql.books import UnitRow, evolve
from sql.checks import DELIVERED, CheckId, CheckRow
from sql.earnings import EarningRow, FineRow
from sql.sampling import covered_odds

VERIFYING: Final[frozenset[UnitStatus]] = frozenset({"VERIFYING"})
OVERTAKEN: Final = "another node was faster"
FINED: Final = "Fine for an invalid result"
RETURNED: Final = "Fine returned: the scene was at fault"
Fail: TypeAlias = Callable[[Draft, UnitRow, UnitFail, frozenset[UnitStatus]], bool | Refusal]


def deliver(draft: Draft, unit: UnitRow, effect: UnitDeliver) -> bool | Refusal:
    """Record the delivery of a unit's result; the unit then waits for its verdict."""
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state in ("VERIFYING", "COMPLETED"):
        return False
    if not ours or unit.state not in AT_WORK:
        return GuardFailed("UnitDeliver", RowState(unit.state))
    open_check(draft, unit, effect)
    waiting = evolve(
        unit,
        state="VERIFYING",
        lease_until=None,
        error_class=None,
        error_code=None,
        error_message=None,
        started_at=unit.started_at or draft.now,  # the node may not have reported the start
    )
    change(draft, unit, waiting, **measured_of_job(draft, unit, effect.vram_used))
    return True


def open_check(draft: Draft, unit: UnitRow, effect: UnitDeliver) -> None:
    """Record the check of a delivered result, and whether the result is drawn for a comparison."""
    is_drawn, odds = _draw_comparison(draft, unit, effect)
    row = CheckRow(
        *DELIVERED(effect.result),
        device_class=effect.device_class,
        work=effect.work,
        node_signature=effect.node_signature,
        opened_at=draft.now,
        evidence_sha256=effect.evidence_sha256,
        evidence_size=effect.evidence_size,
        drawn=is_drawn,
        odds=odds,
    )
    draft.checks.put(row.id, row)


def _draw_comparison(
    draft: Draft, unit: UnitRow, effect: UnitDeliver
) -> tuple[bool | None, float | None]:
    """Draw whether a delivery is compared with a verifier's renders; return also the odds.

    The less an operator has at stake, the greater are the odds.
    """
    if effect.draw is None:
        return None, None
    result = effect.result
    share = 0 if result.operator is None else unit.price * result.share_percent // 100
    odds = max(effect.odds, covered_odds(share, _stake(draft, operator_of(result.operator))))
    return effect.draw < odds, odds


def _stake(draft: Draft, operator: UUID | None) -> int:
    """Return an operator's stake, without shares that the batch has changed.

    The stake is the sum of their newest ``STAKE_SHARES`` pending shares whose dispute window is
    open and that nobody disputes.
    """
    if operator is None:
        return 0
    changed = sum(
        before.amount
        for key, before in draft.earnings.found.items()
        if (before.operator_id, before.state) == (operator, "PENDING")
        if before.payable_at > draft.now
        if (after := draft.earnings.get(key)) is not None and after.state != "PENDING"
    )
    return max(draft.stakes.get(operator, 0) - changed, 0)


def overtaken(draft: Draft, unit: UnitRow) -> None:
    """Close the check of a delivered attempt without a verdict, as the unit's other one counts."""
    row = draft.checks.get((unit.job_id, unit.number, unit.attempt))
    if row is not None and row.state == "PENDING":
        ended = attrs.evolve(
            row, state="DECIDED", verdict="unverified", said=OVERTAKEN, decided_at=draft.now
        )
        draft.checks.put(row.id, ended)


def judge(
    draft: Draft, unit: UnitRow, effect: UnitVerdict, fail: Fail = units.fail
) -> bool | Refusal:
    """Apply a verdict: complete the unit or call ``fail``, take fines, and close the check."""
    row = draft.checks.get((unit.job_id, unit.number, effect.attempt))
    if row is None:
        return GuardFailed("UnitVerdict", RowState(unit.state))
    is_decided = row.state == "DECIDED"
    if is_decided and row.verdict == effect.outcome:
        return False
    is_its = row.attempt == unit.attempt and unit.state == "VERIFYING"
    if is_decided or not is_its or effect.operator != row.operator:
        return GuardFailed("UnitVerdict", RowState(unit.state))
    if rejects(effect):
        done = fail(draft, unit, _failure(row, effect), VERIFYING)
    else:
        done = units.complete(draft, unit, _completion(row, effect), VERIFYING)
    refusal = _fines(draft, row, effect)
    if refusal is not None:
        return refusal
    if isinstance(done, bool):
        _decide(draft, row, effect)
    return done


def refute(draft: Draft, effect: UnitVerdict) -> Refusal | None:
    """Replace the verdict on a settled result that a later check found invalid.

    The charge and the operator's share are moved by the dispute, not here.
    """
    row = draft.checks.get((effect.job, effect.unit, effect.attempt))
    if row is None or row.state != "DECIDED" or effect.operator != row.operator:
        found = GuardReason.ABSENT if row is None else RowState(row.state)
        return GuardFailed("UnitVerdict", found)
    refusal = _fines(draft, row, effect)
    if refusal is None:
        _decide(draft, row, effect)
    return refusal


def _decide(draft: Draft, row: CheckRow, effect: UnitVerdict) -> None:
    decided = attrs.evolve(
        row,
        state="DECIDED",
        verdict=effect.outcome,
        said=effect.said[:SAID_MAX],
        verifier_id=effect.verifier,
        decided_at=draft.now,
        strike=effect.strike,
        withdrawn=effect.withdrawn,
        verifier_class=effect.verifier_class,
        reason=effect.reason,
        method=effect.method,
    )
    if effect.comparison is not None:
        decided = attrs.evolve(decided, **attrs.asdict(effect.comparison))
    draft.checks.put(row.id, decided)


def _fines(draft: Draft, row: CheckRow, effect: UnitVerdict) -> Refusal | None:
    if effect.withdrawn:
        return return_fines(draft, row)
    return forfeit(draft, row, effect.fine) if effect.strike and effect.fine > 0 else None


def rejects(effect: UnitVerdict) -> bool:
    """Return True if the verdict rejects the result."""
    return effect.outcome == "invalid"


def _completion(row: CheckRow, effect: UnitVerdict) -> UnitComplete:
    paid = earns(row, effect.outcome, pays=effect.pays)
    done = UnitComplete(
        *DELIVERED(row),
        receipt=effect.receipt,
        free=not costs(row, effect.outcome, pays=effect.pays),
    )
    return attrs.evolve(done, verified=paid, operator=row.operator if paid else None)


def _failure(row: CheckRow, effect: UnitVerdict) -> UnitFail:
    return UnitFail(
        job=row.job,
        unit=row.unit,
        attempt=row.attempt,
        node=row.node,
        error_class="scene" if effect.withdrawn else "node",
        error=f"a check rejected the result: {effect.said}",
        error_code="invalid",
        retry_at=effect.retry_at,
    )


def forfeit(draft: Draft, row: CheckRow, fine: int) -> Refusal | None:
    """Take a fine from the pending shares of the operator of an invalid result."""
    operator, of_unit = operator_of(row.operator), (row.job, row.unit)
    is_withdrawn = any(one.withdrawn for one in draft.checks.all() if one.id[:2] == of_unit)
    if operator is None or row.operator is None or is_withdrawn:
        return None
    taken = list[EarningRow]()
    for share in _pending(draft, operator):
        if sum(one.amount for one in taken) >= fine:
            break
        taken.append(share)
    for share in taken:
        draft.earnings.put((share.job_id, share.unit), attrs.evolve(share, state="FORFEITED"))
        noted = FineRow(share.id, *row.id, draft.now)
        draft.fines.put(noted.id, noted)
    amount = sum(one.amount for one in taken)
    return _move(draft, (row.operator, REVENUE, row.operator), amount, reference_of(row.id), FINED)


def return_fines(draft: Draft, last: CheckRow) -> Refusal | None:
    """Pay the fines for a unit's results back, as its scene turned out to be at fault.

    ``last``: the check of the unit's last result; if it was not drawn for a comparison, nothing is
    paid back. The same holds if a result with the same picture was certain to be compared: a new
    account, which risks nothing, could otherwise excuse another's invalid result. A share stays
    forfeited if its creator was refunded after a dispute, which would have reversed it.
    """
    unit = last.id[:2]
    results = [one for one in draft.checks.all() if one.id[:2] == unit and one.drawn]
    alike = [one for one in results if one.picture == last.picture]
    if not last.drawn or any(one.odds is None or one.odds >= 1 for one in alike):
        return None
    shares = {share.id: share for share in draft.earnings.all()}
    returned: dict[tuple[str, CheckId], int] = {}
    for noted in draft.fines.all():
        share, invalid = shares[noted.share_id], noted.id[1]
        dispute = draft.disputes.get((share.job_id, share.unit))
        is_upheld = dispute is not None and dispute.state == "UPHELD"
        if noted.returned_at is not None or invalid[:2] != unit or is_upheld:
            continue
        draft.earnings.put((share.job_id, share.unit), attrs.evolve(share, state="PENDING"))
        draft.fines.put(noted.id, attrs.evolve(noted, returned_at=draft.now))
        of = (share.account, invalid)
        returned[of] = returned.get(of, 0) + share.amount
    for (account, invalid), amount in sorted(returned.items()):
        sides, reference = (REVENUE, account, account), f"{reference_of(invalid)}:back"
        refusal = _move(draft, sides, amount, reference, RETURNED)
        if refusal is not None:
            return refusal
    return None


def reference_of(invalid: CheckId) -> str:
    """Return the reference of the fine for a result."""
    job, unit, attempt = invalid
    return f"fine:{job}:{unit}:{attempt}"


def _move(
    draft: Draft, sides: tuple[str, str, str], amount: int, reference: str, words: str
) -> Refusal | None:
    moved = amount == 0 or book(draft, Transfer(*sides, amount, "FINE", reference, words))
    return None if isinstance(moved, bool) else moved


def _pending(draft: Draft, operator: UUID) -> Iterator[EarningRow]:
    """Yield an operator's pending shares that the batch has locked, newest first."""
    found = [
        share
        for share in draft.earnings.all()
        if (share.operator_id, share.state) == (operator, "PENDING")
    ]
    yield from sorted(found, key=lambda share: (share.earned_at, share.id), reverse=True)
