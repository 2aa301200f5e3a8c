"""Effects of deliveries and verdicts on a draft of the books; money moves only with the verdict.

A result is booked in two steps. ``UnitDeliver``: the unit is VERIFYING, and its check is recorded;
a draw decides whether a verifier compares the result. ``UnitVerdict``: a valid result ends any
other attempt, settles the hold, pays the operator's share, stores the receipt and completes the
unit; an invalid one counts as a failure of its node. Then fines are taken, and the check is closed.

Functions that return ``bool | Refusal`` return True if they changed something, False if the effect
was applied before, or the reason for refusing it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ledger import fines
from actors.ledger.commands import units
from actors.ledger.draft import Draft
from actors.ledger.effects import UnitComplete, UnitDeliver, UnitFail, UnitVerdict, costs, earns
from actors.ledger.failure_consequences import SAID_MAX
from actors.ledger.messages import GuardFailed
from actors.ledger.postings import Refusal
from actors.ledger.unit_changes import change
from rendertrust.job_status import AT_WORK, UnitStatus
from sql.account_names import operator_of
from sql.books import UnitRow, evolve
from sql.checks import CheckRow
from sql.sampling import covered_odds

VERIFYING: Final[frozenset[UnitStatus]] = frozenset({"VERIFYING"})
OVERTAKEN: Final = "another node was faster"
Fail: TypeAlias = Callable[[Draft, UnitRow, UnitFail, frozenset[UnitStatus]], bool | Refusal]


def deliver(draft: Draft, unit: UnitRow, effect: UnitDeliver) -> bool | Refusal:
    """Record the delivery of a unit's result; the unit then waits for its verdict."""
    ours = (unit.attempt, unit.node_id) == (effect.attempt, effect.node)
    if ours and unit.state in ("VERIFYING", "COMPLETED"):
        return False
    if not ours or unit.state not in AT_WORK:
        return GuardFailed("UnitDeliver", unit.state)
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
    change(draft, unit, waiting)
    return True


def open_check(draft: Draft, unit: UnitRow, effect: UnitDeliver) -> None:
    """Record the check of a delivered result, and whether the result is drawn for a comparison."""
    is_drawn, odds = _draw_comparison(draft, unit, effect)
    result = effect.result
    row = CheckRow(
        job_id=result.job,
        unit=result.unit,
        attempt=result.attempt,
        node_id=result.node,
        device_class=effect.device_class,
        result_ref=result.result_ref,
        sha256=result.sha256,
        size=result.size,
        work=effect.work,
        node_signature=effect.node_signature,
        evidence_sha256=effect.evidence_sha256,
        evidence_size=effect.evidence_size,
        verified=result.verified,
        operator=result.operator,
        share_percent=result.share_percent,
        window_seconds=int(result.dispute_window.total_seconds()),
        opened_at=draft.now,
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
        ended = evolve(
            row, state="DECIDED", verdict="unverified", said=OVERTAKEN, decided_at=draft.now
        )
        draft.checks.put(row.id, ended)


def judge(
    draft: Draft, unit: UnitRow, effect: UnitVerdict, fail: Fail = units.fail
) -> bool | Refusal:
    """Apply a verdict: complete the unit or call ``fail``, take fines, and close the check."""
    row = draft.checks.get((unit.job_id, unit.number, effect.attempt))
    if row is None:
        return GuardFailed("UnitVerdict", unit.state)
    if row.state == "DECIDED":
        return False if row.verdict == effect.outcome else GuardFailed("UnitVerdict", unit.state)
    is_its = row.attempt == unit.attempt and unit.state == "VERIFYING"
    if not is_its or effect.operator != row.operator:
        return GuardFailed("UnitVerdict", unit.state)
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
        return GuardFailed("UnitVerdict", "" if row is None else row.state)
    refusal = _fines(draft, row, effect)
    if refusal is None:
        _decide(draft, row, effect)
    return refusal


def _decide(draft: Draft, row: CheckRow, effect: UnitVerdict) -> None:
    decided = evolve(
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
    )
    if effect.comparison is not None:
        decided = evolve(decided, **attrs.asdict(effect.comparison))
    draft.checks.put(row.id, decided)


def _fines(draft: Draft, row: CheckRow, effect: UnitVerdict) -> Refusal | None:
    if effect.withdrawn:
        return fines.return_fines(draft, row)
    return fines.forfeit(draft, row, effect.fine) if effect.strike and effect.fine > 0 else None


def rejects(effect: UnitVerdict) -> bool:
    """Return True if the verdict rejects the result."""
    return effect.outcome == "invalid"


def _completion(row: CheckRow, effect: UnitVerdict) -> UnitComplete:
    paid = earns(row, effect.outcome, pays=effect.pays)
    return UnitComplete(
        job=row.job_id,
        unit=row.unit,
        attempt=row.attempt,
        node=row.node_id,
        result_ref=row.result_ref,
        sha256=row.sha256,
        size=row.size,
        verified=paid,
        operator=row.operator if paid else None,
        share_percent=row.share_percent,
        dispute_window=timedelta(seconds=row.window_seconds),
        receipt=effect.receipt,
        free=not costs(row, effect.outcome, pays=effect.pays),
    )


def _failure(row: CheckRow, effect: UnitVerdict) -> UnitFail:
    return UnitFail(
        job=row.job_id,
        unit=row.unit,
        attempt=row.attempt,
        node=row.node_id,
        error_class="scene" if effect.withdrawn else "node",
        error=f"a check rejected the result: {effect.said}",
        error_code="invalid",
        retry_at=effect.retry_at,
    )
