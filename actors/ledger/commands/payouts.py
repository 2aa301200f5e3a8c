"""Payouts over a draft of the books: to credits at once, to money through an approved batch."""

import attrs

from actors.ledger.draft import Draft
from actors.ledger.messages import (
    PAYOUTS,
    GuardFailed,
    Transfer,
    operator_account,
    user_account,
)
from actors.ledger.postings import Refusal, book
from actors.paymaster.messages import OfPayout, PayoutApprove, PayoutPay, PayoutReject, PayoutTake
from sql.earnings import PayableRow, PayoutRow

NOTHING = "nothing"  # is payable


def payout_reference(payout: PayoutRow) -> str:
    """The reference of a payout's transfer."""
    return f"payout:{payout.id}"


def of_payout(draft: Draft, effect: OfPayout) -> bool | Refusal:
    """Apply one effect."""
    if isinstance(effect, PayoutTake):
        return _take(draft, effect)
    payout = draft.payouts.found.get(effect.id) and draft.payouts.get(effect.id)
    if payout is None:
        return GuardFailed(type(effect).__name__, "")
    if isinstance(effect, PayoutApprove):
        return _approve(draft, payout, effect)
    if isinstance(effect, PayoutReject):
        return _reject(draft, payout, effect)
    return _pay(draft, payout, effect)


def _take(draft: Draft, effect: PayoutTake) -> bool | Refusal:
    """Pay out everything that was payable as the batch began."""
    if draft.payouts.get(effect.id) is not None:
        return False
    payable = draft.payable.get(effect.operator)
    if payable is None or payable.units == 0:
        return GuardFailed("PayoutTake", NOTHING)
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
        return GuardFailed("PayoutApprove", payout.state)
    draft.payouts.put(payout.id, attrs.evolve(payout, state="APPROVED", batch_id=effect.batch))
    return True


def _reject(draft: Draft, payout: PayoutRow, effect: PayoutReject) -> bool | Refusal:
    if payout.state == "REJECTED":
        return False
    if payout.state not in (("REQUESTED", "APPROVED") if effect.not_paid else ("REQUESTED",)):
        return GuardFailed("PayoutReject", payout.state)
    rejected = attrs.evolve(payout, state="REJECTED", closed_at=draft.now)
    draft.payouts.put(payout.id, rejected)
    return True


def _pay(draft: Draft, payout: PayoutRow, effect: PayoutPay) -> bool | Refusal:
    if payout.state == "PAID" and payout.reference == effect.reference:
        return False
    if payout.state != "APPROVED":
        return GuardFailed("PayoutPay", payout.state)
    moved = book(draft, _transfer(payout, PAYOUTS, "Earnings paid out as money"))
    if not isinstance(moved, bool):
        return moved
    paid = attrs.evolve(payout, state="PAID", reference=effect.reference, closed_at=draft.now)
    draft.payouts.put(payout.id, paid)
    return True
