"""Effects on operators' earnings, over a draft of the books, each with its guard.

Each function returns True if it changed something, False if it was done before, or a refusal.
"""

from uuid import UUID

import attrs

from actors.ledger.commands.disputes import dispute, judge
from actors.ledger.commands.payouts import of_payout
from actors.ledger.draft import Draft
from actors.ledger.fines import is_ripe
from actors.ledger.messages import (
    SUSPENSE,
    GuardFailed,
    Transfer,
    UnitComplete,
    operator_account,
    work_reference,
)
from actors.ledger.postings import Refusal, book
from actors.paymaster.messages import (
    DisputeDecide,
    DisputeOpen,
    EarningClaim,
    EarningMature,
    OfPayout,
    OfUnit,
    OperatorEffect,
)
from sql.books import UnitRow
from sql.earnings import OPERATOR, EarningRow

OWED = ("PENDING", "PAYABLE")


def of_operator(draft: Draft, effect: OperatorEffect) -> bool | Refusal:
    """Apply one effect."""
    if isinstance(effect, OfPayout):
        return of_payout(draft, effect)
    return _of_unit(draft, effect)


def earned(draft: Draft, unit: UnitRow, effect: UnitComplete) -> None:
    """Record the share that the completion of a unit has just paid."""
    found = draft.transfers.get((effect.operator or "", "EARNING", _reference(effect)))
    if found is None or effect.operator is None:
        return  # it cost nothing, or the share rounds to zero
    transfer, _ = found
    key = (unit.job_id, unit.number)
    share = EarningRow(
        id=draft.uuid(),
        job_id=unit.job_id,
        unit=unit.number,
        node_id=effect.node,
        operator_id=_operator(effect.operator),
        amount=transfer.amount,
        state="PENDING",
        earned_at=draft.now,
        payable_at=draft.now + effect.dispute_window,
    )
    draft.earnings.put(key, share)


def _operator(account: str) -> UUID | None:
    return None if account == SUSPENSE else UUID(account.removeprefix(OPERATOR))


def _reference(effect: UnitComplete) -> str:
    return work_reference(effect.job, effect.unit)


def _of_unit(draft: Draft, effect: OfUnit) -> bool | Refusal:
    if isinstance(effect, DisputeOpen):
        return dispute(draft, effect)
    if isinstance(effect, DisputeDecide):
        return judge(draft, effect)
    if isinstance(effect, EarningMature):
        return _mature(draft, effect)
    share = draft.earnings.get((effect.job, effect.unit))
    if share is None:
        return GuardFailed(type(effect).__name__, "")
    return _claim(draft, share, effect)


def _mature(draft: Draft, effect: EarningMature) -> bool | Refusal:
    """Make a share payable once it is ripe and in no open dispute."""
    key = (effect.job, effect.unit)
    share, unit, disputed = draft.earnings.get(key), draft.units.get(key), draft.disputes.get(key)
    may = unit is not None and unit.verified and (disputed is None or disputed.state != "OPEN")
    state = "" if share is None else share.state
    if share is not None and may and state == "PENDING" and is_ripe(draft, share):
        draft.earnings.put(key, attrs.evolve(share, state="PAYABLE"))
        return True
    return False if state in ("PAYABLE", "PAID") else GuardFailed("EarningMature", state)


def _claim(draft: Draft, share: EarningRow, effect: EarningClaim) -> bool | Refusal:
    if share.operator_id is not None:
        same = share.operator_id == effect.owner
        return False if same else GuardFailed("EarningClaim", share.state)
    if share.state not in OWED:
        return GuardFailed("EarningClaim", share.state)
    owner = operator_account(effect.owner)
    reference = work_reference(effect.job, effect.unit)
    words = "Earned before the node had an owner"
    moved = book(
        draft, Transfer(SUSPENSE, owner, SUSPENSE, share.amount, "CLAIM", reference, words)
    )
    if not isinstance(moved, bool):
        return moved
    claimed = attrs.evolve(share, operator_id=effect.owner)
    draft.earnings.put((effect.job, effect.unit), claimed)
    return True
