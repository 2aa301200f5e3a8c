"""The rows that a batch reads and locks before it is decided."""

from collections.abc import Sequence

from actors.ledger.commands.checks import rejects
from actors.ledger.effects import (
    CheckEffect,
    DisputeDecide,
    DisputeOpen,
    EarningClaim,
    Effect,
    JobCancel,
    JobChange,
    JobInsert,
    JobPause,
    JobResume,
    JobStop,
    OfPayout,
    OfUnit,
    PayoutPay,
    PayoutTake,
    PurchaseEffect,
    PurchaseOpen,
    PurchaseSession,
    ReversalFact,
    SessionFact,
    UnitComplete,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitRetry,
    UnitVerdict,
)
from actors.ledger.messages import Commit
from sql.account_names import (
    DISPUTES,
    PAYOUTS,
    PURCHASES,
    REVENUE,
    SUSPENSE,
    debt_account,
    operator_account,
    operator_of,
    user_account,
    work_reference,
)
from sql.books import Keys
from sql.purchases import PurchaseKeys


def keys_of(commits: Sequence[Commit]) -> Keys:
    """Collect the keys of all rows that the commits may read or change.

    A hold's account is locked with the hold. An effect that creates, ends or resumes a job, changes
    its cap, or retries a unit needs all units of the job. An effect that may fail or requeue a unit
    needs the other tiles of its frame.
    """
    keys = Keys()
    for commit in commits:
        for transfer in commit.transfers:
            keys.accounts |= {transfer.debit, transfer.credit}
            keys.transfers.add((transfer.subject, transfer.kind, transfer.reference))
        for effect in commit.effects:
            _add_effect(keys, effect)
        if commit.idempotency is not None:
            keys.idempotency.add((commit.idempotency.user, commit.idempotency.key))
    if keys.purchases.intents or keys.purchases.reversals:
        # Buyers' accounts are locked with purchases that are in the database. Debt accounts are
        # added here for the purchases that this batch creates.
        effects = (effect for commit in commits for effect in commit.effects)
        opened = (effect for effect in effects if isinstance(effect, PurchaseOpen))
        keys.accounts |= {debt_account(purchase.user) for purchase in opened}
    return keys


def _add_effect(keys: Keys, effect: Effect) -> None:
    if isinstance(effect, PurchaseEffect):
        _add_purchase(keys, effect)
        return
    if isinstance(effect, OfPayout):
        _add_payout(keys, effect)
        return
    keys.jobs.add(effect.job)
    if isinstance(effect, JobPause) or (isinstance(effect, JobChange) and not effect.of_cap):
        return
    if isinstance(effect, JobInsert | JobCancel | JobStop | JobResume | JobChange | UnitRetry):
        keys.whole.add(effect.job)
        if isinstance(effect, JobInsert):
            keys.new_jobs.add(effect.job)
            numbers = [number for number, piece in enumerate(effect.plan.units) if piece.price]
            keys.holds |= {work_reference(effect.job, number) for number in numbers}
        if isinstance(effect, JobInsert | UnitRetry):
            keys.accounts.add(user_account(effect.user))  # it may be closed
        return
    keys.units.add((effect.job, effect.unit))
    if isinstance(effect, OfUnit):
        _add_of_unit(keys, effect)
        return
    reference = work_reference(effect.job, effect.unit)
    is_against = isinstance(effect, UnitVerdict) and rejects(effect)
    if is_against or isinstance(effect, UnitFail | UnitRequeue):
        keys.tiled.add((effect.job, effect.unit))
    if isinstance(effect, CheckEffect):
        keys.checks.add((effect.job, effect.unit))
        _add_of_check(keys, effect)
    elif isinstance(effect, UnitComplete):
        _add_settling(keys, reference, effect.operator if effect.verified else None)
    elif isinstance(effect, UnitFail) and effect.retry_at is None:
        keys.holds.add(reference)


def _add_of_check(keys: Keys, effect: CheckEffect) -> None:
    if isinstance(effect, UnitDeliver):
        operator = operator_of(effect.result.operator)
        if operator is not None and effect.draw is not None and effect.odds < 1:
            keys.accounts.add(operator_account(operator))
            keys.stakes.add(operator)
        return
    _add_settling(keys, work_reference(effect.job, effect.unit), effect.operator)
    _add_fines(keys, effect)


def _add_fines(keys: Keys, effect: UnitVerdict) -> None:
    operator = operator_of(effect.operator)
    if operator is not None and effect.fine > 0:
        keys.accounts.add(operator_account(operator))
        keys.fines[operator] += effect.fine
    if effect.withdrawn:
        keys.withdrawn.add((effect.job, effect.unit))


def _add_settling(keys: Keys, reference: str, operator: str | None) -> None:
    keys.holds.add(reference)
    keys.accounts.add(REVENUE)
    if operator is not None:
        keys.accounts.add(operator)


def _add_of_unit(keys: Keys, effect: OfUnit) -> None:
    """Add the keys for an effect on an earning; the operator's account is locked with the row."""
    keys.earnings.add((effect.job, effect.unit))
    if isinstance(effect, EarningClaim):
        keys.accounts |= {SUSPENSE, operator_account(effect.owner)}
    elif isinstance(effect, DisputeOpen | DisputeDecide):
        keys.accounts.add(REVENUE)
        keys.holds.add(work_reference(effect.job, effect.unit))
    if isinstance(effect, DisputeDecide):
        reference = work_reference(effect.job, effect.unit)
        keys.transfers.add((user_account(effect.creator), "REFUND", reference))
        if effect.verdict is not None:
            keys.checks.add((effect.job, effect.unit))
            _add_fines(keys, effect.verdict)


def _add_payout(keys: Keys, effect: OfPayout) -> None:
    """Add the keys for an effect on a payout; the operator's account is locked with the row."""
    keys.payouts.add(effect.id)
    if isinstance(effect, PayoutTake):
        keys.payable.add(effect.operator)
        keys.accounts |= {operator_account(effect.operator), user_account(effect.operator)}
    elif isinstance(effect, PayoutPay):
        keys.accounts.add(PAYOUTS)


def _add_purchase(keys: Keys, effect: PurchaseEffect) -> None:
    """Add the keys for an effect on a purchase.

    Every Stripe event locks the accounts ``purchases`` and ``disputes``, so that gateways decide
    these events one after the other.
    """
    known = keys.purchases
    if isinstance(effect, PurchaseOpen):
        keys.accounts.add(user_account(effect.user))
        known.ids.add(effect.purchase)
    elif isinstance(effect, PurchaseSession):
        known.ids.add(effect.purchase)
        known.sessions.add(effect.session)
    else:
        keys.accounts |= {PURCHASES, DISPUTES}
        known.events.add(effect.event)
        _add_fact(known, effect.fact)


def _add_fact(known: PurchaseKeys, fact: SessionFact | ReversalFact | None) -> None:
    if isinstance(fact, SessionFact):
        known.sessions.add(fact.session)
        if fact.purchase is not None:
            known.ids.add(fact.purchase)
        if fact.payment_intent is not None:
            known.intents.add(fact.payment_intent)
    elif fact is not None:
        known.intents.add(fact.payment_intent)
        known.reversals.add(fact.id)
