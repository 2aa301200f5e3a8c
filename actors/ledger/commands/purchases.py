"""Effects on purchases, applied to a draft of the books; Stripe's events may come in any order.

The furthest known state of each Stripe object is stored. How much of a purchase is refunded or
disputed follows from these states alone; only the difference from earlier postings is posted. So an
event may arrive twice, late, or before its purchase.
"""

from collections.abc import Iterable
from typing import Final

import attrs

from actors.ledger.draft import Draft
from actors.ledger.effects import (
    PurchaseEffect,
    PurchaseOpen,
    PurchaseSession,
    ReversalFact,
    SessionFact,
    StripeEvent,
    Transfer,
)
from actors.ledger.messages import GuardFailed, GuardReason, RowState
from actors.ledger.postings import Refusal, book, is_closed
from rendertrust import money
from sql.account_names import DISPUTES, PURCHASES, USER, debt_account, debt_of, user_account
from sql.purchases import PurchaseRow, ReversalRow, StripeEventRow

_RANK: Final = ("PENDING", "COUNTS", "VOID")
_UNPAID: Final = {"failed": "FAILED", "expired": "EXPIRED"}


def of_purchase(draft: Draft, effect: PurchaseEffect) -> bool | Refusal:
    """Apply one effect: return True if it changed something, False if it was applied before."""
    if isinstance(effect, PurchaseOpen):
        return _open(draft, effect)
    if isinstance(effect, PurchaseSession):
        return _session(draft, effect)
    return _event(draft, effect)


def _open(draft: Draft, effect: PurchaseOpen) -> bool | Refusal:
    before = draft.purchases.get(effect.purchase)
    terms = (effect.user, effect.sku, effect.units, effect.amount, effect.currency)
    if before is not None:
        kept = (before.user_id, before.sku, before.units, before.amount, before.currency)
        return False if kept == terms else GuardFailed("PurchaseOpen", RowState(before.state))
    if is_closed(draft, effect.user):
        return GuardFailed("PurchaseOpen", GuardReason.ACCOUNT_CLOSED)
    opened = PurchaseRow(effect.purchase, *terms, created_at=draft.now)
    draft.purchases.put(opened.id, opened)
    return True


def _session(draft: Draft, effect: PurchaseSession) -> bool | Refusal:
    row = draft.purchases.get(effect.purchase)
    if row is None or row.session not in (None, effect.session):
        found = GuardReason.ABSENT if row is None else RowState(row.state)
        return GuardFailed("PurchaseSession", found)
    if row.url is not None:
        return False
    if _is_of_another(draft, effect.session, row):
        return GuardFailed("PurchaseSession", RowState(row.state))
    draft.purchases.put(row.id, attrs.evolve(row, session=effect.session, url=effect.url))
    return True


def _event(draft: Draft, effect: StripeEvent) -> bool | Refusal:
    if draft.events.get(effect.event) is not None:
        return False
    fact, outcome = effect.fact, "IGNORED"
    if isinstance(fact, SessionFact):
        outcome = _session_fact(draft, fact)
    elif fact is not None:
        outcome = _reversal_fact(draft, fact)
    row = StripeEventRow(effect.event, effect.type, effect.object, outcome, draft.now)
    draft.events.put(row.id, row)
    return True


# -- payments


def _session_fact(draft: Draft, fact: SessionFact) -> str:
    row = _purchase_of(draft, fact)
    if row is None:
        return "IGNORED"
    if row.state == "PAID":
        return "REPEATED"
    if fact.state in _UNPAID:
        draft.purchases.put(row.id, attrs.evolve(row, state=_UNPAID[fact.state]))
        return "COUNTED"
    return _pay(draft, row, fact) if fact.state == "paid" else "IGNORED"


def _pay(draft: Draft, row: PurchaseRow, fact: SessionFact) -> str:
    """Credit the purchase if the payment matches its price.

    Then post refunds and disputes that were reported before the payment.
    """
    paid, price = (fact.amount, fact.currency), (row.amount, row.currency)
    if paid != price or row.session not in (None, fact.session):
        return "REFUSED"
    if _is_of_another(draft, fact.session, row):
        return "REFUSED"
    if fact.payment_intent is not None and purchase_paid_by(draft, fact.payment_intent) is not None:
        return "REFUSED"
    credited = attrs.evolve(
        row,
        state="PAID",
        session=fact.session,
        payment_intent=fact.payment_intent,
        paid_at=draft.now,
    )
    draft.purchases.put(row.id, credited)
    words = f"Purchase of {money.credit_count(row.units)}"
    account = user_account(row.user_id)
    _post(
        draft,
        Transfer(PURCHASES, account, PURCHASES, row.units, "STRIPE", fact.session, words),
    )
    reconcile(draft, credited, fact.session)
    return "COUNTED"


def _purchase_of(draft: Draft, fact: SessionFact) -> PurchaseRow | None:
    if fact.purchase is not None:
        return draft.purchases.get(fact.purchase)
    return next((row for row in draft.purchases.all() if row.session == fact.session), None)


def _is_of_another(draft: Draft, session: str, row: PurchaseRow) -> bool:
    others = (other for other in draft.purchases.all() if other.id != row.id)
    return any(other.session == session for other in others)


def purchase_paid_by(draft: Draft, payment_intent: str) -> PurchaseRow | None:
    """Return the purchase that was paid with this payment intent."""
    rows = draft.purchases.all()
    return next((row for row in rows if row.payment_intent == payment_intent), None)


# -- refunds and disputes


def _reversal_fact(draft: Draft, fact: ReversalFact) -> str:
    before = draft.reversals.get(fact.id)
    known = updated_reversal(before, fact, draft)
    draft.reversals.put(known.id, known)
    purchase = purchase_paid_by(draft, known.payment_intent)
    if purchase is None:
        return "EARLY"
    counted = reconcile(draft, purchase, known.id)
    return "COUNTED" if counted or known != before else "REPEATED"


def updated_reversal(before: ReversalRow | None, fact: ReversalFact, draft: Draft) -> ReversalRow:
    """Return a Stripe object's row, updated by a fact; the order of facts has no effect."""
    if before is None:
        return ReversalRow(**attrs.asdict(fact), seen_at=draft.now)
    state = max(before.state, fact.state, key=_RANK.index)
    return attrs.evolve(before, amount=max(before.amount, fact.amount), state=state)


def reversed_units(purchase: PurchaseRow, facts: Iterable[ReversalRow]) -> tuple[int, int]:
    """Return the refunded and the disputed part of a purchase, in 1/10,000 credits.

    Their sum is at most the purchase. Stripe reports refunds one by one, as a total of the charge,
    or both; the larger figure counts. The total still includes refunds that failed later, so those
    are subtracted.
    """
    known = list(facts)
    totals = [fact.amount for fact in known if fact.kind == "CHARGE"]
    refunds = [fact for fact in known if fact.kind == "REFUND" and fact.state != "PENDING"]
    void = sum(fact.amount for fact in refunds if fact.state == "VOID")
    refunded = max([*totals, sum(fact.amount for fact in refunds)]) - void
    refunded = min(max(refunded, 0), purchase.amount)
    disputes = [fact for fact in known if fact.kind == "DISPUTE" and fact.state == "COUNTS"]
    # A dispute in another currency counts as the whole purchase, as exchange rates are unknown.
    sums = [f.amount if f.currency == purchase.currency else purchase.amount for f in disputes]
    both = min(refunded + sum(sums), purchase.amount)
    units = purchase.units * refunded // purchase.amount
    return units, purchase.units * both // purchase.amount - units


def reconcile(draft: Draft, purchase: PurchaseRow, cause: str) -> bool:
    """Post the difference between Stripe's facts and the books; return False if there is none."""
    rows = draft.reversals.all()
    facts = [row for row in rows if row.payment_intent == purchase.payment_intent]
    refunded, disputed = reversed_units(purchase, facts)
    moves = [
        (refunded - purchase.refunded, PURCHASES, "Refund"),
        (disputed - purchase.disputed, DISPUTES, "Disputed payment"),
    ]
    if not any(units for units, _, _ in moves):
        return False
    number = purchase.movements + 1
    moved = attrs.evolve(purchase, refunded=refunded, disputed=disputed, movements=number)
    draft.purchases.put(moved.id, moved)
    for units, account, words in sorted(moves):  # credits to the buyer first
        _move(draft, moved, account, units, (f"{cause}:{number}", words))
    return True


def _move(
    draft: Draft, purchase: PurchaseRow, platform: str, units: int, named: tuple[str, str]
) -> None:
    """Take credits from the buyer, and record what is not available as debt.

    ``units`` are 1/10,000 credits; negative ones are credited to the buyer again.
    """
    reference, words = named
    account, debt = user_account(purchase.user_id), debt_account(purchase.user_id)
    if units < 0:
        again = Transfer(platform, account, platform, -units, "REFUND", reference, words)
        _post(draft, attrs.evolve(again, description=f"{words}: reversed"))
        return
    row = draft.accounts.get(account)
    assert row is not None, "a buyer's account is locked with the purchase"
    available = min(row.available, units)
    if available > 0:
        _post(draft, Transfer(account, platform, platform, available, "REFUND", reference, words))
    if units > available:
        owed, reference = units - available, f"{reference}:debt"
        _post(draft, Transfer(debt, platform, platform, owed, "REFUND", reference, words))


def _post(draft: Draft, order: Transfer) -> None:
    """Post a transfer that must succeed; its subject is the platform account."""
    posted = book(draft, order)
    assert posted is True, f"{order.reference}: {posted}"


# -- debt


def pay_debts(draft: Draft) -> None:
    """Repay users' debts from the credits that this commit has made available to them."""
    if not draft.owing:
        return
    for name in [name for name in draft.accounts.tried if name.startswith(USER)]:
        user, debt = draft.accounts.get(name), draft.accounts.get(debt_of(name))
        assert user is not None, "the commit has changed it"
        units = 0 if debt is None else min(user.available, -debt.balance)
        if debt is not None and units > 0:
            reference = f"payment:{debt.version + 1}"
            words = "Repayment of credits whose purchase was reversed"
            order = Transfer(user.name, debt.name, debt.name, units, "ADJUSTMENT", reference, words)
            posted = book(draft, order)
            assert posted is True, f"{debt.name}: {posted}"
