"""Disputes over a draft of the books: a creator opens one per unit, and an admin decides it.

A refund is another transfer. The unit stays COMPLETED, and its receipt stays as it was signed, with
the entry that charged for it; the API shows beside a receipt that it was withdrawn.
"""

import attrs

from actors.ledger.commands.checks import refute
from actors.ledger.draft import Draft
from actors.ledger.fines import is_ripe
from actors.ledger.messages import (
    REVENUE,
    SUSPENSE,
    GuardFailed,
    Transfer,
    operator_account,
    user_account,
    work_reference,
)
from actors.ledger.postings import Refusal, book
from actors.paymaster.messages import DisputeDecide, DisputeOpen
from sql.earnings import DisputeRow, EarningRow

# Reasons to refuse a dispute, besides the state of a unit that is not COMPLETED.
WORDS = "Dispute upheld"
UNCHARGED, CLOSED, DISPUTED = "uncharged", "closed", "disputed"


def open_dispute(draft: Draft, effect: DisputeOpen) -> bool | Refusal:
    """Open a dispute within the window.

    It replaces a rejected dispute that the gateway opened.
    """
    key = (effect.job, effect.unit)
    before = draft.disputes.get(key)
    if before is not None and before.id == effect.id:
        return False
    wrong = _wrong(draft, effect)
    if wrong is not None:
        return GuardFailed("DisputeOpen", wrong)
    if before is not None and not _gives_way(before, effect):
        return GuardFailed("DisputeOpen", DISPUTED)
    hold = draft.holds.get(work_reference(*key))
    assert hold is not None, "it was charged"
    opened = DisputeRow(
        *(effect.id, *key, effect.user, effect.reason),
        charge=hold.settled,
        opened_at=draft.now,
        by_gateway=effect.by_gateway,
    )
    draft.disputes.put(key, opened)
    return True


def _gives_way(before: DisputeRow, effect: DisputeOpen) -> bool:
    return before.by_gateway and before.state == "REJECTED" and not effect.by_gateway


def decide_dispute(draft: Draft, effect: DisputeDecide) -> bool | Refusal:
    """Decide a dispute: refund the charge, or release the share once its window is over."""
    key = (effect.job, effect.unit)
    found = draft.disputes.get(key)
    if found is None or found.user_id != effect.creator:
        return GuardFailed("DisputeDecide", "")
    state = "UPHELD" if effect.upheld else "REJECTED"
    if found.state != "OPEN":
        return False if found.state == state else GuardFailed("DisputeDecide", found.state)
    share = draft.earnings.get(key)
    if effect.upheld:
        reversed_ = _give_back(draft, found, share)
        if not isinstance(reversed_, bool):
            return reversed_
    if share is not None and share.state == "PENDING":
        after = "REVERSED" if effect.upheld else "PAYABLE"
        if effect.upheld or is_ripe(draft, share):
            draft.earnings.put(key, attrs.evolve(share, state=after))
    decided = attrs.evolve(found, state=state, decision=effect.reason, decided_at=draft.now)
    draft.disputes.put(key, decided)
    refusal = None if effect.verdict is None else refute(draft, effect.verdict)
    return True if refusal is None else refusal


def _wrong(draft: Draft, effect: DisputeOpen) -> str | None:
    """Return the reason to refuse the dispute; '' if this user has no such unit."""
    key = (effect.job, effect.unit)
    job, unit = draft.jobs.get(effect.job), draft.units.get(key)
    if job is None or unit is None or job.user_id != effect.user:
        return ""
    if unit.state != "COMPLETED" or unit.ended_at is None:
        return unit.state
    hold, share = draft.holds.get(work_reference(*key)), draft.earnings.get(key)
    if hold is None or hold.settled == 0:
        return UNCHARGED
    if share is not None and share.state in ("PAYABLE", "PAID"):
        return CLOSED  # a gateway whose clock is ahead has closed it
    closes = unit.ended_at + effect.window if share is None else share.payable_at
    # The gateway can still withhold a share after its window while the share is pending.
    return CLOSED if draft.now >= closes and not effect.by_gateway else None


def refund_of(draft: Draft, found: DisputeRow) -> Transfer | None:
    """Return the amount to refund: the charge less what an admin has already refunded by hand."""
    work, creator = work_reference(found.job_id, found.unit), user_account(found.user_id)
    before = draft.transfers.get((creator, "REFUND", work))
    amount = found.charge - (0 if before is None else before[0].amount)
    if amount <= 0:
        return None
    reference = work if before is None else dispute_reference(found)
    return Transfer(REVENUE, creator, creator, amount, "REFUND", reference, WORDS)


def dispute_reference(found: DisputeRow) -> str:
    """Return the reference of a partial refund; a full one is booked under the unit's reference."""
    return f"dispute:{found.job_id}:{found.unit}"


def _give_back(draft: Draft, found: DisputeRow, share: EarningRow | None) -> bool | Refusal:
    """Move the share to revenue, unless it went there as a fine; and refund the whole charge."""
    refund = refund_of(draft, found)
    transfers = [] if refund is None else [refund]
    if share is not None and share.state != "FORFEITED":
        if share.state != "PENDING":
            return GuardFailed("DisputeDecide", share.state)
        work = work_reference(found.job_id, found.unit)
        transfers.insert(0, _reversal(share, work, WORDS))
    for transfer in transfers:
        moved = book(draft, transfer)
        if not isinstance(moved, bool):
            return moved
    return True


def _reversal(share: EarningRow, reference: str, words: str) -> Transfer:
    earner = SUSPENSE if share.operator_id is None else operator_account(share.operator_id)
    return Transfer(earner, REVENUE, earner, share.amount, "REVERSAL", reference, words)
