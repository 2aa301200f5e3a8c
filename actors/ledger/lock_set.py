"""The rows that a batch reads and locks before it is decided."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import attrs

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
    SessionFact,
    UnitComplete,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitRetry,
    UnitVerdict,
)
from actors.ledger.fines import operator_of
from actors.ledger.messages import (
    DISPUTES,
    PAYOUTS,
    PURCHASES,
    REVENUE,
    SUSPENSE,
    Commit,
    debt_account,
    operator_account,
    user_account,
    work_reference,
)
from sql.books import Keys, TransferKey, UnitId
from sql.purchases import NO_PURCHASES, PurchaseKeys

OfNoJob: TypeAlias = OfPayout | PurchaseEffect
# Transfers that one Stripe event can cause: one for a purchase, two for refunds, two for disputes.
POSTINGS_OF_EVENT = 5


@attrs.define
class TouchedRows:
    """The keys of rows collected so far.

    ``whole``: jobs of which all units are locked. ``tiled``: units of which the other tiles of the
    same frame are locked. ``postings``: the most transfers that the batch can book. ``stakes``:
    operators whose pending shares are summed. ``fines``: by operator, the sum of fines to take.
    ``withdrawn``: units whose fines may be paid back.
    """

    accounts: set[str] = attrs.field(factory=set[str])
    holds: set[str] = attrs.field(factory=set[str])
    units: set[UnitId] = attrs.field(factory=set[UnitId])
    whole: set[UUID] = attrs.field(factory=set[UUID])
    tiled: set[UnitId] = attrs.field(factory=set[UnitId])
    earnings: set[UnitId] = attrs.field(factory=set[UnitId])
    transfers: set[TransferKey] = attrs.field(factory=set[TransferKey])
    payouts: set[UUID] = attrs.field(factory=set[UUID])
    payable: set[UUID] = attrs.field(factory=set[UUID])
    postings: int = 0
    checks: set[UnitId] = attrs.field(factory=set[UnitId])
    stakes: set[UUID] = attrs.field(factory=set[UUID])
    fines: Counter[UUID] = attrs.field(factory=Counter[UUID])
    withdrawn: set[UnitId] = attrs.field(factory=set[UnitId])
    purchases: PurchaseKeys = NO_PURCHASES
    buyers: set[UUID] = attrs.field(factory=set[UUID])  # users with new purchases


def keys_of(commits: Sequence[Commit]) -> Keys:
    """Collect the keys of all rows that the commits may read or change.

    A hold's account is locked with the hold. An effect that creates, ends or retries a job needs
    all units of the job. An effect that may fail or requeue a unit needs the other tiles of its
    frame.
    """
    gathered = TouchedRows()
    effects = [effect for commit in commits for effect in commit.effects]
    for transfer in (transfer for commit in commits for transfer in commit.transfers):
        gathered.accounts |= {transfer.debit, transfer.credit}
        gathered.transfers.add((transfer.subject, transfer.kind, transfer.reference))
        gathered.postings += 1
    for effect in effects:
        _add_effect(gathered, effect)
    if gathered.purchases.intents or gathered.purchases.reversals:
        # Buyers' accounts are locked with purchases that are in the database. Debt accounts are
        # added here for the purchases that this batch creates.
        gathered.accounts |= {debt_account(buyer) for buyer in gathered.buyers}
    used = [commit.idempotency for commit in commits if commit.idempotency is not None]
    return Keys(
        accounts=frozenset(gathered.accounts),
        holds=frozenset(gathered.holds),
        jobs=frozenset(e.job for e in effects if not isinstance(e, OfNoJob)),
        units=frozenset(gathered.units),
        whole=frozenset(gathered.whole),
        tiled=frozenset(gathered.tiled),
        transfers=frozenset(gathered.transfers),
        idempotency=frozenset((key.user, key.key) for key in used),
        postings=gathered.postings,
        earnings=frozenset(gathered.earnings),
        payouts=frozenset(gathered.payouts),
        payable=frozenset(gathered.payable),
        purchases=gathered.purchases,
        checks=frozenset(gathered.checks),
        stakes=frozenset(gathered.stakes),
        fines=tuple(sorted(gathered.fines.items())),
        withdrawn=frozenset(gathered.withdrawn),
    )


def _add_effect(gathered: TouchedRows, effect: Effect) -> None:
    if isinstance(effect, PurchaseEffect):
        _add_purchase(gathered, effect)
        return
    if isinstance(effect, JobPause) or (isinstance(effect, JobChange) and not effect.of_cap):
        return
    if isinstance(effect, JobInsert | JobCancel | JobStop | JobResume | JobChange | UnitRetry):
        gathered.whole.add(effect.job)
        if isinstance(effect, JobInsert):
            numbers = [number for number, piece in enumerate(effect.plan.units) if piece.price]
            gathered.holds |= {work_reference(effect.job, number) for number in numbers}
            if numbers:
                gathered.accounts.add(user_account(effect.user))
        return
    if isinstance(effect, OfPayout):
        _add_payout(gathered, effect)
        return
    gathered.units.add((effect.job, effect.unit))
    if isinstance(effect, OfUnit):
        _add_of_unit(gathered, effect)
        return
    reference = work_reference(effect.job, effect.unit)
    is_against = isinstance(effect, UnitVerdict) and rejects(effect)
    if is_against or isinstance(effect, UnitFail | UnitRequeue):
        gathered.tiled.add((effect.job, effect.unit))
    if isinstance(effect, CheckEffect):
        gathered.checks.add((effect.job, effect.unit))
        _add_of_check(gathered, effect)
    elif isinstance(effect, UnitComplete):
        _add_settling(gathered, reference, effect.operator if effect.verified else None)
    elif isinstance(effect, UnitFail) and effect.retry_at is None:
        gathered.holds.add(reference)


def _add_of_check(gathered: TouchedRows, effect: CheckEffect) -> None:
    if isinstance(effect, UnitDeliver):
        operator = operator_of(effect.result.operator)
        if operator is not None and effect.draw is not None and effect.odds < 1:
            gathered.accounts.add(operator_account(operator))
            gathered.stakes.add(operator)
        return
    _add_settling(gathered, work_reference(effect.job, effect.unit), effect.operator)
    _add_fines(gathered, effect)


def _add_fines(gathered: TouchedRows, effect: UnitVerdict) -> None:
    operator = operator_of(effect.operator)
    if operator is not None and effect.fine > 0:
        gathered.accounts.add(operator_account(operator))
        gathered.fines[operator] += effect.fine
        gathered.postings += 1
    if effect.withdrawn:
        gathered.withdrawn.add((effect.job, effect.unit))
        gathered.postings += effect.attempt  # at most one fine per attempt


def _add_settling(gathered: TouchedRows, reference: str, operator: str | None) -> None:
    gathered.holds.add(reference)
    gathered.accounts.add(REVENUE)
    gathered.postings += 1
    if operator is not None:
        gathered.accounts.add(operator)
        gathered.postings += 1


def _add_of_unit(gathered: TouchedRows, effect: OfUnit) -> None:
    """Add the keys for an effect on an earning; the operator's account is locked with the row."""
    gathered.earnings.add((effect.job, effect.unit))
    if isinstance(effect, EarningClaim):
        gathered.accounts |= {SUSPENSE, operator_account(effect.owner)}
        gathered.postings += 1
    elif isinstance(effect, DisputeOpen | DisputeDecide):
        gathered.accounts.add(REVENUE)
        gathered.holds.add(work_reference(effect.job, effect.unit))
        gathered.postings += 2
    if isinstance(effect, DisputeDecide):
        reference = work_reference(effect.job, effect.unit)
        gathered.transfers.add((user_account(effect.creator), "REFUND", reference))
        if effect.verdict is not None:
            gathered.checks.add((effect.job, effect.unit))
            _add_fines(gathered, effect.verdict)


def _add_payout(gathered: TouchedRows, effect: OfPayout) -> None:
    """Add the keys for an effect on a payout; the operator's account is locked with the row."""
    gathered.payouts.add(effect.id)
    if isinstance(effect, PayoutTake):
        gathered.payable.add(effect.operator)
        gathered.accounts |= {operator_account(effect.operator), user_account(effect.operator)}
        gathered.postings += 1
    elif isinstance(effect, PayoutPay):
        gathered.accounts.add(PAYOUTS)
        gathered.postings += 1


def _add_purchase(gathered: TouchedRows, effect: PurchaseEffect) -> None:
    """Add the keys for an effect on a purchase.

    Every Stripe event locks the accounts ``purchases`` and ``disputes``, so that gateways decide
    these events one after the other.
    """
    known = gathered.purchases
    if isinstance(effect, PurchaseOpen):
        gathered.accounts.add(user_account(effect.user))
        gathered.buyers.add(effect.user)
    if isinstance(effect, PurchaseOpen | PurchaseSession):
        known = attrs.evolve(known, ids=known.ids | {effect.purchase})
        if isinstance(effect, PurchaseSession):
            known = attrs.evolve(known, sessions=known.sessions | {effect.session})
        gathered.purchases = known
        return
    gathered.accounts |= {PURCHASES, DISPUTES}
    gathered.postings += POSTINGS_OF_EVENT
    known = attrs.evolve(known, events=known.events | {effect.event})
    fact = effect.fact
    if isinstance(fact, SessionFact):
        known = attrs.evolve(known, sessions=known.sessions | {fact.session})
        if fact.purchase is not None:
            known = attrs.evolve(known, ids=known.ids | {fact.purchase})
        if fact.payment_intent is not None:
            known = attrs.evolve(known, intents=known.intents | {fact.payment_intent})
    elif fact is not None:
        known = attrs.evolve(known, intents=known.intents | {fact.payment_intent})
        known = attrs.evolve(known, reversals=known.reversals | {fact.id})
    gathered.purchases = known
