"""The ledger actor over the in-memory database: batches, lost answers, and database failures."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from prometheus_client import REGISTRY

from actors.kernel import DeadlineExceeded, Ref, fail_point
from actors.ledger import actor as ledger_module
from actors.ledger.actor import LedgerActor
from actors.ledger.effects import (
    JobCancel,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from actors.ledger.messages import (
    Commit,
    DataRefused,
    Decided,
    IdempotencyKey,
    Lease,
    Ledger,
    LedgerUnavailable,
    Outcome,
    Posted,
    RenewLeases,
    Replayed,
)
from sql.books import Changes, Rows
from sql.database import Conflict, Unavailable
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.purchases import event, new_purchase
from tests.integration.conformance.stage import Stage, dispatch, fresh_id, grant, insert
from tests.support.probe import Probe
from tests.twins.clock import TwinClock
from tests.twins.random import TwinRandom
from tests.twins.store import StoreTwin
from tests.unit.simulated_time import in_time, simulated


def twin(stage: Stage) -> StoreTwin:
    assert isinstance(stage.store, StoreTwin)
    return stage.store


def tree(store: StoreTwin) -> tuple[Supervisor, Ref[Ledger]]:
    child = Child("ledger", lambda: LedgerActor(store, TwinClock(), TwinRandom()))
    inner = Supervisor("books", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), [child])
    return Supervisor("root", Strategy.REST_FOR_ONE, Intensity(3, 60.0), [inner]), child.ref


@simulated
async def test_what_arrives_during_a_commit_is_the_next_batch() -> None:
    stage = twin_stage()
    user, before = await stage.user(10), twin(stage).commits
    root, ledger = tree(twin(stage))
    await root.start()
    orders = [Commit((grant(user, 1, str(n)),)) for n in range(100)]
    asks = [ledger.ask(each, within=2.0) for each in orders]
    outcomes = await asyncio.gather(*asks)
    assert all(isinstance(outcome, Posted) for outcome in outcomes)
    assert twin(stage).commits - before <= 2
    assert await stage.of_user(user) == (110, 0)
    await root.stop()


@simulated
async def test_the_observer_is_told_by_the_tag_of_the_commit() -> None:
    stage = twin_stage()
    user = await stage.user()
    probe: Probe[Any] = Probe()
    order = Commit((grant(user, 5, "x"),), observer=probe.ref, tag=("slot", 7))
    (outcome,) = await stage.commit(order)
    assert await probe.expect(Decided) == Decided(("slot", 7), outcome)


@simulated
async def test_a_lost_answer_to_commit_is_found_out() -> None:
    """Every kind of commit is done once and answered as if its first answer had arrived."""
    stage = twin_stage()
    store = twin(stage)
    user, node = await stage.user(1000), await stage.node()
    job, gone = fresh_id(), fresh_id()
    key = IdempotencyKey(user, "k", b"r" * 32, {"status": 200, "body": {"job_id": str(job)}})
    lost = UnitFail(job, 0, 2, node, "node", "died", stage.clock.now())
    result = UnitComplete(job, 0, 3, node, "x", verified=True, operator=f"operator:{user}")
    orders: list[Commit] = [
        Commit((grant(user, 5, "x"),)),
        attrs.evolve(dispatch(user, job, 100, 1, node), idempotency=key),
        dispatch(user, gone, 100, 1, node),
        Commit((), (JobCancel(gone, user),)),
        Commit((), (UnitRequeue(job, 0, 1, "lost"),)),
        Commit((), (UnitAssign(job, 0, 2, node),)),
        Commit((), (lost,)),
        Commit((), (UnitAssign(job, 0, 3, node),)),
        Commit((), (UnitStart(job, 0, 3, node),)),
        Commit((), (result,)),
    ]
    for order in orders:
        store.lose_commit_answer()
        (outcome,) = await stage.commit(order)
        assert isinstance(outcome, Posted), order
        (again,) = await stage.commit(order)
        assert isinstance(again, Replayed), order
    assert await stage.of_user(user) == (905, 0)
    assert await store.audit() == []


@simulated
async def test_another_request_under_the_key_of_a_lost_commit_is_replayed() -> None:
    """A client that repeats a dispatch sends a new job id, and gets the first answer."""
    stage = twin_stage()
    user, node = await stage.user(1000), await stage.node()
    key = IdempotencyKey(user, "k", b"r" * 32, {"status": 200, "body": {"n": 1}})
    first = attrs.evolve(dispatch(user, fresh_id(), 100, 1, node), idempotency=key)
    second = attrs.evolve(dispatch(user, fresh_id(), 100, 1, node), idempotency=key)
    twin(stage).lose_commit_answer()
    outcomes = await stage.commit(first, second)
    assert isinstance(outcomes[0], Posted)
    assert outcomes[1] == Replayed(answer=key.answer)
    assert await stage.of_user(user) == (1000, 100)


@simulated
@pytest.mark.parametrize("round_trip", range(5))
async def test_copies_in_a_batch_whose_attempt_failed_hear_that_they_are_copies(
    round_trip: int,
) -> None:
    """The attempt may fail before, during or after COMMIT."""
    stage = twin_stage()
    user, store = await stage.user(), twin(stage)
    copy = Commit((grant(user, 5, "x"),))
    trips = itertools.count()

    def fail() -> None:
        if next(trips) == round_trip:
            store.fail_next()

    store.pause = fail
    if round_trip == 4:
        store.lose_commit_answer()
    outcomes = await stage.commit(copy, copy, copy)
    assert [type(outcome) for outcome in outcomes] == [Posted, Replayed, Replayed]
    assert next(trips) >= 5
    assert await stage.of_user(user) == (5, 0)


@simulated
@pytest.mark.parametrize("done", [True, False])
async def test_what_was_bought_and_charged_is_counted_once_when_an_answer_is_lost(
    *, done: bool
) -> None:
    """The counters rise once, by the first attempt at the batch or by its repetition."""
    stage = twin_stage()
    user, node, job = await stage.dispatched(30_000)
    bought = await new_purchase(stage, user, 100)
    before = counted()
    orders = (event(bought.said()), Commit((), (UnitComplete(job, 0, 1, node, "x"),)))
    if done:
        twin(stage).lose_commit_answer(2)
    else:
        trips = itertools.count()
        twin(stage).pause = lambda: twin(stage).fail_next() if next(trips) == 3 else None
    outcomes = await stage.commit(*orders)
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted]
    more = [now - was for now, was in zip(counted(), before, strict=True)]
    assert more == pytest.approx([100.0, 3.0, 1.0])


def counted() -> list[float]:
    """Return the counters of credits bought, credits charged, and events counted."""
    return [
        REGISTRY.get_sample_value("rendertrust_credits_bought_total") or 0.0,
        REGISTRY.get_sample_value("rendertrust_credits_charged_total") or 0.0,
        REGISTRY.get_sample_value("rendertrust_stripe_events_total", {"outcome": "COUNTED"}) or 0.0,
    ]


@simulated
async def test_what_another_gateway_did_meanwhile_is_no_work_of_a_failed_attempt() -> None:
    """The failed attempt sent no COMMIT, so another gateway must have done the work."""
    stage = twin_stage()
    user, store = await stage.user(), twin(stage)
    order = Commit((grant(user, 5, "x"),))
    assert isinstance((await stage.commit(order))[0], Posted)
    store.fail_next(Unavailable("the lock was waited for"))
    assert isinstance((await stage.commit(order))[0], Replayed)


@simulated
async def test_what_another_gateway_did_meanwhile_is_no_work_of_a_commit_that_never_was() -> None:
    stage = twin_stage()
    user, store = await stage.user(), twin(stage)
    order = Commit((grant(user, 5, "x"),))
    trips = itertools.count()

    def race() -> None:
        """Lose the write, and let another gateway commit the same before the next attempt."""
        number = next(trips)
        if number == 1:
            store.fail_next()
        elif number == 2:
            store.pause = None
            store.fail_next()
            others.append(asyncio.ensure_future(stage.commit(order)))

    others: list[asyncio.Future[list[Outcome]]] = []
    store.pause = race
    (outcome,) = await stage.commit(order)
    ((other,),) = [await each for each in others]
    assert (type(outcome), type(other)) == (Replayed, Posted)
    assert await stage.of_user(user) == (5, 0)


@simulated
async def test_a_database_that_is_away_is_told_in_time() -> None:
    stage = twin_stage()
    user = await stage.user()
    probe: Probe[Any] = Probe()
    root, ledger = tree(twin(stage))
    await root.start()
    twin(stage).away = True
    started = asyncio.get_running_loop().time()
    order = Commit((grant(user, 5, "x"),), observer=probe.ref, tag=1)
    assert await ledger.ask(order, within=2.0) == LedgerUnavailable()
    assert asyncio.get_running_loop().time() - started < 2
    assert await probe.expect(Decided) == Decided(1, LedgerUnavailable())
    orders = [Commit((grant(user, 1, str(n)),)) for n in range(3)]
    asks = [ledger.ask(each, within=2.0) for each in orders]
    await asyncio.gather(*asks, return_exceptions=True)
    twin(stage).away = False
    outcome = await ledger.ask(order, within=2.0)
    assert isinstance(outcome, Posted)
    assert root.snapshot().children[0].children[0].restarts == 0
    await root.stop()


@simulated
async def test_a_short_absence_is_not_seen() -> None:
    stage = twin_stage()
    user = await stage.user()
    for errors in ((Unavailable("reset"),), (Conflict("deadlock"), Conflict("deadlock"))):
        twin(stage).fail_next(*errors)
        (outcome,) = await stage.commit(Commit((grant(user, 1, str(errors)),)))
        assert isinstance(outcome, Posted)


@simulated
async def test_a_server_that_resets_at_once_is_not_hammered() -> None:
    stage = twin_stage()
    user = await stage.user()
    twin(stage).fail_next(*[Unavailable("reset")] * 5)
    assert await stage.commit(Commit((grant(user, 1, "x"),))) == [LedgerUnavailable()]


@simulated
async def test_leases_of_a_database_that_is_away_are_not_renewed() -> None:
    stage = twin_stage()
    _, node, job = await stage.dispatched()
    lease = Lease(job, 0, 1, node, 60.0)
    twin(stage).fail_next()
    renew = RenewLeases((lease,))
    assert await stage.ledger().renew([renew, renew]) == [0, 0]
    assert await stage.ledger().renew([renew]) == [1]


@simulated
async def test_a_batch_that_breaks_the_books_stops_the_tree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = twin_stage()
    user, other = await stage.user(10), await stage.user(10)
    root, ledger = tree(twin(stage))
    await root.start()

    def miscount(rows: Rows, commits: Sequence[Commit], *_: Any, **__: Any) -> Any:
        (account,) = (a for name, a in rows.accounts.items() if name.startswith("user:"))
        return Changes(accounts=(attrs.evolve(account, balance=11),)), [Posted() for _ in commits]

    monkeypatch.setattr(ledger_module, "decide", miscount)
    with pytest.raises(Exception, match="Fatal"):
        await ledger.ask(Commit((grant(user, 1, "x"),)), within=2.0)
    reason = await in_time(root.failed())
    assert "Fatal in LedgerActor.commit: I2: the balance of user:" in reason
    assert await stage.of_user(user) == await stage.of_user(other) == (10, 0)
    await root.stop()


@simulated
async def test_observers_of_a_batch_that_crashes_hear_at_once_and_asking_again_does_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = twin_stage()
    user = await stage.user()
    root, ledger = tree(twin(stage))
    await root.start()
    probe: Probe[Any] = Probe()
    orders = [Commit((grant(user, 1, n),), observer=probe.ref, tag=n) for n in ("x", "y")]

    def fail(when: str, _: object) -> None:
        if when == "after_commit":
            raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(fail_point, "reach", fail)
        for order in orders:
            ledger.tell(order)
        for tag in ("x", "y"):
            assert await probe.expect(Decided, within=0.1) == Decided(tag, LedgerUnavailable())
    again: Outcome = await ledger.ask(orders[0], within=2.0)
    assert isinstance(again, Replayed)
    assert await stage.of_user(user) == (2, 0)
    await root.stop()


@simulated
async def test_an_ask_that_nobody_waits_for_is_not_done() -> None:
    stage = twin_stage()
    user = await stage.user()
    root, ledger = tree(twin(stage))
    await root.start()
    twin(stage).away = True

    async def ask(word: str) -> Outcome:
        order = Commit((grant(user, 1, word),))
        return await ledger.ask(order, within=1.0)

    asks = [asyncio.create_task(ask(word)) for word in "ab"]
    await asyncio.sleep(0.5)
    results = await asyncio.gather(*asks, ask("c"), return_exceptions=True)
    assert [type(result) for result in results] == [DeadlineExceeded] * 3
    twin(stage).away = False
    assert isinstance(await ask("d"), Posted)
    assert "c" not in {transfer.reference for transfer in twin(stage).transfers.values()}
    await root.stop()


@simulated
async def test_of_a_thousand_commits_the_one_that_cannot_be_is_found_in_few_tries() -> None:
    stage = twin_stage()
    user, first = await stage.user(1000), fresh_id()
    retried = attrs.evolve(insert(user, fresh_id(), 0), retry_of=first)
    twice = attrs.evolve(insert(user, fresh_id(), 0), retry_of=first)
    await stage.commit(dispatch(user, first), Commit((), (retried,)))
    before = twin(stage).commits
    orders = [Commit((grant(user, 1, str(n)),)) for n in range(1000)]
    orders[700] = Commit((), (twice,))
    outcomes = await stage.commit(*orders)
    wrong = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Posted)]
    assert wrong == [700]
    assert isinstance(outcomes[700], DataRefused)
    assert twin(stage).commits - before <= 10
    assert await stage.of_user(user) == (1999, 100)


@simulated
async def test_a_batch_that_always_loses_is_told_as_away_and_the_ledger_lives() -> None:
    stage = twin_stage()
    user = await stage.user()
    root, ledger = tree(twin(stage))
    await root.start()
    order = Commit((grant(user, 1, "x"),))
    twin(stage).fail_next(*[Conflict("deadlock")] * 22)
    assert await ledger.ask(order, within=2.0) == LedgerUnavailable()
    outcome: Outcome = await ledger.ask(order, within=2.0)
    assert isinstance(outcome, Posted)
    assert root.snapshot().children[0].children[0].restarts == 0
    await root.stop()
