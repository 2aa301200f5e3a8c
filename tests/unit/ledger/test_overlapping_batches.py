"""Batches that the Ledger decides while the batch before them is being written.

Whatever fails, each commit is booked once, on the rows that are in the database.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.actor import LedgerActor
from actors.ledger.effects import Effect, JobCancel, Transfer, UnitAssign, UnitComplete
from actors.ledger.messages import Commit, InsufficientCredits, Outcome, Posted, Replayed
from sql.account_names import REVENUE, user_account
from sql.books import Changes, Keys, ReadBooks
from sql.database import Conflict, Unavailable
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.support.examples import examples
from tests.twins.clock import TwinClock
from tests.twins.random import TwinRandom
from tests.twins.store import StoreTwin
from tests.unit.simulated_time import in_time, simulate, simulated

FUNDS: Final = 100  # of each user, in units
USERS: Final = 3


@attrs.define
class WatchedStore:
    """A store that notes the round trips of writes, and the batches that were foreseen."""

    store: StoreTwin
    log: list[str] = attrs.field(factory=list)

    async def foresee_books(
        self, keys: Keys, shard: int, before: ReadBooks, changes: Changes
    ) -> ReadBooks | None:
        found = await self.store.foresee_books(keys, shard, before, changes)
        self.log.append("unknown" if found is None else "foreseen")
        return found

    async def read_books(self, *args: Any, **kwargs: Any) -> ReadBooks | None:
        found = await self.store.read_books(*args, **kwargs)
        self.log.append("locks" if found is None else "known" if found.is_remembered else "read")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def ledger_over(store: Any, seed: int = 0) -> LedgerActor:
    return LedgerActor(store, TwinClock(), TwinRandom(seed))


def twin(stage: Stage) -> StoreTwin:
    """Return the stage's store, whose round trips take a millisecond."""
    assert isinstance(stage.store, StoreTwin)
    stage.store.latency = 0.001
    return stage.store


def spend(user: Any, amount: int, reference: str) -> Commit:
    account = user_account(user)
    return Commit((Transfer(account, REVENUE, account, amount, "USAGE", reference),))


async def overlapping(ledger: LedgerActor, *batches: list[Commit]) -> list[Outcome]:
    """Commit batches as the kernel does: each begins while the one before is written."""
    tasks: list[asyncio.Future[Sequence[Outcome]]] = []
    for batch in batches:
        await asyncio.gather(*tasks[:-1])
        tasks.append(asyncio.ensure_future(ledger.commit(batch)))
        await asyncio.sleep(0)
    return [outcome for task in tasks for outcome in await task]


async def warm(ledger: LedgerActor, user: Any) -> None:
    """Let the Ledger read the user's account, so that it remembers it."""
    (outcome,) = await ledger.commit([spend(user, 1, f"warm {user}")])
    assert isinstance(outcome, Posted)


@simulated
async def test_second_batch_is_decided_while_the_first_is_written() -> None:
    stage = twin_stage()
    user = await stage.user(FUNDS)
    watched = WatchedStore(twin(stage))
    ledger = ledger_over(watched)
    await warm(ledger, user)
    watched.log.clear()
    outcomes = await overlapping(ledger, [spend(user, 10, "a")], [spend(user, 20, "b")])
    assert watched.log == ["known", "foreseen"]  # and neither was read again
    first, second = outcomes
    assert isinstance(first, Posted)
    assert isinstance(second, Posted)
    assert [first.entries[0].balance_after, second.entries[0].balance_after] == [89, 69]
    assert await stage.of_user(user) == (69, 0)
    assert await twin(stage).audit() == []


@simulated
async def test_second_batch_is_refused_what_the_first_spends() -> None:
    stage = twin_stage()
    user = await stage.user(FUNDS)
    watched = WatchedStore(twin(stage))
    ledger = ledger_over(watched)
    await warm(ledger, user)
    watched.log.clear()
    outcomes = await overlapping(ledger, [spend(user, 90, "a")], [spend(user, 20, "b")])
    assert isinstance(outcomes[0], Posted)
    assert outcomes[1] == InsufficientCredits(available=9, requested=20)
    assert watched.log[:2] == ["known", "foreseen"]
    assert "read" in watched.log  # a refusal is decided on rows that are read


def _conflict(store: StoreTwin) -> None:
    store.fail_next(Conflict("injected"))


def _lost(store: StoreTwin) -> None:
    store.lose_commit_answer()


def _away(store: StoreTwin) -> None:
    store.fail_next(Unavailable("injected"))


@simulated
async def test_second_batch_is_decided_again_when_the_first_was_not_written_as_decided() -> None:
    fault: Callable[[StoreTwin], None]
    for fault in (_conflict, _lost, _away):
        stage = twin_stage()
        user = await stage.user(FUNDS)
        watched = WatchedStore(twin(stage))
        ledger = ledger_over(watched)
        await warm(ledger, user)
        watched.log.clear()
        fault(twin(stage))
        outcomes = await overlapping(ledger, [spend(user, 10, "a")], [spend(user, 20, "b")])
        assert watched.log[:2] == ["known", "foreseen"]
        assert [type(outcome) for outcome in outcomes] == [Posted, Posted], fault
        assert await stage.of_user(user) == (69, 0)
        assert await twin(stage).audit() == []


@simulated
async def test_same_commit_in_both_batches_is_booked_once() -> None:
    stage = twin_stage()
    user = await stage.user(FUNDS)
    ledger = ledger_over(twin(stage))
    await warm(ledger, user)
    order = spend(user, 10, "a")
    outcomes = await overlapping(ledger, [order], [order])
    assert [type(outcome) for outcome in outcomes] == [Posted, Replayed]
    assert await stage.of_user(user) == (89, 0)


@simulated
async def test_second_batch_that_is_cancelled_is_not_written() -> None:
    stage = twin_stage()
    user = await stage.user(FUNDS)
    ledger = ledger_over(twin(stage))
    await warm(ledger, user)
    first = asyncio.ensure_future(ledger.commit([spend(user, 10, "a")]))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(ledger.commit([spend(user, 20, "b")]))
    await asyncio.sleep(0)
    second.cancel()
    (outcome,) = await first
    assert isinstance(outcome, Posted)
    await asyncio.wait([second])
    assert await stage.of_user(user) == (89, 0)


references = st.integers(0, 11)
commits = st.tuples(st.integers(0, USERS - 1), references)
batches = st.lists(st.lists(commits, min_size=1, max_size=5), min_size=2, max_size=6)
faults = st.lists(st.sampled_from([None, None, None, _conflict, _lost, _away]), max_size=8)


@examples(4)
@given(here=batches, there=batches, troubles=faults)
def test_each_commit_is_booked_once_whatever_fails(
    here: list[list[tuple[int, int]]],
    there: list[list[tuple[int, int]]],
    troubles: list[Callable[[StoreTwin], None] | None],
) -> None:
    """Two gateways, whose batches overlap, spend from the same accounts under the same references
    while answers are lost, writes conflict and connections end.
    """
    simulate(in_time(_race(here, there, troubles)))


async def _race(
    here: list[list[tuple[int, int]]],
    there: list[list[tuple[int, int]]],
    troubles: list[Callable[[StoreTwin], None] | None],
) -> None:
    stage = twin_stage()
    store = twin(stage)
    users = [await stage.user(FUNDS) for _ in range(USERS)]
    left = list(troubles)

    def trouble() -> None:
        fault = left.pop() if left else None
        if fault is not None:
            fault(store)

    def made(batch: list[tuple[int, int]]) -> list[Commit]:
        return [spend(users[of], 7 * (number + 1), f"{of}:{number}") for of, number in batch]

    ledgers = [ledger_over(store, seed) for seed in range(2)]
    for ledger in ledgers:
        for user in users:
            await ledger.commit([spend(user, 1, str(fresh_id()))])
    store.pause = trouble
    found = await asyncio.gather(
        overlapping(ledgers[0], *map(made, here)), overlapping(ledgers[1], *map(made, there))
    )
    store.pause = None
    asked = [key for batch in (*here, *there) for key in batch]
    outcomes = [outcome for each in found for outcome in each]
    posted = Counter(
        key for key, outcome in zip(asked, outcomes, strict=True) if isinstance(outcome, Posted)
    )
    # A commit whose answer was lost may be Posted by the gateway that finds it out.
    assert all(times == 1 for times in posted.values())
    for (of, number), outcome in zip(asked, outcomes, strict=True):
        account = user_account(users[of])
        written = store.transfers.get((account, "USAGE", f"{of}:{number}"))
        if isinstance(outcome, Posted | Replayed):
            assert written is not None
            assert outcome.entries[0].entry_id == written.entry.entry_id
        elif isinstance(outcome, InsufficientCredits) and (of, number) not in posted:
            assert written is None
    spent = Counter[str]()
    for row in store.transfers.values():
        if row.kind == "USAGE":
            spent[row.debit] += row.amount
    for user in users:
        assert await stage.of_user(user) == (FUNDS - spent[user_account(user)], 0)
    assert await store.audit() == []


JOBS: Final = 4
acts = st.tuples(
    st.sampled_from(["insert", "assign", "complete", "cancel"]), st.integers(0, JOBS - 1)
)
work = st.lists(st.lists(acts, min_size=1, max_size=5), min_size=2, max_size=8)


@examples(4)
@given(here=work, there=work, troubles=faults)
def test_each_job_is_paid_once_whatever_fails(
    here: list[list[tuple[str, int]]],
    there: list[list[tuple[str, int]]],
    troubles: list[Callable[[StoreTwin], None] | None],
) -> None:
    """Two gateways, whose batches overlap, insert, assign, complete and cancel the same jobs."""
    simulate(in_time(_work(here, there, troubles)))


async def _work(
    here: list[list[tuple[str, int]]],
    there: list[list[tuple[str, int]]],
    troubles: list[Callable[[StoreTwin], None] | None],
) -> None:
    stage = twin_stage()
    store = twin(stage)
    user, node = await stage.user(FUNDS), await stage.node()
    jobs = [fresh_id() for _ in range(JOBS)]

    def made(batch: list[tuple[str, int]]) -> list[Commit]:
        return [order(act, jobs[number]) for act, number in batch]

    def order(act: str, job: UUID) -> Commit:
        effects: dict[str, Effect] = {
            "assign": UnitAssign(job, 0, 1, node),
            "complete": UnitComplete(job, 0, 1, node, None),
            "cancel": JobCancel(job, user),
        }
        return dispatch(user, job, 30) if act == "insert" else Commit((), (effects[act],))

    ledgers = [ledger_over(store, seed) for seed in range(2)]
    for ledger in ledgers:
        await ledger.commit([spend(user, 1, str(fresh_id()))])
    left = list(troubles)

    def trouble() -> None:
        fault = left.pop() if left else None
        if fault is not None:
            fault(store)

    store.pause = trouble
    found = await asyncio.gather(
        overlapping(ledgers[0], *map(made, here)), overlapping(ledgers[1], *map(made, there))
    )
    store.pause = None
    asked = [key for batch in (*here, *there) for key in batch]
    outcomes = [outcome for each in found for outcome in each]
    posted = Counter(
        key for key, outcome in zip(asked, outcomes, strict=True) if isinstance(outcome, Posted)
    )
    assert all(times == 1 for times in posted.values())
    for number, job in enumerate(jobs):
        row = store.jobs.get(job)
        paid = [one for one in store.transfers.values() if one.reference.startswith(f"job:{job}")]
        assert len(paid) == (row is not None and row.status == "COMPLETED")
        assert not (posted["complete", number] and posted["cancel", number])
    assert await store.audit() == []
