"""Effects on operators' shares: earned with a charge, moved from suspense to the node's owner, made
payable, and paid out.

Payouts of credits happen at once, those of money in an approved batch. Functions that return
``bool | Refusal`` return True if they changed something, False if the effect was applied before, or
the reason for refusing it.
"""

import attrs

from actors.ledger.draft import Draft
from actors.ledger.effects import (
    EarningClaim,
    EarningMature,
    OfPayout,
    PayoutApprove,
    PayoutPay,
    PayoutReject,
    PayoutTake,
    Transfer,
    UnitComplete,
)
from actors.ledger.messages import GuardFailed, GuardReason, RowState
from actors.ledger.postings import Refusal, book
from sql.account_names import (
    PAYOUTS,
    SUSPENSE,
    operator_account,
    operator_of,
    user_account,
    work_reference,
)
from sql.books import UnitRow
from sql.earnings import SHARES_MOST, EarningRow, PayableRow, PayoutRow

OWED = ("PENDING", "PAYABLE")


def earned(draft: Draft, unit: UnitRow, effect: UnitComplete) -> None:
    """Record the operator's share that was paid when the unit was completed."""
    found = draft.transfers.get((effect.operator or "", "EARNING", _reference(effect)))
    if found is None or effect.operator is None:
        return  # the unit was free, or the share rounds to zero
    key = (unit.job_id, unit.number)
    share = EarningRow(
        id=draft.new_id(),
        job_id=unit.job_id,
        unit=unit.number,
        node_id=effect.node,
        operator_id=operator_of(effect.operator),
        amount=found.amount,
        state="PENDING",
        earned_at=draft.now,
        payable_at=draft.now + effect.dispute_window,
    )
    draft.earnings.put(key, share)


def _reference(effect: UnitComplete) -> str:
    return work_reference(effect.job, effect.unit)


def can_mature(draft: Draft, share: EarningRow) -> bool:
    """Return True if a share may become payable.

    Its dispute window is over, and all results that its operator delivered before the end of the
    window have their verdicts, or have waited longer than ``WITHHELD_MOST``.
    """
    waiting = None if share.operator_id is None else draft.waiting.get(share.operator_id)
    return draft.now >= share.payable_at and (waiting is None or waiting >= share.payable_at)


def mature(draft: Draft, effect: EarningMature) -> bool | Refusal:
    """Make a share payable after its dispute window, unless a dispute of its unit is open."""
    key = (effect.job, effect.unit)
    share, unit, disputed = draft.earnings.get(key), draft.units.get(key), draft.disputes.get(key)
    may = unit is not None and unit.verified and (disputed is None or disputed.state != "OPEN")
    if share is None:
        return GuardFailed("EarningMature", GuardReason.ABSENT)
    if may and share.state == "PENDING" and can_mature(draft, share):
        draft.earnings.put(key, attrs.evolve(share, state="PAYABLE"))
        return True
    is_ripe = share.state in ("PAYABLE", "PAID")
    return False if is_ripe else GuardFailed("EarningMature", RowState(share.state))


def claim(draft: Draft, effect: EarningClaim) -> bool | Refusal:
    """Move a share, earned while the node had no owner, from suspense to the node's owner."""
    share = draft.earnings.get((effect.job, effect.unit))
    if share is None:
        return GuardFailed("EarningClaim", GuardReason.ABSENT)
    if share.operator_id is not None:
        same = share.operator_id == effect.owner
        return False if same else GuardFailed("EarningClaim", RowState(share.state))
    if share.state not in OWED:
        return GuardFailed("EarningClaim", RowState(share.state))
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


# -- payouts


def payout_reference(payout: PayoutRow) -> str:
    """Return the reference of a payout's transfer."""
    return f"payout:{payout.id}"


def of_payout(draft: Draft, effect: OfPayout) -> bool | Refusal:
    """Apply one effect on a payout."""
    if isinstance(effect, PayoutTake):
        return _take(draft, effect)
    payout = draft.payouts.found.get(effect.id) and draft.payouts.get(effect.id)
    if payout is None:
        return GuardFailed(type(effect).__name__, GuardReason.ABSENT)
    if isinstance(effect, PayoutApprove):
        return _approve(draft, payout, effect)
    if isinstance(effect, PayoutReject):
        return _reject(draft, payout, effect)
    return _pay(draft, payout, effect)


def _take(draft: Draft, effect: PayoutTake) -> bool | Refusal:
    """Create a payout of the operator's payable shares that were read when the batch began."""
    if draft.payouts.get(effect.id) is not None:
        return False
    payable = draft.payable.get(effect.operator)
    if payable is None or payable.units == 0:
        return GuardFailed("PayoutTake", GuardReason.NOTHING_PAYABLE)
    if payable.amount < effect.minimum and payable.units < SHARES_MOST:
        return GuardFailed("PayoutTake", GuardReason.BELOW_MINIMUM)
    at_once = effect.kind == "CREDITS"
    payout = PayoutRow(
        id=effect.id,
        operator_id=effect.operator,
        kind=effect.kind,
        amount=payable.amount,
        units=payable.units,
        state="PAID" if at_once else "REQUESTED",
        requested_at=draft.now,
        closed_at=draft.now if at_once else None,
    )
    if at_once:
        words = "Earnings paid out as credits"
        moved = book(draft, _transfer(payout, user_account(effect.operator), words))
        if not isinstance(moved, bool):
            return moved
    draft.payable.put(effect.operator, PayableRow(effect.operator, 0, 0))
    draft.payouts.put(payout.id, payout)
    return True


def _transfer(payout: PayoutRow, to: str, words: str) -> Transfer:
    account = operator_account(payout.operator_id)
    return Transfer(account, to, account, payout.amount, "PAYOUT", payout_reference(payout), words)


def _approve(draft: Draft, payout: PayoutRow, effect: PayoutApprove) -> bool | Refusal:
    if payout.batch_id == effect.batch and payout.state != "REJECTED":
        return False
    if payout.state != "REQUESTED":
        return GuardFailed("PayoutApprove", RowState(payout.state))
    draft.payouts.put(payout.id, attrs.evolve(payout, state="APPROVED", batch_id=effect.batch))
    return True


def _reject(draft: Draft, payout: PayoutRow, effect: PayoutReject) -> bool | Refusal:
    if payout.state == "REJECTED":
        return False
    if payout.state not in (("REQUESTED", "APPROVED") if effect.not_paid else ("REQUESTED",)):
        return GuardFailed("PayoutReject", RowState(payout.state))
    rejected = attrs.evolve(payout, state="REJECTED", closed_at=draft.now)
    draft.payouts.put(payout.id, rejected)
    return True


def _pay(draft: Draft, payout: PayoutRow, effect: PayoutPay) -> bool | Refusal:
    if payout.state == "PAID" and payout.reference == effect.reference:
        return False
    if payout.state != "APPROVED":
        return GuardFailed("PayoutPay", RowState(payout.state))
    moved = book(draft, _transfer(payout, PAYOUTS, "Earnings paid out as money"))
    if not isinstance(moved, bool):
        return moved
    paid = attrs.evolve(payout, state="PAID", reference=effect.reference, closed_at=draft.now)
    draft.payouts.put(payout.id, paid)
    return True
