"""Transfers and holds in a draft of the books; only this module moves money and changes holds.

Functions that return ``bool | Refusal`` return True if they changed something, False if the posting
was booked before, or the reason for refusing it.
"""

from typing import TypeAlias
from uuid import UUID

from actors.ledger.draft import Draft
from actors.ledger.effects import JobInsert, Transfer
from actors.ledger.messages import (
    Booked,
    ExistsWithOtherAmount,
    GuardFailed,
    GuardReason,
    HoldClosed,
    InsufficientCredits,
)
from sql.account_names import REVENUE, user_account, work_reference
from sql.books import AccountRow, HoldRow, TransferRow, evolve

Refusal: TypeAlias = ExistsWithOtherAmount | GuardFailed | HoldClosed | InsufficientCredits


def book(draft: Draft, order: Transfer, *, named: bool = True) -> bool | Refusal:
    """Book a transfer once. ``named``: the commit's outcome contains its entry."""
    before = draft.transfers.get((order.subject, order.kind, order.reference))
    if before is None:
        refusal = _refusal(draft, order)
        if refusal is not None:
            return refusal
        row = draft.enter(order)
    else:
        row = before
        if (row.amount, row.debit, row.credit) != (order.amount, order.debit, order.credit):
            return ExistsWithOtherAmount(order.reference)
    if named:
        draft.booked.append(_booked(row))
    return before is None


def is_closed(draft: Draft, user: UUID) -> bool:
    """Return True if a user was deleted, so that they get no new jobs, holds or purchases."""
    account = draft.accounts.get(user_account(user))
    return account is not None and account.is_closed


def hold_units(draft: Draft, insert: JobInsert) -> Refusal | None:
    """Hold the prices of a new job's units, one hold for each price above 0: all or none."""
    prices = {
        work_reference(insert.job, number): piece.price
        for number, piece in enumerate(insert.plan.units)
        if piece.price
    }
    if not prices:
        return None
    account = draft.accounts.get(user_account(insert.user))
    if account is None or any(draft.holds.get(reference) for reference in prices):
        return GuardFailed("JobInsert", GuardReason.INVALID)
    short = _short(account, sum(prices.values()))
    if short is not None:
        return short
    for reference, price in prices.items():
        hold = HoldRow(draft.new_id(), account.name, reference, price, draft.now)
        draft.holds.put(reference, hold)
    draft.accounts.put(account.name, account.holding(account.held + sum(prices.values())))
    return None


def settle(
    draft: Draft,
    reference: str,
    *,
    operator: str | None = None,
    share_percent: int = 0,
    description: str = "",
    receipt: bytes | None = None,
) -> bool | Refusal:
    """Charge a whole hold to revenue, and pay the operator's share from revenue.

    If no hold has this reference, nothing is settled: free work has none. ``operator``: the account
    that gets the share; None: no share is paid. ``share_percent``: of the charge, rounded down.
    ``receipt``: the hash of the receipt for the charge.
    """
    hold = draft.holds.get(reference)
    if hold is None:
        return False
    if hold.state == "SETTLED":
        return False
    if hold.state != "OPEN":
        return HoldClosed(reference)
    _close(draft, hold, "SETTLED", hold.amount)
    payer, of_work = hold.account, (reference, description, receipt)
    transfers = [Transfer(payer, REVENUE, payer, hold.amount, "USAGE", *of_work)]
    share = hold.amount * share_percent // 100
    if operator is not None and share > 0:
        transfers.append(Transfer(REVENUE, operator, operator, share, "EARNING", *of_work))
    for transfer in transfers:
        moved = book(draft, transfer, named=False)
        if moved is not True:  # False: the reference has this transfer already
            return ExistsWithOtherAmount(reference) if moved is False else moved
    return True


def release(draft: Draft, reference: str) -> bool | Refusal:
    """Release a whole hold. If no hold has this reference, nothing is released."""
    hold = draft.holds.get(reference)
    if hold is None or hold.state == "RELEASED":
        return False
    if hold.state == "SETTLED":
        return HoldClosed(reference)
    _close(draft, hold, "RELEASED", 0)
    return True


def reopen(draft: Draft, reference: str) -> bool | Refusal:
    """Hold the amount of a released hold again, if the account has it available."""
    hold = draft.holds.get(reference)
    if hold is None or hold.state == "OPEN":
        return False
    if hold.state == "SETTLED":
        return HoldClosed(reference)
    account = draft.accounts.get(hold.account)
    assert account is not None, "a hold's account is locked with it"
    short = _short(account, hold.amount)
    if short is not None:
        return short
    opened = evolve(hold, state="OPEN", closed_at=None, created_at=draft.now)
    draft.holds.put(reference, opened)
    draft.accounts.put(account.name, account.holding(account.held + hold.amount))
    return True


def booked_before(draft: Draft, order: Transfer) -> Booked | None:
    """Return the subject's entry if this transfer was booked before."""
    before = draft.transfers.get((order.subject, order.kind, order.reference))
    return None if before is None else _booked(before)


def _refusal(draft: Draft, order: Transfer) -> Refusal | None:
    debit, credit = draft.accounts.get(order.debit), draft.accounts.get(order.credit)
    if debit is None or credit is None or debit is credit:
        return GuardFailed("Transfer", GuardReason.INVALID)
    if order.subject not in (order.debit, order.credit) or order.amount < 1:
        return GuardFailed("Transfer", GuardReason.INVALID)
    return _short(debit, order.amount)


def _short(account: AccountRow, amount: int) -> InsufficientCredits | None:
    if account.may_overdraw or account.available >= amount:
        return None
    return InsufficientCredits(available=account.available, requested=amount)


def _close(draft: Draft, hold: HoldRow, state: str, settled: int) -> None:
    account = draft.accounts.get(hold.account)
    assert account is not None, "a hold's account is locked with it"
    closed = evolve(hold, state=state, settled=settled, closed_at=draft.now)
    draft.holds.put(hold.reference, closed)
    draft.accounts.put(account.name, account.holding(account.held - hold.amount))


def _booked(transfer: TransferRow) -> Booked:
    entry = transfer.entry
    return Booked(
        id=entry.id,
        entry_id=entry.entry_id if transfer.id else 0,  # known once it is written
        amount=entry.amount,
        kind=transfer.kind,
        reference=transfer.reference,
        description=transfer.description,
        balance_after=entry.after,
        created_at=transfer.created_at,
    )
