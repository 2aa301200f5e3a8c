"""State machine of stakes: draws, fines, and fines that are given back.

The model knows the state of each share, and what was at stake when each delivery was drawn.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.ledger.effects import (
    DisputeDecide,
    DisputeOpen,
    EarningMature,
    Effect,
    PayoutTake,
    UnitAssign,
    UnitComplete,
    UnitDeliver,
    UnitVerdict,
    VerdictOutcome,
)
from actors.ledger.messages import GuardFailed, Posted, Replayed
from sql.account_names import operator_account
from sql.books import Keys
from sql.earnings import EarningRow
from sql.sampling import covered_odds, fine_of
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.earnings import WINDOW, Work, worked
from tests.integration.conformance.stage import Stage, fresh_id
from tests.support.examples import examples

pytestmark = pytest.mark.heavy  # the results do not depend on the version of Python

T = TypeVar("T")
PRICES, OPERATORS = st.integers(2, 300), st.sampled_from([0, 1])
VERDICT_MOST = 4  # number of steps that a verdict takes
STEPS = st.sampled_from([1.0, 1800.0, 3600.0])


@attrs.define(eq=False)
class Share:
    work: Work
    amount: int
    operator: int
    until: float
    state: str = "PENDING"
    dispute: str = ""
    by_gateway: bool = False


@attrs.define(eq=False)
class Delivery:
    job: UUID
    node: UUID
    operator: int
    opened: float
    share: int
    odds: float
    stake: list[Share]  # undisputed shares that were pending at the draw
    drawn: bool
    verdict: str = ""
    fined: list[Share] = attrs.field(factory=list[Share])


class Fines(RuleBasedStateMachine):
    """State machine whose rules each commit at once and know the outcome in advance."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stage = self.made()
        self.operators = [self.run_to_end(self.stage.user()) for _ in range(2)]
        self.shares: list[Share] = []  # oldest first
        self.deliveries: list[Delivery] = []

    def made(self) -> Stage:
        """Return a stage with an empty store."""
        return twin_stage()

    def teardown(self) -> None:
        self.loop.close()

    def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def expect(self, effect: Effect, kind: type[Any]) -> None:
        outcome = self.run_to_end(self.stage.do(effect))
        assert isinstance(outcome, kind), (effect, outcome)

    @property
    def now(self) -> float:
        return self.stage.clock.monotonic()

    def waiting(self) -> list[Delivery]:
        return [one for one in self.deliveries if not one.verdict]

    def is_ripe(self, share: Share) -> bool:
        opened = [one.opened for one in self.waiting() if one.operator == share.operator]
        return self.now >= share.until and min(opened, default=share.until) >= share.until

    # -- rules

    @rule(operator=OPERATORS, price=PRICES)
    def earn(self, operator: int, price: int) -> None:
        work = self.run_to_end(worked(self.stage, self.operators[operator], price=price))
        self.earned(work, price * 70 // 100, operator)

    def earned(self, work: Work, amount: int, operator: int) -> None:
        if amount:
            until = self.now + WINDOW.total_seconds()
            self.shares.append(Share(work, amount, operator, until))

    @rule(operator=OPERATORS, price=PRICES, asked=st.sampled_from([0.05, 0.3, 1.0]),
          draw=st.sampled_from([0.0, 0.2, 0.9]))  # fmt: skip
    def deliver(self, operator: int, price: int, asked: float, draw: float) -> None:
        _, node, job = self.run_to_end(self.stage.dispatched(price))
        stake = [
            share
            for share in self.shares
            if (share.operator, share.state) == (operator, "PENDING")
            if share.until > self.now and share.dispute != "OPEN"
        ]
        share = price * 70 // 100
        odds = max(asked, covered_odds(share, sum(one.amount for one in stake)))
        made = Delivery(job, node, operator, self.now, share, odds, stake, draw < odds)
        whose = self.operators[operator]
        self.expect(delivery_of(job, node, whose, asked=asked, draw=draw), Posted)
        row = self.run_to_end(self.check_of(made))
        assert (row.drawn, row.odds) == (made.drawn, pytest.approx(odds))
        self.deliveries.append(made)

    async def check_of(self, made: Delivery, attempt: int = 1) -> Any:
        async with self.stage.store.transaction() as books:
            rows = await books.lock(Keys(checks={(made.job, 0)}))
        return rows.checks[made.job, 0, attempt]

    @rule(seconds=STEPS)
    def wait(self, seconds: float) -> None:
        self.stage.clock.pass_by(seconds)

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def mature(self, data: st.DataObject) -> None:
        share = data.draw(st.sampled_from(self.shares))
        self.matures(share)

    def matures(self, share: Share) -> None:
        effect = EarningMature(share.work.job, 0)
        if share.state in ("PAYABLE", "PAID"):
            self.expect(effect, Replayed)
        elif share.state == "PENDING" and share.dispute != "OPEN" and self.is_ripe(share):
            share.state = "PAYABLE"
            self.expect(effect, Posted)
        else:
            self.expect(effect, GuardFailed)

    @precondition(lambda self: self.shares)
    @rule(data=st.data(), by_gateway=st.booleans())
    def dispute(self, data: st.DataObject, *, by_gateway: bool) -> None:
        share = data.draw(st.sampled_from(self.shares))
        job, who = share.work.job, share.work.creator
        effect = DisputeOpen(fresh_id(), job, 0, who, "black", WINDOW, by_gateway)
        is_over = self.now >= share.until and not by_gateway
        is_same = share.by_gateway == by_gateway
        is_closed = share.dispute != "" and (share.dispute != "REJECTED" or is_same)
        if is_closed or share.state in ("PAYABLE", "PAID") or is_over:
            self.expect(effect, GuardFailed)
            return
        share.dispute, share.by_gateway = "OPEN", by_gateway
        self.expect(effect, Posted)

    @precondition(lambda self: any(share.dispute == "OPEN" for share in self.shares))
    @rule(data=st.data(), upheld=st.booleans())
    def decide(self, data: st.DataObject, *, upheld: bool) -> None:
        disputed = [share for share in self.shares if share.dispute == "OPEN"]
        share = data.draw(st.sampled_from(disputed))
        share.dispute = "UPHELD" if upheld else "REJECTED"
        if share.state == "PENDING" and (upheld or self.is_ripe(share)):
            share.state = "REVERSED" if upheld else "PAYABLE"
        creator = share.work.creator
        self.expect(DisputeDecide(share.work.job, 0, creator, upheld, "looked at it"), Posted)

    @rule(operator=OPERATORS)
    def take(self, operator: int) -> None:
        free = [one for one in self.shares if (one.operator, one.state) == (operator, "PAYABLE")]
        for share in free:
            share.state = "PAID"
        effect = PayoutTake(fresh_id(), self.operators[operator], "CREDITS")
        self.expect(effect, Posted if free else GuardFailed)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), is_lie=st.booleans())
    def judge(self, data: st.DataObject, *, is_lie: bool) -> None:
        made = data.draw(st.sampled_from(self.waiting()))
        row = self.run_to_end(self.check_of(made))
        due = fine_of(made.share, row.odds) if is_lie and made.drawn else 0
        outcome: VerdictOutcome = "invalid" if is_lie else "exact"
        effect = UnitVerdict(
            *(made.job, 0, 1, outcome),
            operator=operator_account(self.operators[made.operator]),
            strike=is_lie,
            fine=due,
            retry_at=self.stage.clock.now(),
        )
        made.verdict = outcome
        self.expect(effect, Posted)
        self.expect(effect, Replayed)  # as another gateway may send it
        if is_lie:
            self.fine(made, due)
        else:
            creator = self.run_to_end(self.stage.job(made.job)).user_id
            self.earned(Work(creator, made.job, made.node), made.share, made.operator)

    def fine(self, made: Delivery, due: int) -> None:
        """Forfeit the newest pending shares until they cover the fine; check the sum against the
        stake.
        """
        left = [one for one in made.stake if one.state not in ("REVERSED", "FORFEITED")]
        assert all(one.state == "PENDING" for one in left), "no share of the stake has matured"
        for share in reversed(self.shares):
            is_free = (share.operator, share.state) == (made.operator, "PENDING")
            if is_free and due > sum(one.amount for one in made.fined):
                made.fined.append(share)
        taken = sum(one.amount for one in made.fined)
        assert taken >= min(due, sum(one.amount for one in left))
        assert due == 0 or taken - made.fined[-1].amount < due if made.fined else taken == 0
        for share in made.fined:
            share.state = "FORFEITED"

    @precondition(lambda self: any(one.verdict == "invalid" for one in self.deliveries))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Withdraw a strike: another node has delivered the same, so the scene is at fault."""
        lies = [one for one in self.deliveries if one.verdict == "invalid"]
        made = data.draw(st.sampled_from(lies))
        node = self.run_to_end(self.stage.node())
        self.expect(UnitAssign(made.job, 0, 2, node), Posted)
        whose = self.operators[made.operator]
        asked = data.draw(st.sampled_from([0.05, 1.0]))
        self.expect(delivery_of(made.job, node, whose, 2, asked=asked), Posted)
        is_known = self.run_to_end(self.check_of(made, 2)).odds < 1
        operator = operator_account(whose)
        effect = UnitVerdict(made.job, 0, 2, "invalid", operator=operator, withdrawn=True)
        self.expect(effect, Posted)
        self.expect(effect, Replayed)
        made.verdict = "withdrawn"
        for share in made.fined:
            if is_known and share.dispute != "UPHELD":
                share.state = "PENDING"
        made.fined = [share for share in made.fined if share.state == "FORFEITED"]

    # -- invariants

    @invariant()
    def the_books_are_sound(self) -> None:
        assert self.run_to_end(self.stage.store.audit()) == []

    @invariant()
    def shares_are_what_the_model_says(self) -> None:
        rows = self.run_to_end(self.rows())
        for share in self.shares:
            assert rows[share.work.job, 0].state == share.state

    async def rows(self) -> dict[tuple[UUID, int], EarningRow]:
        wanted = {(share.work.job, 0) for share in self.shares}
        async with self.stage.store.transaction() as books:
            return (await books.lock(Keys(earnings=wanted))).earnings

    @invariant()
    def operators_are_owed_what_the_model_says(self) -> None:
        for number, operator in enumerate(self.operators):
            owed = sum(
                share.amount
                for share in self.shares
                if share.operator == number and share.state in ("PENDING", "PAYABLE")
            )
            assert self.run_to_end(self.stage.money(operator_account(operator))) == (owed, 0)


TestFines = Fines.TestCase
TestFines.settings = examples(1, stateful_step_count=40)


@given(
    st.lists(
        st.tuples(st.sampled_from([60.0, 900.0, 2400.0]), st.integers(1, VERDICT_MOST)),
        min_size=VERDICT_MOST,
    ),
)
@examples(0.4)
def test_an_operator_who_always_has_a_delivery_waiting_is_paid(
    pace: list[tuple[float, int]],
) -> None:
    """Each share matures once all that was delivered within its window has a verdict."""

    async def work() -> None:
        stage = twin_stage()
        operator = await stage.user()
        waiting: list[tuple[int, UnitVerdict]] = []  # step in which each verdict comes
        done: list[tuple[float, Work]] = []  # end of each share's window
        times = list[float]()
        for step, (seconds, later) in enumerate(pace):
            stage.clock.pass_by(seconds)
            times.append(stage.clock.monotonic())
            done.append((times[-1] + WINDOW.total_seconds(), await worked(stage, operator)))
            _, node, job = await stage.dispatched(10)
            assert isinstance(await stage.do(delivery_of(job, node, operator)), Posted)
            verdict = UnitVerdict(job, 0, 1, "exact", operator=operator_account(operator))
            waiting.append((step + later, verdict))
            for at, over in [one for one in waiting if one[0] <= step]:
                assert isinstance(await stage.do(over), Posted)
                waiting.remove((at, over))
            assert waiting, "a verdict is awaited at all times"
            ripe = {one.job for one in await stage.store.matured_earnings(1000)}
            late = [one.job for until, one in done if until <= times[max(step - VERDICT_MOST, 0)]]
            assert ripe >= set(late)

    asyncio.run(work())


def delivery_of(
    job: UUID, node: UUID, operator: UUID, attempt: int = 1, *, asked: float = 0.5, draw: float = 0
) -> UnitDeliver:
    result = UnitComplete(
        *(job, 0, attempt, node, "x", b"s" * 32, 9),
        verified=True,
        operator=operator_account(operator),
        dispute_window=WINDOW,
    )
    return UnitDeliver(result, "cpu", draw=draw, odds=asked)
