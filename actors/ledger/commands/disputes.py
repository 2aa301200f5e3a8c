"""Effects of disputes on a draft of the books: a creator or the gateway opens one for a unit.

A refund is a new transfer. The unit stays COMPLETED, and its signed receipt and the entry of its
charge stay unchanged; the API states beside the receipt that it was withdrawn.
"""

import attrs

from actors.ledger.commands.checks import refute
from actors.ledger.commands.earnings import can_mature
from actors.ledger.draft import Draft
from actors.ledger.effects import DisputeDecide, DisputeOpen, Transfer
from actors.ledger.messages import Found, GuardFailed, GuardReason, RowState
from actors.ledger.postings import Refusal, book
from sql.account_names import REVENUE, user_account, work_reference
from sql.earnings import ComparisonRow, DisputeRow, EarningRow

WORDS = "Dispute upheld"
# Reasons to refuse a dispute of a COMPLETED unit.


def open_dispute(draft: Draft, effect: DisputeOpen) -> bool | Refusal:
    """Open a dispute of a unit: a creator's within the dispute window, a gateway's also later.

    A creator's dispute replaces a rejected one of the gateway, and a gateway's a rejected one of
    the creator.
    """
    key = (effect.job, effect.unit)
    before = draft.disputes.get(key)
    if before is not None and before.id == effect.id:
        return False
    reason = _reason_to_refuse(draft, effect)
    if reason is not None:
        return GuardFailed("DisputeOpen", reason)
    if before is not None and not _is_replaceable(before, effect):
        return GuardFailed("DisputeOpen", GuardReason.DISPUTED)
    hold = draft.holds.get(work_reference(*key))
    assert hold is not None, "a charged unit has a hold"
    opened = DisputeRow(
        *(effect.id, *key, effect.user, effect.reason),
        charge=hold.settled,
        opened_at=draft.now,
        by_gateway=effect.by_gateway,
    )
    draft.disputes.put(key, opened)
    if effect.comparison is not None:
        draft.comparisons.put(effect.id, ComparisonRow(effect.id, effect.comparison))
    return True


def _is_replaceable(before: DisputeRow, effect: DisputeOpen) -> bool:
    return before.state == "REJECTED" and before.by_gateway != effect.by_gateway


def decide_dispute(draft: Draft, effect: DisputeDecide) -> bool | Refusal:
    """Decide a dispute: refund the charge, or make the share payable if its window is over."""
    key = (effect.job, effect.unit)
    found = draft.disputes.get(key)
    if found is None or found.user_id != effect.creator:
        return GuardFailed("DisputeDecide", GuardReason.ABSENT)
    state = "UPHELD" if effect.upheld else "REJECTED"
    if found.state != "OPEN":
        is_same = found.state == state
        return False if is_same else GuardFailed("DisputeDecide", RowState(found.state))
    share = draft.earnings.get(key)
    if effect.upheld:
        reversed_ = _refund(draft, found, share)
        if not isinstance(reversed_, bool):
            return reversed_
    if share is not None and share.state == "PENDING":
        after = "REVERSED" if effect.upheld else "PAYABLE"
        if effect.upheld or can_mature(draft, share):
            draft.earnings.put(key, attrs.evolve(share, state=after))
    decided = attrs.evolve(found, state=state, decision=effect.reason, decided_at=draft.now)
    draft.disputes.put(key, decided)
    refusal = None if effect.verdict is None else refute(draft, effect.verdict)
    return True if refusal is None else refusal


def _reason_to_refuse(draft: Draft, effect: DisputeOpen) -> Found | None:
    """Return the reason to refuse opening a dispute; ABSENT if the unit is not the user's."""
    key = (effect.job, effect.unit)
    job, unit = draft.jobs.get(effect.job), draft.units.get(key)
    if job is None or unit is None or job.user_id != effect.user:
        return GuardReason.ABSENT
    if unit.state != "COMPLETED" or unit.ended_at is None:
        return RowState(unit.state)
    hold, share = draft.holds.get(work_reference(*key)), draft.earnings.get(key)
    if hold is None or hold.settled == 0:
        return GuardReason.UNCHARGED
    if share is not None and share.state in ("PAYABLE", "PAID"):
        # a share that is payable or paid can no longer be withheld
        return GuardReason.WINDOW_CLOSED
    closes = unit.ended_at + effect.window if share is None else share.payable_at
    # The gateway may still dispute a unit after the window, while its share is pending.
    is_over = draft.now >= closes and not effect.by_gateway
    return GuardReason.WINDOW_CLOSED if is_over else None


def refund_of(draft: Draft, found: DisputeRow) -> Transfer | None:
    """Return the transfer that refunds a charge, less an admin's earlier refund; None if 0."""
    work, creator = work_reference(found.job_id, found.unit), user_account(found.user_id)
    before = draft.transfers.get((creator, "REFUND", work))
    amount = found.charge - (0 if before is None else before.amount)
    if amount <= 0:
        return None
    reference = work if before is None else dispute_reference(found)
    return Transfer(REVENUE, creator, creator, amount, "REFUND", reference, WORDS)


def dispute_reference(found: DisputeRow) -> str:
    """Return the reference of a dispute's refund if an admin has refunded a part of the charge."""
    return f"dispute:{found.job_id}:{found.unit}"


def _refund(draft: Draft, found: DisputeRow, share: EarningRow | None) -> bool | Refusal:
    """Move the share to revenue, unless a fine has moved it there; and refund the charge."""
    refund = refund_of(draft, found)
    transfers = [] if refund is None else [refund]
    if share is not None and share.state != "FORFEITED":
        if share.state != "PENDING":
            return GuardFailed("DisputeDecide", RowState(share.state))
        work = work_reference(found.job_id, found.unit)
        transfers.insert(0, _reversal(share, work, WORDS))
    for transfer in transfers:
        moved = book(draft, transfer)
        if not isinstance(moved, bool):
            return moved
    return True


def _reversal(share: EarningRow, reference: str, words: str) -> Transfer:
    earner = share.account
    return Transfer(earner, REVENUE, earner, share.amount, "REVERSAL", reference, words)
