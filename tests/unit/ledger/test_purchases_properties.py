"""Random purchases, refunds, disputes, work and gifts, against a model that keeps no books.

Stripe in the model knows its own objects and tells each event many times, in any order. The model
of the books is three numbers for each user: what he has, what is held, what he owes.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.ledger.messages import (
    ADJUSTMENTS,
    Commit,
    InsufficientCredits,
    JobCancel,
    Posted,
    ReversalFact,
    SessionFact,
    StripeEvent,
    Transfer,
    UnitComplete,
    debt_account,
    user_account,
)
from sql.database import Conflict, Unavailable
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.purchases import Bought, event
from tests.integration.conformance.stage import dispatch, fresh_id, grant
from tests.support.examples import examples
from tests.twins.store import StoreTwin

pytestmark = pytest.mark.heavy  # sums, which no version of Python changes

T = TypeVar("T")
USERS = range(2)
CENTS = st.integers(1, 100)
RARELY = st.sampled_from([False, False, False, True])


@attrs.define
class Refund:
    id: str
    amount: int
    failed: bool = False


@attrs.define
class Payment:
    """One purchase as Stripe sees it, and how much of it the books were told."""

    bought: Bought
    user: int
    paid: bool = False
    told: bool = False
    refunds: list[Refund] = attrs.field(factory=list[Refund])
    dispute: str = ""  # '', open, lost, won
    known: int = 0  # cents of which the model has moved the credits

    @property
    def left(self) -> int:
        return self.bought.credits - sum(r.amount for r in self.refunds if not r.failed)


@attrs.define
class Purse:
    """Cents: one is a credit's worth."""

    has: int = 0
    held: int = 0
    owes: int = 0

    def move(self, cents: int) -> None:
        """Give, or take what is there and let the rest be owed; then pay what is owed."""
        if cents < 0:
            there = min(self.has - self.held, -cents)
            self.has -= there
            self.owes += -cents - there
        else:
            self.has += cents
        self.pay()

    def pay(self) -> None:
        paid = min(self.owes, self.has - self.held)
        self.has -= paid
        self.owes -= paid


class Till(RuleBasedStateMachine):
    """Every rule commits at once; events are kept, and may come again at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stage = twin_stage()
        assert isinstance(self.stage.store, StoreTwin)
        self.store = self.stage.store
        self.users = [fresh_id() for _ in USERS]
        self.node = fresh_id()
        self.purses = [Purse() for _ in USERS]
        self.payments: list[Payment] = []
        self.jobs: list[tuple[int, UUID, int]] = []
        self.sent: list[Commit] = []

    def teardown(self) -> None:
        self.loop.close()

    def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def commit(self, *commits: Commit) -> list[Any]:
        return self.run_to_end(self.stage.commit(*commits))

    def tell(self, fact: SessionFact | ReversalFact) -> None:
        commit = event(fact)
        self.sent.append(commit)
        (outcome,) = self.commit(commit)
        assert isinstance(outcome, Posted)

    # -- what users do

    @rule(user=st.sampled_from(USERS), cents=CENTS)
    def open(self, user: int, cents: int) -> None:
        bought = Bought(fresh_id(), self.users[user], cents)
        self.commit(bought.opened())
        self.payments.append(Payment(bought, user))

    @rule(user=st.sampled_from(USERS), cents=CENTS)
    def gift(self, user: int, cents: int) -> None:
        self.commit(Commit((grant(self.users[user], cents * 10_000, str(fresh_id())),)))
        self.purses[user].move(cents)

    @rule(user=st.sampled_from(USERS), cents=CENTS)
    def spend(self, user: int, cents: int) -> None:
        account, purse = user_account(self.users[user]), self.purses[user]
        words = (cents * 10_000, "DEDUCTION", str(fresh_id()))
        (outcome,) = self.commit(Commit((Transfer(account, ADJUSTMENTS, account, *words),)))
        if purse.has - purse.held < cents:
            assert isinstance(outcome, InsufficientCredits)
        else:
            assert isinstance(outcome, Posted)
            purse.has -= cents

    @rule(user=st.sampled_from(USERS), cents=st.integers(1, 30))
    def submit(self, user: int, cents: int) -> None:
        purse, job = self.purses[user], fresh_id()
        order = dispatch(self.users[user], job, cents * 10_000, 1, self.node)
        (outcome,) = self.commit(order)
        if purse.has - purse.held < cents:
            assert isinstance(outcome, InsufficientCredits)
        else:
            assert isinstance(outcome, Posted)
            purse.held += cents
            self.jobs.append((user, job, cents))

    @precondition(lambda self: self.jobs)
    @rule(done=st.booleans())
    def end(self, *, done: bool) -> None:
        user, job, cents = self.jobs.pop(0)
        purse = self.purses[user]
        effect = (
            UnitComplete(job, 0, 1, self.node, "s3://elsewhere/x")
            if done
            else JobCancel(job, self.users[user])
        )
        (outcome,) = self.commit(Commit((), (effect,)))
        assert isinstance(outcome, Posted)
        purse.held -= cents
        purse.has -= cents if done else 0
        purse.pay()

    # -- what Stripe does, and tells

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), told=st.booleans())
    def pay(self, data: st.DataObject, *, told: bool) -> None:
        payment = data.draw(st.sampled_from(self.payments))
        payment.paid = True
        if told:
            self.tell(payment.bought.said())
            self.heard(payment)

    @precondition(lambda self: any(p.paid and p.left for p in self.payments))
    @rule(data=st.data(), whole=RARELY, both=st.booleans())
    def refund(self, data: st.DataObject, *, whole: bool, both: bool) -> None:
        payment = data.draw(st.sampled_from([p for p in self.payments if p.paid and p.left]))
        amount = payment.left if whole else data.draw(st.integers(1, payment.left))
        refund = Refund(f"re_{fresh_id().int}", amount)
        payment.refunds.append(refund)
        self.tell(payment.bought.back(refund.id, "REFUND", amount))
        if both:
            cents = payment.bought.credits - payment.left
            self.tell(payment.bought.back(f"ch_{payment.bought.intent}", "CHARGE", cents))
        self.moved(payment)

    @precondition(lambda self: any(not r.failed for p in self.payments for r in p.refunds))
    @rule(data=st.data())
    def fail_refund(self, data: st.DataObject) -> None:
        found = [(p, r) for p in self.payments for r in p.refunds if not r.failed]
        payment, refund = data.draw(st.sampled_from(found))
        refund.failed = True
        self.tell(payment.bought.back(refund.id, "REFUND", refund.amount, "VOID"))
        self.moved(payment)

    @precondition(lambda self: any(p.paid and not p.dispute for p in self.payments))
    @rule(data=st.data())
    def dispute(self, data: st.DataObject) -> None:
        found = [p for p in self.payments if p.paid and not p.dispute]
        payment = data.draw(st.sampled_from(found))
        payment.dispute = "open"
        name = f"du_{payment.bought.intent}"
        self.tell(payment.bought.back(name, "DISPUTE", payment.bought.credits))
        self.moved(payment)

    @precondition(lambda self: any(p.dispute == "open" for p in self.payments))
    @rule(data=st.data(), won=st.booleans())
    def close(self, data: st.DataObject, *, won: bool) -> None:
        payment = data.draw(st.sampled_from([p for p in self.payments if p.dispute == "open"]))
        payment.dispute = "won" if won else "lost"
        name, state = f"du_{payment.bought.intent}", "VOID" if won else "COUNTS"
        self.tell(payment.bought.back(name, "DISPUTE", payment.bought.credits, state))
        self.moved(payment)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), many=st.integers(1, 4), lost=RARELY, fails=RARELY)
    def tell_again(self, data: st.DataObject, *, many: int, lost: bool, fails: bool) -> None:
        """The same events, and the same facts in new ones: nothing moves but what is new."""
        chosen = [data.draw(st.sampled_from(self.sent)) for _ in range(many)]
        events = [e for c in chosen for e in c.effects if isinstance(e, StripeEvent)]
        if lost:
            self.store.lose_commit_answer()
        if fails:
            self.store.fail_next(Unavailable("injected"), Conflict("injected"))
        self.commit(*chosen, *(event(each.fact) for each in events))
        self.store.lose_commit_answer(0)

    # -- what the model makes of it

    def heard(self, payment: Payment) -> None:
        """The payment's own event came."""
        if not payment.told:
            payment.told = True
            self.purses[payment.user].move(payment.bought.credits)
            payment.known = payment.bought.credits
        self.moved(payment)

    def moved(self, payment: Payment) -> None:
        """What is left of a payment changed; the books follow once they know of it."""
        if payment.told:
            now = 0 if payment.dispute in ("open", "lost") else payment.left
            self.purses[payment.user].move(now - payment.known)
            payment.known = now

    @invariant()
    def the_books_are_sound(self) -> None:
        assert self.run_to_end(self.store.audit()) == []
        for user, purse in zip(self.users, self.purses, strict=True):
            account = self.store.accounts.get(user_account(user))
            debt = self.store.accounts.get(debt_account(user))
            found = (account.balance, account.held) if account else (0, 0)
            assert found == (purse.has * 10_000, purse.held * 10_000)
            assert (debt.balance if debt else 0) == -purse.owes * 10_000


TestTill = Till.TestCase
TestTill.settings = examples(1.5, stateful_step_count=40)
