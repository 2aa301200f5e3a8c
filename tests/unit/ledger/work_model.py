"""State machine of money, holds and work, with batches in any order, against a simple model.

Three people are creators, buyers and operators at once. The model knows each person's balance,
holds, debt and earnings, and each job's state. An operation is a commit, with a function that does
the same to the model and returns the expected answer. So any operation may be repeated at any time,
even within its own batch.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from uuid import UUID

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from actors.ledger.effects import (
    JobCancel,
    JobChange,
    JobPause,
    JobResume,
    JobStop,
    OfPayout,
    Transfer,
    UnitAssign,
    UnitCopy,
    UnitFail,
    UnitRequeue,
    UnitRetry,
    UnitStart,
)
from actors.ledger.messages import (
    Commit,
    ExistsWithOtherAmount,
    GuardFailed,
    IdempotencyKey,
    InsufficientCredits,
    KeyConflict,
    Outcome,
    Posted,
    Replayed,
)
from sql.account_names import ADJUSTMENTS, debt_account, operator_account, user_account
from sql.database import Conflict, Unavailable
from tests.integration.conformance.stage import Stage, act, dispatch, fresh_id
from tests.twins.store import StoreTwin

T = TypeVar("T")
Answer = type[Outcome]
Model = Callable[[], Answer]
PEOPLE, NODES = range(3), range(2)
AMOUNTS = st.sampled_from([1, 9_999, 10_000, 250_001, 1_000_000])
PRICES = st.sampled_from([0, 1, 99_999, 100_000, 250_001, 1_000_000])
ENDED = ("COMPLETED", "FAILED", "CANCELLED")
AT_WORK = ("DISPATCHED", "RUNNING", "VERIFYING")
PLATFORM = ("purchases", "revenue", "adjustments", "payouts", "disputes", "suspense")
RARELY = st.sampled_from([False, False, False, True])


@attrs.define
class Purse:
    """A person's money, in the ledger's integer units."""

    has: int = 0
    held: int = 0
    owes: int = 0
    earned: int = 0

    @property
    def available(self) -> int:
        return self.has - self.held


@attrs.define
class Job:
    id: UUID
    user: int
    price: int
    state: str = "QUEUED"
    attempt: int = 0
    node: int | None = None
    paused: str | None = None
    cap: int | None = None
    ran: bool = False
    error: str = ""
    ended: float = 0.0
    verified: bool = False
    refunded: int | None = None  # by an admin, or by a dispute under the same reference
    dispute: str = ""
    dispute_id: UUID | None = None
    copied: int = 0  # number of the newest speculative attempt
    copy: int | None = None  # node of the copy, while it lives
    copy_ran: bool = False
    copy_delivered: bool = False

    @property
    def next_attempt(self) -> int:
        return max(self.attempt, self.copied) + 1

    def is_copy(self, attempt: int, node: int | None) -> bool:
        """Return whether the attempt is the living copy; a node of None matches any node."""
        return self.copy is not None and attempt == self.copied and node in (None, self.copy)

    def is_first(self, attempt: int, node: int | None) -> bool:
        """Return whether the attempt has a speculative copy; a node of None matches any node."""
        return self.copy is not None and attempt == self.attempt and node in (None, self.node)

    def waits(self, *, copy: bool) -> bool:
        """Return whether the first attempt (or the copy) has delivered and has no verdict."""
        return self.copy_delivered if copy else self.state == "VERIFYING"

    def alone(self) -> None:
        """Drop the copy."""
        self.copy, self.copy_delivered = None, False

    def promote(self) -> None:
        """Make the copy the job's only attempt."""
        self.attempt, self.node = self.copied, self.copy
        self.ran = self.ran or self.copy_ran
        self.state = "RUNNING" if self.copy_ran else "DISPATCHED"
        self.state = "VERIFYING" if self.copy_delivered else self.state
        self.alone()

    def left_to_other(
        self, attempt: int, node: int | None, word: str, *, both: bool = False
    ) -> Answer | None:
        """Let one of two attempts fail while the other goes on; None if there are no two attempts.

        With ``both`` the other attempt ends, too, unless it has delivered. An attempt that has
        delivered cannot fail.
        """
        copy = self.is_copy(attempt, node)
        if not copy and not self.is_first(attempt, node):
            return None
        if self.waits(copy=copy):
            return GuardFailed
        if both and not self.waits(copy=not copy):
            return None
        self.error = word
        if copy:
            self.alone()
        else:
            self.promote()
        return Posted


@attrs.define
class Sent:
    """A commit of the batch, with the expected answer."""

    commit: Commit
    model: Model
    answer: Answer


def jobs_in(*states: str) -> Callable[[Any], bool]:
    """Return a precondition: there is a job in one of these states."""
    return lambda self: any(job.state in states for job in self.jobs)


class WorkModel(RuleBasedStateMachine):
    """State machine of money, holds and work.

    Each rule adds a commit to a batch; ``flush`` commits the batch, with injected failures.
    """

    def __init__(self, stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.stage, self.loop = stage, loop
        self.people = [self.run_to_end(stage.user()) for _ in PEOPLE]
        self.nodes = [self.run_to_end(stage.node()) for _ in NODES]
        self.purses = [Purse() for _ in PEOPLE]
        self.platform = Counter[str]()
        self.jobs: list[Job] = []
        self.capping: list[Commit] = []
        self.references: dict[str, int] = {}
        self.keys: dict[tuple[int, str], bytes] = {}
        self.batch: list[Sent] = []
        self.past: list[Sent] = []
        for person in PEOPLE:
            self.give(person, 1_000_000, "first", up=True)

    def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.flush(failures=[], lost=0)

    @property
    def now(self) -> float:
        return self.stage.clock.monotonic()

    def add(self, commit: Commit, model: Model) -> None:
        answer = model()
        if issubclass(answer, Posted):
            self.pay_debts()
        sent = Sent(commit, model, answer)
        self.batch.append(sent)
        if commit.idempotency is None:  # a repeated request would carry another job's id
            self.past.append(sent)

    def pay_debts(self) -> None:
        for purse in self.purses:
            paid = min(purse.owes, purse.available)
            purse.has -= paid
            purse.owes -= paid

    # -- money

    @rule(person=st.sampled_from(PEOPLE), amount=AMOUNTS, word=st.sampled_from("abc"),
          up=st.sampled_from([True, True, False]))  # fmt: skip
    def give(self, person: int, amount: int, word: str, *, up: bool) -> None:
        """Let an admin grant credits or adjust them downwards; a reference stands for one act."""
        account, reference = user_account(self.people[person]), f"{up}:{person}:{word}"
        sides = (ADJUSTMENTS, account) if up else (account, ADJUSTMENTS)
        transfer = Transfer(*sides, account, amount, "ADJUSTMENT", reference)

        def model() -> Answer:
            known = self.references.get(reference)
            if known is not None:
                return Replayed if known == amount else ExistsWithOtherAmount
            return self.moved(person, amount if up else -amount, "adjustments", reference)

        self.add(Commit((transfer,), act=act(reference)), model)

    def moved(self, person: int, amount: int, platform: str, reference: str) -> Answer:
        """Move money between a person and an account of the platform."""
        if -amount > self.purses[person].available:
            return InsufficientCredits
        self.references[reference] = abs(amount)
        self.purses[person].has += amount
        self.platform[platform] -= amount
        return Posted

    @rule(people=st.permutations(PEOPLE), amount=AMOUNTS)
    def pay(self, people: list[int], amount: int) -> None:
        payer, payee = people[:2]
        reference = f"pay:{fresh_id()}"
        one, other = (user_account(self.people[person]) for person in (payer, payee))

        def model() -> Answer:
            if reference in self.references:
                return Replayed
            if amount > self.purses[payer].available:
                return InsufficientCredits
            self.references[reference] = amount
            self.purses[payer].has -= amount
            self.purses[payee].has += amount
            return Posted

        self.add(Commit((Transfer(one, other, one, amount, "DEDUCTION", reference),)), model)

    def charged(self, person: int, charge: int) -> None:
        self.purses[person].has -= charge
        self.platform["revenue"] += charge

    # -- work

    @rule(person=st.sampled_from(PEOPLE), price=PRICES, node=st.sampled_from([None, *NODES]),
          key=st.sampled_from([None, None, "k", "l"]))  # fmt: skip
    def submit(self, person: int, price: int, node: int | None, key: str | None) -> None:
        job = Job(fresh_id(), person, price)
        request = bytes([price % 251]) * 32
        place = None if node is None else self.nodes[node]
        commit = dispatch(self.people[person], job.id, price, 1, place)
        if key is not None:
            answer = {"status": 200, "body": {"job_id": str(job.id)}}
            kept = IdempotencyKey(self.people[person], key, request, answer)
            commit = attrs.evolve(commit, idempotency=kept)

        def model() -> Answer:
            if key is not None and (person, key) in self.keys:
                return Replayed if self.keys[person, key] == request else KeyConflict
            # the job counts as inserted, but the assignment may be to another node
            if job in self.jobs:
                same = (job.attempt, job.node) == (1, node) or node is None
                return Replayed if same else GuardFailed
            if price > self.purses[person].available:
                return InsufficientCredits
            if key is not None:
                self.keys[person, key] = request
            self.purses[person].held += price
            if node is not None:
                job.state, job.attempt, job.node = "DISPATCHED", 1, node
            self.jobs.append(job)
            return Posted

        self.add(commit, model)

    def back(self, job: Job) -> None:
        """Put the job back in the queue; its price no longer counts towards a cap."""
        job.state = "QUEUED"
        if job.paused == "cap" and job.price:
            job.paused = None

    def draw_job(self, data: st.DataObject, *states: str) -> Job:
        """Draw a job in one of these states, or rarely any job, to test refusals."""
        wanted = [job for job in self.jobs if job.state in states]
        return data.draw(st.sampled_from(self.jobs if data.draw(RARELY) else wanted))

    @precondition(jobs_in("QUEUED"))
    @rule(data=st.data(), node=st.sampled_from(NODES), ahead=st.sampled_from([1, 1, 1, 0]))
    def assign(self, data: st.DataObject, node: int, ahead: int) -> None:
        job = self.draw_job(data, "QUEUED")
        attempt = job.next_attempt - 1 + ahead

        def model() -> Answer:
            if (job.attempt, job.node) == (attempt, node):
                return Replayed
            if job.state != "QUEUED" or attempt != job.next_attempt:
                return GuardFailed
            if job.paused is not None and not (job.paused == "cap" and job.price == 0):
                return GuardFailed
            if job.cap is not None and job.price > job.cap:
                job.paused = "cap"
                self.capping.append(commit)
                return Posted
            job.state, job.attempt, job.node, job.error = "DISPATCHED", attempt, node, ""
            return Posted

        commit = Commit((), (UnitAssign(job.id, 0, attempt, self.nodes[node]),))
        self.add(commit, model)

    @precondition(jobs_in("DISPATCHED", "RUNNING"))
    @rule(data=st.data(), ahead=st.sampled_from([1, 1, 1, 0]), same=RARELY)
    def copy(self, data: st.DataObject, ahead: int, *, same: bool) -> None:
        """Give the job to a second node; rarely to the same node, which must be refused."""
        job = self.draw_job(data, "DISPATCHED", "RUNNING")
        attempt, beside = job.next_attempt - 1 + ahead, job.attempt
        node = ((job.node or 0) + int(not same)) % 2
        self.copies(job, attempt, node, beside)

    def copies(self, job: Job, attempt: int, node: int, beside: int) -> None:
        def model() -> Answer:
            if (job.copied, job.copy) == (attempt, node):
                return Replayed
            if job.state not in ("DISPATCHED", "RUNNING") or job.copy is not None:
                return GuardFailed
            if job.node == node or (job.attempt, job.next_attempt) != (beside, attempt):
                return GuardFailed
            if job.paused is not None:
                return GuardFailed
            job.copied, job.copy = attempt, node
            job.copy_ran = job.copy_delivered = False
            return Posted

        self.add(Commit((), (UnitCopy(job.id, 0, attempt, self.nodes[node], beside),)), model)

    def one_of(self, job: Job, *, copy: bool, stranger: bool = False) -> tuple[int, int]:
        """Return an attempt at the job and its node; with ``copy`` the speculative
        attempt, if any.
        """
        if copy and job.copy is not None:
            return job.copied, (job.copy + int(stranger)) % 2
        return job.attempt, ((job.node or 0) + int(stranger)) % 2

    @precondition(jobs_in("DISPATCHED"))
    @rule(data=st.data(), stranger=RARELY, copy=st.booleans())
    def start(self, data: st.DataObject, *, stranger: bool, copy: bool) -> None:
        job = self.draw_job(data, "DISPATCHED")
        attempt, node = self.one_of(job, copy=copy, stranger=stranger)

        def model() -> Answer:
            if job.is_copy(attempt, node):
                before, job.copy_ran = job.copy_ran, True
                return Replayed if before else Posted
            ours = (job.attempt, job.node) == (attempt, node)
            if ours and job.state in ("RUNNING", "VERIFYING", "COMPLETED"):
                return Replayed
            if not ours or job.state != "DISPATCHED":
                return GuardFailed
            job.state, job.ran = "RUNNING", True
            return Posted

        self.add(Commit((), (UnitStart(job.id, 0, attempt, self.nodes[node]),)), model)

    @precondition(jobs_in("QUEUED", "DISPATCHED", "RUNNING"))
    @rule(data=st.data(), final=st.booleans(), gateway=st.booleans(), copy=st.booleans())
    def fail(self, data: st.DataObject, *, final: bool, gateway: bool, copy: bool) -> None:
        """Let the node report a failure, or the gateway give the job up."""
        job = self.draw_job(data, "QUEUED", "DISPATCHED", "RUNNING")
        attempt, whose = self.one_of(job, copy=copy)
        node = None if gateway else whose
        final = final or gateway
        retry_at = None if final else self.stage.clock.now()
        who = None if node is None else self.nodes[node]
        word, kind = str(fresh_id()), "gateway" if gateway else "node"

        def model() -> Answer:
            left = job.left_to_other(attempt, node, word, both=gateway)
            if left is not None:
                return left
            if job.is_copy(attempt, node):
                job.promote()
            ours = job.attempt == attempt and node in (None, job.node)
            after = "FAILED" if final else "QUEUED"
            if ours and (job.state, job.error) == (after, word):
                return Replayed
            may = ("DISPATCHED", "RUNNING", *(("QUEUED",) if gateway else ()))
            if not ours or job.state not in may:
                return GuardFailed
            job.error = word
            if final:
                self.ended(job, after)
            else:
                self.back(job)
            return Posted

        effect = UnitFail(job.id, 0, attempt, who, kind, word, retry_at)
        self.add(Commit((), (effect,)), model)

    @precondition(jobs_in("DISPATCHED", "RUNNING"))
    @rule(data=st.data(), copy=st.booleans())
    def requeue(self, data: st.DataObject, *, copy: bool) -> None:
        job = self.draw_job(data, "DISPATCHED", "RUNNING")
        attempt, _ = self.one_of(job, copy=copy)

        def model() -> Answer:
            left = job.left_to_other(attempt, None, "lost")
            if left is not None:
                return left
            if job.attempt == attempt and job.state == "QUEUED":
                return Replayed
            if job.attempt != attempt or job.state in (*ENDED, "VERIFYING"):
                return GuardFailed
            job.error = "lost"
            self.back(job)
            return Posted

        self.add(Commit((), (UnitRequeue(job.id, 0, attempt, "lost"),)), model)

    @precondition(jobs_in("QUEUED", "DISPATCHED"))
    @rule(data=st.data(), stranger=RARELY)
    def cancel(self, data: st.DataObject, *, stranger: bool) -> None:
        job = self.draw_job(data, "QUEUED", "DISPATCHED")
        user = self.people[(job.user + int(stranger)) % 3]

        def model() -> Answer:
            if not stranger and job.state == "CANCELLED":
                return Replayed
            if stranger or job.ran or job.copy_delivered or job.state in ENDED:
                return GuardFailed
            self.ended(job, "CANCELLED")
            return Posted

        self.add(Commit((), (JobCancel(job.id, user),)), model)

    def ended(self, job: Job, state: str) -> None:
        """End the job and release its hold."""
        job.state, job.paused = state, None
        job.alone()
        self.purses[job.user].held -= job.price

    @precondition(jobs_in("QUEUED", "DISPATCHED", "RUNNING"))
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        job = self.draw_job(data, "QUEUED", "DISPATCHED", "RUNNING")

        def model() -> Answer:
            if job.state == "CANCELLED" or job.paused == "stopped":
                return Replayed
            if job.state in ENDED:
                return GuardFailed
            self.stopped(job)
            return Posted

        self.add(Commit((), (JobStop(job.id, self.people[job.user]),)), model)

    def stopped(self, job: Job) -> None:
        """Stop the job; a delivered attempt still waits for its verdict."""
        if job.copy is not None and job.copy_delivered and job.state != "VERIFYING":
            job.promote()
        elif job.copy is not None and not job.copy_delivered:
            job.alone()
        if job.state == "VERIFYING":
            job.paused = "stopped"
        else:
            self.ended(job, "CANCELLED")

    @precondition(jobs_in("QUEUED", "DISPATCHED", "RUNNING"))
    @rule(data=st.data(), paused=st.sampled_from(["owner", None]))
    def pause(self, data: st.DataObject, paused: str | None) -> None:
        """Pause or resume the job."""
        job = self.draw_job(data, "QUEUED", "DISPATCHED", "RUNNING")
        kind = JobPause if paused else JobResume

        def model() -> Answer:
            if job.state in ENDED or job.paused == "stopped":
                return GuardFailed
            at_cap = job.cap is not None and job.state == "QUEUED" and job.price > job.cap
            if paused is None and job.paused is not None and at_cap:
                return GuardFailed
            before, job.paused = job.paused, paused
            return Replayed if before == paused else Posted

        self.add(Commit((), (kind(job.id, self.people[job.user]),)), model)

    @precondition(jobs_in("QUEUED", "DISPATCHED", "RUNNING"))
    @rule(data=st.data(), cap=AMOUNTS)
    def limit(self, data: st.DataObject, cap: int) -> None:
        """Change the job's cap."""
        job = self.draw_job(data, "QUEUED", "DISPATCHED", "RUNNING")

        def model() -> Answer:
            committed = job.price if job.state in AT_WORK else 0
            if job.state in ENDED or job.paused == "stopped" or cap < committed:
                return GuardFailed
            if job.cap == cap:
                return Replayed
            is_still_capped = job.state == "QUEUED" and job.price > cap
            if job.paused == "cap" and not is_still_capped:
                job.paused = None
            job.cap = cap
            return Posted

        self.add(Commit((), (JobChange(job.id, self.people[job.user], cap=cap),)), model)

    @precondition(jobs_in("FAILED"))
    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        """Retry the failed unit, with a new hold."""
        job = self.draw_job(data, "FAILED")

        def model() -> Answer:
            if job.state not in ENDED:
                return Replayed
            if job.state != "FAILED":
                return GuardFailed
            if job.price > self.purses[job.user].available:
                return InsufficientCredits
            job.state = "QUEUED"
            self.purses[job.user].held += job.price
            return Posted

        self.add(Commit((), (UnitRetry(job.id, 0, self.people[job.user]),)), model)

    # -- batches

    @precondition(lambda self: self.past)
    @rule(data=st.data(), many=st.integers(1, 3))
    def again(self, data: st.DataObject, many: int) -> None:
        """Repeat earlier commits, as clients do that got no answer."""
        for _ in range(many):
            sent = data.draw(st.sampled_from(self.past[-12:]))
            self.add(sent.commit, sent.model)

    @rule(seconds=st.sampled_from([1.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.flush(failures=[], lost=0)
        self.stage.clock.pass_by(seconds)

    @precondition(lambda self: self.batch)
    @rule(failures=st.lists(st.sampled_from([Unavailable, Conflict]), max_size=3),
          lost=st.sampled_from([0, 0, 0, 1, 3]))  # fmt: skip
    def flush(self, failures: list[type[Exception]], lost: int) -> None:
        """Commit the batch at once; failed attempts are repeated.

        If answers get lost, commits are sent one by one: in a batch that is decided again, a
        refused commit might find enough credits.
        """
        batch, self.batch, store = self.batch, [], self.stage.store
        lost = lost if self.may_lose(batch) else 0
        for part in [[sent] for sent in batch] if lost else [batch]:
            if isinstance(store, StoreTwin) and lost:
                store.lose_commit_answer(lost)
            elif isinstance(store, StoreTwin) and failures:
                store.fail_next(*(kind("injected") for kind in failures))
            self.commit(part)
        self.settled()

    def may_lose(self, batch: list[Sent]) -> bool:
        """Return whether an answer may get lost.

        No answer may get lost of a payout, which depends on the state before the batch, or of a
        unit that had two attempts: a repeated effect would not find a failed attempt.
        """
        effects = [effect for sent in batch for effect in sent.commit.effects]
        raced = {job.id for job in self.jobs if job.copied}
        return not any(
            isinstance(effect, OfPayout) or getattr(effect, "job", None) in raced
            for effect in effects
        )

    def commit(self, batch: list[Sent]) -> None:
        outcomes = self.run_to_end(self.stage.commit(*(sent.commit for sent in batch)))
        for sent, outcome in zip(batch, outcomes, strict=True):
            # When a batch is decided again, an effect may be answered as new although it was done
            # before.
            kinds = (sent.answer, *((Posted,) if sent.answer is Replayed else ()))
            assert isinstance(outcome, kinds) or self.is_paused_by(sent, outcome), (
                sent.commit,
                outcome,
                sent.answer,
            )

    def is_paused_by(self, sent: Sent, outcome: Outcome) -> bool:
        """Return whether a repeated assignment was refused because it paused its job at the cap."""
        found = isinstance(outcome, GuardFailed) and (outcome.effect, outcome.found)
        capping = any(each is sent.commit for each in self.capping)
        return capping and found == ("UnitAssign", "PAUSED")

    def settled(self) -> None:
        """End the batch and compare the books with the model."""
        if isinstance(self.stage.store, StoreTwin):
            self.stage.store.lose_commit_answer(0)
        self.run_to_end(self.compare())

    # -- invariants

    async def compare(self) -> None:
        assert await self.findings() == []
        for person, purse in zip(self.people, self.purses, strict=True):
            assert await self.stage.of_user(person) == (purse.has, purse.held)
            assert await self.stage.money(debt_account(person)) == (-purse.owes, 0)
            assert await self.stage.money(operator_account(person)) == (purse.earned, 0)
        for name in PLATFORM:
            balance, _ = await self.stage.money(name)
            assert balance == self.platform[name], name
        for job in self.jobs:
            unit = await self.stage.unit(job.id)
            assert (unit.state, unit.attempt, unit.verified) == (
                *(job.state, job.attempt, job.verified),
            )
            copy = None if job.copy is None else self.nodes[job.copy]
            assert (unit.copy_attempt, unit.copy_node_id) == (job.copied, copy)
            assert (unit.copy_delivered_at is not None) == job.copy_delivered

    async def findings(self) -> list[Any]:
        return list(await self.stage.store.audit())
