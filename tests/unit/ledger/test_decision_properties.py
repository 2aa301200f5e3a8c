"""Random lives of jobs and accounts, in batches, against a model that keeps no books.

The model knows each user's money as one number, and of a unit its state, attempt and node.
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
    ExistsWithOtherAmount,
    GuardFailed,
    InsufficientCredits,
    JobCancel,
    Outcome,
    Posted,
    Replayed,
    Transfer,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
    operator_account,
    user_account,
)
from sql.database import Conflict, Unavailable
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.stage import act, dispatch, fresh_id, grant
from tests.support.examples import examples
from tests.twins.store import StoreTwin

pytestmark = pytest.mark.heavy  # sums, which no version of Python changes

T = TypeVar("T")
AMOUNTS = st.integers(1, 300)
USERS, NODES = range(3), range(3)
EARNER = operator_account(UUID(int=2**64))
RARELY = st.sampled_from([False, False, False, True])


@attrs.define
class Job:
    id: UUID
    user: int
    price: int
    state: str = "QUEUED"
    attempt: int = 0
    node: int | None = None
    ran: bool = False


@attrs.define
class Expected:
    """What an order is expected to be answered with, filled in when the model is asked."""

    commit: Commit
    kinds: tuple[type[Any], ...]


class Books(RuleBasedStateMachine):
    """Each rule adds a commit to the batch; ``flush`` commits it, perhaps through failures."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stage = twin_stage()
        assert isinstance(self.stage.store, StoreTwin)
        self.store = self.stage.store
        self.users = [fresh_id() for _ in USERS]
        self.nodes = [fresh_id() for _ in NODES]
        self.money, self.held = [0, 0, 0], [0, 0, 0]
        self.revenue = self.earned = self.granted = 0
        self.references: dict[tuple[int, str], int] = {}
        self.jobs: list[Job] = []
        self.batch: list[Expected] = []
        for user in USERS:
            self.grant(user, 100, "first")

    def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.flush(failures=[])
        self.loop.close()

    def expect(self, commit: Commit, *kinds: type[Any]) -> None:
        self.batch.append(Expected(commit, kinds))

    # -- money

    @rule(user=st.sampled_from(USERS), amount=AMOUNTS, word=st.sampled_from("abcd"))
    def give(self, user: int, amount: int, word: str) -> None:
        self.grant(user, amount, word)

    def grant(self, user: int, amount: int, word: str) -> None:
        record = act(f"{user} {word}")
        commit = Commit((grant(self.users[user], amount, word),), act=record)
        before = self.references.get((user, word))
        if before is None:
            self.references[user, word] = amount
            self.money[user] += amount
            self.granted += amount
            self.expect(commit, Posted)
        else:
            self.expect(commit, Replayed if before == amount else ExistsWithOtherAmount)

    @rule(users=st.permutations(USERS), amount=AMOUNTS)
    def pay(self, users: list[int], amount: int) -> None:
        payer, payee = users[:2]
        one, other = user_account(self.users[payer]), user_account(self.users[payee])
        transfer = Transfer(one, other, one, amount, "ADJUSTMENT", str(fresh_id()))
        if self.money[payer] - self.held[payer] < amount:
            self.expect(Commit((transfer,)), InsufficientCredits)
            return
        self.money[payer] -= amount
        self.money[payee] += amount
        self.expect(Commit((transfer,)), Posted)

    # -- jobs

    @rule(
        user=st.sampled_from(USERS), price=st.integers(0, 99), node=st.sampled_from([None, *NODES])
    )
    def submit(self, user: int, price: int, node: int | None) -> None:
        job = Job(fresh_id(), user, price)
        place = None if node is None else self.nodes[node]
        commit = dispatch(self.users[user], job.id, price, 1, place)
        if self.money[user] - self.held[user] < price:
            self.expect(commit, InsufficientCredits)
            return
        self.held[user] += price
        if node is not None:
            job.state, job.attempt, job.node = "DISPATCHED", 1, node
        self.jobs.append(job)
        self.expect(commit, Posted)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), node=st.sampled_from(NODES), stale=RARELY)
    def assign(self, data: st.DataObject, node: int, *, stale: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        attempt = job.attempt + (0 if stale else 1)
        commit = Commit((), (UnitAssign(job.id, 0, attempt, self.nodes[node]),))
        if (job.attempt, job.node) == (attempt, node):
            self.expect(commit, Replayed)
        elif job.state == "QUEUED" and not stale:
            job.state, job.attempt, job.node = "DISPATCHED", attempt, node
            self.expect(commit, Posted)
        else:
            self.expect(commit, GuardFailed)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), stranger=RARELY, back=RARELY)
    def start(self, data: st.DataObject, *, stranger: bool, back: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        node = ((job.node or 0) + int(stranger)) % 3
        commit = Commit((), (UnitStart(job.id, 0, job.attempt - int(back), self.nodes[node]),))
        ours = node == job.node and not back
        if ours and job.state == "DISPATCHED":
            job.state, job.ran = "RUNNING", True
            self.expect(commit, Posted)
        else:
            same = ours and job.state in ("RUNNING", "COMPLETED")
            self.expect(commit, Replayed if same else GuardFailed)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), stranger=RARELY, back=RARELY, verified=st.booleans())
    def complete(self, data: st.DataObject, *, stranger: bool, back: bool, verified: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        node = ((job.node or 0) + int(stranger)) % 3
        effect = UnitComplete(
            *(job.id, 0, job.attempt - int(back), self.nodes[node], "x"),
            verified=verified,
            operator=EARNER,
        )
        ours = node == job.node and not back
        if ours and job.state in ("DISPATCHED", "RUNNING"):
            share = job.price * 70 // 100 if verified else 0
            job.state = "COMPLETED"
            self.held[job.user] -= job.price
            self.money[job.user] -= job.price
            self.earned += share
            self.revenue += job.price - share
            self.expect(Commit((), (effect,)), Posted)
        else:
            same = ours and job.state == "COMPLETED"
            self.expect(Commit((), (effect,)), Replayed if same else GuardFailed)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), back=RARELY, final=RARELY)
    def fail(self, data: st.DataObject, *, back: bool, final: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        node = self.nodes[job.node or 0]
        retry_at = None if final else self.stage.clock.now()
        word = str(fresh_id())
        effect = UnitFail(job.id, 0, job.attempt - int(back), node, "node", word, retry_at)
        if back or job.state not in ("DISPATCHED", "RUNNING"):
            self.expect(Commit((), (effect,)), GuardFailed)
            return
        job.state = "FAILED" if final else "QUEUED"
        if final:
            self.held[job.user] -= job.price
        self.expect(Commit((), (effect,)), Posted)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), back=RARELY)
    def requeue(self, data: st.DataObject, *, back: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        commit = Commit((), (UnitRequeue(job.id, 0, job.attempt - int(back), "lost"),))
        if not back and job.state in ("DISPATCHED", "RUNNING"):
            job.state = "QUEUED"
            self.expect(commit, Posted)
        else:
            same = not back and job.state == "QUEUED"
            self.expect(commit, Replayed if same else GuardFailed)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), owner=st.booleans())
    def cancel(self, data: st.DataObject, *, owner: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        user = self.users[job.user] if owner else self.users[(job.user + 1) % 3]
        commit = Commit((), (JobCancel(job.id, user),))
        if owner and not job.ran and job.state in ("QUEUED", "DISPATCHED"):
            job.state = "CANCELLED"
            self.held[job.user] -= job.price
            self.expect(commit, Posted)
        else:
            same = owner and job.state == "CANCELLED"
            self.expect(commit, Replayed if same else GuardFailed)

    # -- batches

    @rule(failures=st.lists(st.sampled_from([Unavailable, Conflict]), max_size=3))
    def flush(self, failures: list[type[Exception]]) -> None:
        """All at once; what fails on the way is tried again."""
        batch, self.batch = self.batch, []
        if failures:
            self.store.fail_next(*(kind("injected") for kind in failures))
        outcomes = self.run_to_end(self.stage.commit(*(each.commit for each in batch)))
        for each, outcome in zip(batch, outcomes, strict=True):
            self.compare(each, outcome)

    @rule(lost=st.integers(1, 3))
    def flush_with_lost_answers(self, lost: int) -> None:
        """One by one: in a batch that is decided anew, a refusal may find its credits after all."""
        batch, self.batch = self.batch, []
        for each in batch:
            self.store.lose_commit_answer(lost)
            (outcome,) = self.run_to_end(self.stage.commit(each.commit))
            self.store.lose_commit_answer(0)
            self.compare(each, outcome)

    def compare(self, each: Expected, outcome: Outcome) -> None:
        """Decided anew, what had been done before may be told as done now."""
        kinds = (*each.kinds, Posted) if Replayed in each.kinds else each.kinds
        assert isinstance(outcome, kinds), (each.commit, outcome)

    @precondition(lambda self: not self.batch)
    @invariant()
    def the_books_are_sound(self) -> None:
        assert self.run_to_end(self.store.audit()) == []
        for user, money, held in zip(self.users, self.money, self.held, strict=True):
            account = self.store.accounts.get(user_account(user))
            found = (account.balance, account.held) if account else (0, 0)
            assert found == (money, held)
        earner = self.store.accounts.get(EARNER)
        assert (earner.balance if earner else 0) == self.earned
        assert self.store.accounts["revenue"].balance == self.revenue
        assert self.store.accounts["adjustments"].balance == -self.granted
        written = sorted(act.reason for act in self.store.acts)
        assert written == sorted(f"{user} {word}" for user, word in self.references)
        for job in self.jobs:
            unit = self.store.units[job.id, 0]
            assert (unit.state, unit.attempt) == (job.state, job.attempt)


TestBooks = Books.TestCase
TestBooks.settings = examples(1, stateful_step_count=50)
