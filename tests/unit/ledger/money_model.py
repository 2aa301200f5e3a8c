"""State machine of earnings, disputes, payouts and purchases.

This state machine adds to ``work_model.py`` and shares its batches. The model knows each share's
owner and state, each payout's shares, and what Stripe knows of each payment.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from actors.ledger.effects import (
    DisputeDecide,
    DisputeOpen,
    EarningClaim,
    EarningMature,
    Effect,
    PayoutApprove,
    PayoutKind,
    PayoutPay,
    PayoutReject,
    PayoutTake,
    ReversalFact,
    SessionFact,
    StripeEvent,
    Transfer,
    UnitComplete,
)
from actors.ledger.messages import Commit, ExistsWithOtherAmount, GuardFailed, Posted, Replayed
from sql.account_names import REVENUE, SUSPENSE, operator_account, user_account, work_reference
from sql.books import Keys
from tests.integration.conformance.earnings import WINDOW
from tests.integration.conformance.purchases import CREDIT, Bought, event
from tests.integration.conformance.stage import act, fresh_id
from tests.unit.ledger.work_model import PEOPLE, RARELY, Answer, Job, WorkModel, jobs_in

KINDS: Final[list[PayoutKind]] = ["CREDITS", "MONEY"]


@attrs.define
class Share:
    amount: int
    operator: int | None  # None stands for suspense
    until: float
    state: str = "PENDING"
    payout: UUID | None = None


@attrs.define
class Payout:
    person: int
    kind: PayoutKind
    state: str
    amount: int


@attrs.define
class Payment:
    """A purchase as Stripe sees it; ``known`` has the refunded and disputed cents in the books."""

    bought: Bought
    person: int
    opened: bool = False
    paid: bool = False
    told: bool = False
    refunds: dict[str, int] = attrs.field(factory=dict[str, int])
    failed: set[str] = attrs.field(factory=set[str])
    dispute: str = ""  # '', open, lost or won
    known: tuple[int, int] = (0, 0)  # refunded and disputed

    @property
    def refunded(self) -> int:
        return sum(cents for id_, cents in self.refunds.items() if id_ not in self.failed)

    @property
    def left(self) -> int:
        return self.bought.credits - self.refunded


class MoneyModel(WorkModel):
    """All operations of the ledger without verification."""

    def __init__(self, *args: Any) -> None:
        self.shares: dict[UUID, Share] = {}
        self.payouts: dict[UUID, Payout] = {}
        self.free: dict[int, list[Share]] = {}  # payable shares by person when the batch began
        self.payouts_before: set[UUID] = set()
        self.payout_batch = fresh_id()
        self.payments: list[Payment] = []
        self.facts: list[SessionFact | ReversalFact] = []
        self.events: set[str] = set()
        super().__init__(*args)

    def settled(self) -> None:
        super().settled()
        self.payouts_before = set(self.payouts)
        self.free = {
            person: [s for s in self.shares.values()
                     if (s.state, s.payout, s.operator) == ("PAYABLE", None, person)]
            for person in PEOPLE
        }  # fmt: skip

    # -- completed work

    @precondition(jobs_in("DISPATCHED", "RUNNING"))
    @rule(data=st.data(), stranger=RARELY, verified=st.sampled_from([True, True, False]),
          operator=st.sampled_from([None, *PEOPLE]), copy=st.booleans())  # fmt: skip
    def complete(
        self,
        data: st.DataObject,
        operator: int | None,
        *,
        stranger: bool,
        verified: bool,
        copy: bool,
    ) -> None:
        job = self.draw_job(data, "DISPATCHED", "RUNNING")
        whose = self.one_of(job, copy=copy, stranger=stranger)
        self.completes(job, whose, operator, verified=verified)

    def completes(
        self, job: Job, whose: tuple[int, int], operator: int | None, *, verified: bool
    ) -> None:
        attempt, node = whose
        account = SUSPENSE if operator is None else operator_account(self.people[operator])
        effect = UnitComplete(
            *(job.id, 0, attempt, self.nodes[node], "x"),
            verified=verified,
            operator=account,
            dispute_window=WINDOW,
        )

        def model() -> Answer:
            if job.is_copy(attempt, node) and not job.copy_delivered:
                self.overtaken(job, job.attempt)
                job.promote()
            ours = (job.attempt, job.node) == (attempt, node)
            if ours and job.state == "COMPLETED":
                return Replayed
            if not ours or job.state not in ("DISPATCHED", "RUNNING"):
                return GuardFailed
            self.overtaken(job, job.copied)
            return self.done(job, operator, verified=verified)

        self.add(Commit((), (effect,)), model)

    def overtaken(self, job: Job, attempt: int) -> None:
        """Tell a subclass that an attempt was overtaken, so that its delivery needs no verdict."""

    def done(self, job: Job, operator: int | None, *, verified: bool, free: bool = False) -> Answer:
        """Complete the job, charge it and book the operator's share, unless the job is free."""
        job.state, job.verified, job.ended = "COMPLETED", verified, self.now
        job.paused = None
        job.alone()
        self.purses[job.user].held -= job.price
        job.price = 0 if free else job.price
        if job.price:
            self.charged(job.user, job.price)
        amount = job.price * 70 // 100 if verified else 0
        if amount:
            share = Share(amount, operator, self.now + WINDOW.total_seconds())
            self.shares[job.id] = share
            self.platform["revenue"] -= amount
            self.owed(share, amount)
        return Posted

    @rule(person=st.sampled_from(PEOPLE), price=st.sampled_from([99_999, 100_000]),
          operator=st.sampled_from([None, *PEOPLE]))  # fmt: skip
    def work(self, person: int, price: int, operator: int | None) -> None:
        """Submit and complete a job in one batch."""
        before = len(self.jobs)
        self.submit(person=person, price=price, node=0, key=None)
        if len(self.jobs) > before:
            self.completes(self.jobs[-1], (1, 0), operator, verified=True)

    def owed(self, share: Share, amount: int) -> None:
        """Book the share for its operator, or in suspense if there is none."""
        if share.operator is None:
            self.platform["suspense"] += amount
        else:
            self.purses[share.operator].earned += amount

    @precondition(lambda self: any(j.state == "COMPLETED" and j.price for j in self.jobs))
    @rule(data=st.data(), whole=st.booleans())
    def refund_work(self, data: st.DataObject, *, whole: bool) -> None:
        """Let an admin refund the job, or half of it."""
        done = [j for j in self.jobs if j.state == "COMPLETED" and j.price]
        job = data.draw(st.sampled_from(done))
        amount = job.price if whole else max(job.price // 2, 1)
        account, reference = user_account(self.people[job.user]), work_reference(job.id, 0)

        def model() -> Answer:
            if job.refunded is not None:
                return Replayed if job.refunded == amount else ExistsWithOtherAmount
            job.refunded = amount
            self.charged(job.user, -amount)
            return Posted

        transfer = Transfer(REVENUE, account, account, amount, "REFUND", reference)
        self.add(Commit((transfer,), act=act("black")), model)

    @precondition(jobs_in("COMPLETED"))
    @rule(data=st.data(), stranger=RARELY)
    def dispute_work(self, data: st.DataObject, *, stranger: bool) -> None:
        job, id_ = self.draw_job(data, "COMPLETED"), fresh_id()
        user = self.people[(job.user + int(stranger)) % 3]

        def model() -> Answer:
            if job.dispute_id == id_:
                return Replayed
            is_open = self.now < job.ended + WINDOW.total_seconds()
            may = job.state == "COMPLETED" and job.price > 0 and is_open
            if stranger or not may or job.dispute:
                return GuardFailed
            job.dispute, job.dispute_id = "OPEN", id_
            return Posted

        self.one(DisputeOpen(id_, job.id, 0, user, "black", WINDOW), model)

    def one(self, effect: Effect, model: Callable[[], Answer]) -> None:
        self.add(Commit((), (effect,)), model)

    @precondition(lambda self: any(job.dispute for job in self.jobs))
    @rule(data=st.data(), upheld=st.booleans())
    def decide(self, data: st.DataObject, *, upheld: bool) -> None:
        job = data.draw(st.sampled_from([job for job in self.jobs if job.dispute]))
        effect = DisputeDecide(job.id, 0, self.people[job.user], upheld, "looked at it")

        def model() -> Answer:
            after = "UPHELD" if upheld else "REJECTED"
            if job.dispute != "OPEN":
                return Replayed if job.dispute == after else GuardFailed
            job.dispute = after
            share = self.shares.get(job.id)
            if upheld:
                self.give_back(job, share)
            elif share is not None and share.state == "PENDING" and self.is_ripe(share):
                share.state = "PAYABLE"
            return Posted

        self.one(effect, model)

    def give_back(self, job: Job, share: Share | None) -> None:
        self.charged(job.user, -(job.price - (job.refunded or 0)))
        job.refunded = job.price if job.refunded is None else job.refunded
        if share is not None and share.state == "PENDING":
            share.state = "REVERSED"
            self.owed(share, -share.amount)
            self.platform["revenue"] += share.amount

    def is_ripe(self, share: Share) -> bool:
        return self.now >= share.until

    # -- shares and payouts

    @precondition(lambda self: any(s.state == "PENDING" for s in self.shares.values()))
    @rule(data=st.data())
    def mature(self, data: st.DataObject) -> None:
        """Mature a share; if possible a share whose window is over."""
        ripe = [j for j in self.jobs if j.id in self.shares and self.shares[j.id].until <= self.now]
        self.matures(data.draw(st.sampled_from(ripe)) if ripe else self.draw_job(data, "COMPLETED"))

    def matures(self, job: Job) -> None:
        def model() -> Answer:
            share = self.shares.get(job.id)
            if share is None:
                return GuardFailed
            if share.state == "PENDING" and self.is_ripe(share) and job.dispute != "OPEN":
                share.state = "PAYABLE"
                return Posted
            return Replayed if share.state in ("PAYABLE", "PAID") else GuardFailed

        self.one(EarningMature(job.id, 0), model)

    @precondition(lambda self: any(s.state == "PENDING" for s in self.shares.values()))
    @rule()
    def ripen(self) -> None:
        """Let all windows pass, and mature the shares as the Paymaster would."""
        self.wait(seconds=WINDOW.total_seconds())
        for job in [job for job, share in self.shares.items() if share.state == "PENDING"]:
            self.matures(next(each for each in self.jobs if each.id == job))

    @precondition(lambda self: any(s.operator is None for s in self.shares.values()))
    @rule(data=st.data(), person=st.sampled_from(PEOPLE))
    def claim(self, data: st.DataObject, person: int) -> None:
        unowned = [j for j, share in self.shares.items() if share.operator is None]
        job = data.draw(st.sampled_from(unowned))
        share = self.shares[job]

        def model() -> Answer:
            if share.operator is not None:
                return Replayed if share.operator == person else GuardFailed
            if share.state not in ("PENDING", "PAYABLE"):
                return GuardFailed
            self.owed(share, -share.amount)
            share.operator = person
            self.owed(share, share.amount)
            return Posted

        self.one(EarningClaim(job, 0, self.people[person]), model)

    @precondition(lambda self: any(self.free.values()))
    @rule(data=st.data(), nobody=RARELY, kind=st.sampled_from(KINDS))
    def take(self, data: st.DataObject, kind: PayoutKind, *, nobody: bool) -> None:
        """Request a payout of all that was payable when the batch began."""
        rich = [person for person, free in self.free.items() if free]
        person, id_ = data.draw(st.sampled_from(PEOPLE if nobody else rich)), fresh_id()

        def model() -> Answer:
            if id_ in self.payouts:
                return Replayed
            free = self.free.get(person, [])
            if not free:
                return GuardFailed
            amount = sum(share.amount for share in free)
            state = "PAID" if kind == "CREDITS" else "REQUESTED"
            self.payouts[id_] = Payout(person, kind, state, amount)
            for share in free:
                share.payout, share.state = id_, "PAID" if kind == "CREDITS" else "PAYABLE"
            self.free[person] = []
            if kind == "CREDITS":
                self.purses[person].earned -= amount
                self.purses[person].has += amount
            return Posted

        self.one(PayoutTake(id_, self.people[person], kind), model)

    @precondition(lambda self: self.payouts)
    @rule(
        data=st.data(),
        verb=st.sampled_from(["approve", "approve", "reject", "return", "pay", "pay"]),
    )
    def close_payout(self, data: st.DataObject, verb: str) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.payouts)))
        effects: dict[str, tuple[Effect, tuple[str, ...], str]] = {
            "approve": (PayoutApprove(id_, self.payout_batch), ("REQUESTED",), "APPROVED"),
            "reject": (PayoutReject(id_), ("REQUESTED",), "REJECTED"),
            "return": (PayoutReject(id_, not_paid=True), ("REQUESTED", "APPROVED"), "REJECTED"),
            "pay": (PayoutPay(id_, "wire"), ("APPROVED",), "PAID"),
        }
        effect, goes, after = effects[verb]

        def model() -> Answer:
            payout = self.payouts[id_]
            if id_ not in self.payouts_before:
                return GuardFailed
            done = {"approve": ("APPROVED", "PAID"), "pay": ("PAID",)}
            if payout.state in done.get(verb, ("REJECTED",)) and payout.kind == "MONEY":
                return Replayed
            if payout.state not in goes:
                return GuardFailed
            payout.state = after
            self.closed(id_, payout)
            return Posted

        self.add(Commit((), (effect,), act=act(verb)), model)

    def closed(self, id_: UUID, payout: Payout) -> None:
        taken = [share for share in self.shares.values() if share.payout == id_]
        if payout.state == "PAID":
            self.purses[payout.person].earned -= payout.amount
            self.platform["payouts"] += payout.amount
        for share in taken:
            if payout.state == "PAID":
                share.state = "PAID"
            elif payout.state == "REJECTED":
                share.payout = None

    # -- purchases

    @rule(person=st.sampled_from(PEOPLE), cents=st.integers(1, 100))
    def open_purchase(self, person: int, cents: int) -> None:
        payment = Payment(Bought(fresh_id(), self.people[person], cents), person)

        def model() -> Answer:
            before, payment.opened = payment.opened, True
            return Replayed if before else Posted

        self.payments.append(payment)
        self.add(payment.bought.opened(), model)

    def tell(self, fact: SessionFact | ReversalFact, change: Callable[[], None]) -> None:
        """Send a Stripe event; it changes the model only the first time."""
        commit = event(fact)
        (told,) = commit.effects
        assert isinstance(told, StripeEvent)

        def model() -> Answer:
            if told.event in self.events:
                return Replayed
            self.events.add(told.event)
            change()
            return Posted

        self.facts.append(fact)
        self.add(commit, model)

    @precondition(lambda self: self.facts)
    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        """Send known facts in a new event, which must change nothing."""
        self.tell(data.draw(st.sampled_from(self.facts)), lambda: None)

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), told=st.sampled_from([True, True, False]))
    def pay_purchase(self, data: st.DataObject, *, told: bool) -> None:
        payment = data.draw(st.sampled_from(self.payments))
        payment.paid = True
        if not told:
            return

        def change() -> None:
            units = payment.bought.credits * CREDIT
            if not payment.told:
                payment.told = True
                self.purses[payment.person].has += units
                self.platform["purchases"] -= units
                self.reconcile(payment)

        self.tell(payment.bought.said(), change)

    @precondition(lambda self: any(p.paid and p.left for p in self.payments))
    @rule(data=st.data(), whole=RARELY)
    def refund(self, data: st.DataObject, *, whole: bool) -> None:
        payment = data.draw(st.sampled_from([p for p in self.payments if p.paid and p.left]))
        cents = payment.left if whole else data.draw(st.integers(1, payment.left))
        id_ = f"re_{fresh_id().int}"

        def change() -> None:
            payment.refunds[id_] = cents
            self.reconcile(payment)

        self.tell(payment.bought.reversal(id_, "REFUND", cents), change)

    @precondition(lambda self: any(p.refunded for p in self.payments))
    @rule(data=st.data())
    def fail_refund(self, data: st.DataObject) -> None:
        found = [(p, id_) for p in self.payments for id_ in p.refunds if id_ not in p.failed]
        payment, id_ = data.draw(st.sampled_from(found))

        def change() -> None:
            payment.failed.add(id_)
            self.reconcile(payment)

        self.tell(payment.bought.reversal(id_, "REFUND", payment.refunds[id_], "VOID"), change)

    @precondition(lambda self: any(p.paid and p.dispute in ("", "open") for p in self.payments))
    @rule(data=st.data(), after=st.sampled_from(["won", "lost"]))
    def dispute_payment(self, data: st.DataObject, after: str) -> None:
        """Open a dispute of a payment, or decide an open dispute."""
        found = [p for p in self.payments if p.paid and p.dispute in ("", "open")]
        payment = data.draw(st.sampled_from(found))
        state = after if payment.dispute else "open"

        def change() -> None:
            payment.dispute = state
            self.reconcile(payment)

        kind = "VOID" if state == "won" else "COUNTS"
        name = f"du_{payment.bought.intent}"
        self.tell(payment.bought.reversal(name, "DISPUTE", payment.bought.credits, kind), change)

    def reconcile(self, payment: Payment) -> None:
        """Deduct refunded and disputed credits from the balance, then as debt; add what Stripe
        returned.
        """
        if not payment.told:
            return
        disputed = payment.left if payment.dispute in ("open", "lost") else 0
        now = payment.refunded, disputed
        purse = self.purses[payment.person]
        moves = zip(now, payment.known, ("purchases", "disputes"), strict=True)
        for change, name in sorted(((a - b) * CREDIT, name) for a, b, name in moves):
            there = min(change, purse.available)
            purse.has -= there
            purse.owes += change - there
            self.platform[name] += change
        payment.known = now

    # -- invariants

    async def compare(self) -> None:
        await super().compare()
        units = {(job, 0) for job in self.shares}
        async with self.stage.store.transaction() as books:
            rows = await books.lock(Keys(earnings=units, payouts=set(self.payouts)))
        for job, share in self.shares.items():
            row = rows.earnings[job, 0]
            who = None if share.operator is None else self.people[share.operator]
            assert (row.state, row.operator_id, row.payout_id, row.amount) == (
                *(share.state, who, share.payout, share.amount),
            )
        for id_, payout in self.payouts.items():
            found = rows.payouts[id_]
            assert (found.state, found.amount) == (payout.state, payout.amount)
