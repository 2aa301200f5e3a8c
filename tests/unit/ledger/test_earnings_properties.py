"""Random lives of shares, disputes and payouts, against a model that keeps no books.

The model knows of each share whose it is and its state, and of each payout what it took.
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
    Commit,
    Effect,
    GuardFailed,
    Posted,
    Replayed,
    operator_account,
    user_account,
)
from actors.paymaster.messages import (
    DisputeDecide,
    DisputeOpen,
    EarningClaim,
    EarningMature,
    PayoutApprove,
    PayoutKind,
    PayoutPay,
    PayoutReject,
    PayoutTake,
)
from sql.database import Conflict, Unavailable
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.earnings import WINDOW, Work, worked
from tests.integration.conformance.stage import fresh_id
from tests.support.examples import examples
from tests.twins.store import StoreTwin

pytestmark = pytest.mark.heavy  # sums, which no version of Python changes

T = TypeVar("T")
PRICES, OPERATORS = st.integers(2, 300), st.sampled_from([None, 0, 1])
KINDS: list[PayoutKind] = ["CREDITS", "MONEY"]


@attrs.define
class Share:
    work: Work
    charge: int
    operator: int | None
    until: float  # when its window is over, by the clock of the stage
    state: str = "PENDING"
    dispute: str = ""
    payout: UUID | None = None

    @property
    def amount(self) -> int:
        return self.charge * 70 // 100

    @property
    def is_free(self) -> bool:
        return self.state == "PAYABLE" and self.payout is None


@attrs.define
class Payout:
    operator: int
    state: str
    amount: int


class Earnings(RuleBasedStateMachine):
    """Each rule commits at once, now and then through failures, and knows the outcome before."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stage = twin_stage()
        assert isinstance(self.stage.store, StoreTwin)
        self.store = self.stage.store
        self.operators = [fresh_id(), fresh_id()]
        self.node = self.run_to_end(self.stage.node())
        self.shares: list[Share] = []
        self.payouts: dict[UUID, Payout] = {}
        self.batch = fresh_id()
        self.stumbles: list[type[Exception] | None] = []

    def teardown(self) -> None:
        self.loop.close()

    def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def expect(self, effect: Effect, kind: type[Any]) -> None:
        stumbles, self.stumbles = self.stumbles, []
        self.store.lose_commit_answer(stumbles.count(None))
        self.store.fail_next(*(kind("injected") for kind in stumbles if kind), Conflict("one"))
        (outcome,) = self.run_to_end(self.stage.commit(Commit((), (effect,))))
        # Decided anew, what had been done before may be told as done now.
        kinds = (kind, Posted) if kind is Replayed else (kind,)
        assert isinstance(outcome, kinds), (effect, outcome)

    # -- what happens

    @rule(operator=OPERATORS, price=PRICES)
    def earn(self, operator: int | None, price: int) -> None:
        who = None if operator is None else self.operators[operator]
        work = self.run_to_end(worked(self.stage, who, node=self.node, price=price))
        until = self.stage.clock.monotonic() + WINDOW.total_seconds()
        self.shares.append(Share(work, price, operator, until))

    @rule(seconds=st.sampled_from([1.0, 1800.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.stage.clock.pass_by(seconds)

    @precondition(lambda self: len(self.stumbles) < 3)
    @rule(failure=st.sampled_from([Unavailable, Conflict, None]))
    def stumble(self, failure: type[Exception] | None) -> None:
        """The next commit meets an error, or (None) its answer is lost."""
        self.stumbles.append(failure)

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def mature(self, data: st.DataObject) -> None:
        share = data.draw(st.sampled_from(self.shares))
        effect = EarningMature(share.work.job, 0)
        over = self.stage.clock.monotonic() >= share.until
        if share.state in ("PAYABLE", "PAID"):
            self.expect(effect, Replayed)
        elif share.state == "PENDING" and over and share.dispute != "OPEN":
            share.state = "PAYABLE"
            self.expect(effect, Posted)
        else:
            self.expect(effect, GuardFailed)

    @precondition(lambda self: self.shares)
    @rule(data=st.data(), operator=st.sampled_from([0, 1]))
    def claim(self, data: st.DataObject, operator: int) -> None:
        share = data.draw(st.sampled_from(self.shares))
        effect = EarningClaim(share.work.job, 0, self.operators[operator])
        if share.operator is not None:
            self.expect(effect, Replayed if share.operator == operator else GuardFailed)
        elif share.state in ("PENDING", "PAYABLE"):
            share.operator = operator
            self.expect(effect, Posted)
        else:
            self.expect(effect, GuardFailed)

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def dispute(self, data: st.DataObject) -> None:
        share = data.draw(st.sampled_from(self.shares))
        job, who = share.work.job, share.work.creator
        effect = DisputeOpen(fresh_id(), job, 0, who, "black", WINDOW)
        if share.dispute or self.stage.clock.monotonic() >= share.until:
            self.expect(effect, GuardFailed)
            return
        share.dispute = "OPEN"
        self.expect(effect, Posted)

    @precondition(lambda self: self.shares)
    @rule(data=st.data(), upheld=st.booleans())
    def decide(self, data: st.DataObject, *, upheld: bool) -> None:
        share = data.draw(st.sampled_from(self.shares))
        effect = DisputeDecide(share.work.job, 0, share.work.creator, upheld, "looked at it")
        state = "UPHELD" if upheld else "REJECTED"
        if share.dispute == "OPEN":
            share.dispute = state
            over = self.stage.clock.monotonic() >= share.until
            share.state = "REVERSED" if upheld else "PAYABLE" if over else "PENDING"
            self.expect(effect, Posted)
        else:
            self.expect(effect, Replayed if share.dispute == state else GuardFailed)

    @rule(operator=st.sampled_from([0, 1]), kind=st.sampled_from(KINDS))
    def take(self, operator: int, kind: PayoutKind) -> None:
        free = [share for share in self.shares if share.is_free and share.operator == operator]
        effect = PayoutTake(fresh_id(), self.operators[operator], kind)
        if not free:
            self.expect(effect, GuardFailed)
            return
        state = "PAID" if kind == "CREDITS" else "REQUESTED"
        amount = sum(share.amount for share in free)
        self.payouts[effect.id] = Payout(operator, state, amount)
        for share in free:
            share.payout = effect.id
            share.state = "PAID" if kind == "CREDITS" else "PAYABLE"
        self.expect(effect, Posted)

    @precondition(lambda self: self.payouts)
    @rule(data=st.data(), verb=st.sampled_from(["approve", "reject", "return", "pay"]))
    def close(self, data: st.DataObject, verb: str) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.payouts)))
        payout = self.payouts[id_]
        before = payout.state
        by_money = not (before == "PAID" and self.store.payouts[id_].kind == "CREDITS")
        if verb == "approve":
            wanted: Effect = PayoutApprove(id_, self.batch)
            done = before in ("APPROVED", "PAID") and by_money
            goes, after = before == "REQUESTED", "APPROVED"
        elif verb in ("reject", "return"):
            wanted = PayoutReject(id_, not_paid=verb == "return")
            may = ("REQUESTED", "APPROVED") if verb == "return" else ("REQUESTED",)
            done, goes, after = before == "REJECTED", before in may, "REJECTED"
        else:
            wanted = PayoutPay(id_, "wire")
            done, goes, after = before == "PAID" and by_money, before == "APPROVED", "PAID"
        if goes:
            self._closed(id_, after)
        self.expect(wanted, Posted if goes else Replayed if done else GuardFailed)

    def _closed(self, payout: UUID, state: str) -> None:
        self.payouts[payout].state = state
        for share in self.shares:
            if share.payout == payout and state == "PAID":
                share.state = "PAID"
            elif share.payout == payout and state == "REJECTED":
                share.payout = None

    # -- what is so at all times

    @invariant()
    def the_books_are_sound(self) -> None:
        assert self.run_to_end(self.store.audit()) == []

    @invariant()
    def shares_are_what_the_model_says(self) -> None:
        for share in self.shares:
            row = self.store.earnings[share.work.job, 0]
            who = None if share.operator is None else self.operators[share.operator]
            assert (row.state, row.operator_id, row.payout_id) == (share.state, who, share.payout)

    @invariant()
    def everybody_has_what_the_model_says(self) -> None:
        owed = {None: 0, 0: 0, 1: 0}
        for share in self.shares:
            if share.state in ("PENDING", "PAYABLE"):
                owed[share.operator] += share.amount
            back = share.charge if share.state == "REVERSED" else 0
            assert self.store.accounts[user_account(share.work.creator)].balance == back
        assert self.store.accounts["suspense"].balance == owed[None]
        for number, operator in enumerate(self.operators):
            assert self.balance(operator_account(operator)) == owed[number]
            paid = [p for p in self.payouts.items() if p[1].operator == number]
            as_credits = sum(p.amount for i, p in paid if self.store.payouts[i].kind == "CREDITS")
            assert self.balance(user_account(operator)) == as_credits
        sent = sum(
            payout.amount
            for id_, payout in self.payouts.items()
            if payout.state == "PAID" and self.store.payouts[id_].kind == "MONEY"
        )
        assert self.store.accounts["payouts"].balance == sent

    def balance(self, name: str) -> int:
        account = self.store.accounts.get(name)
        return 0 if account is None else account.balance


TestEarnings = Earnings.TestCase
TestEarnings.settings = examples(1, stateful_step_count=40)
