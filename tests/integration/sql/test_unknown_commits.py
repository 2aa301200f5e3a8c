"""Lost answers to COMMIT: the Ledger finds out whether its transaction was committed, and loses or
doubles nothing.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import attrs
import pytest

from actors.kernel import Ref
from actors.ledger.effects import (
    JobCancel,
    Transfer,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from actors.ledger.messages import (
    Commit,
    IdempotencyKey,
    Ledger,
    LedgerUnavailable,
    Outcome,
    Posted,
    Replayed,
)
from sql.account_names import ADJUSTMENTS, operator_account, user_account
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.place import postgres_by
from tests.faults.postgres import COMMIT, WRITE, swallow_commits, swallow_writes
from tests.faults.proxy import Proxy
from tests.faults.trap import Trap
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.purchases import Bought, event
from tests.integration.conformance.stage import Stage, act, dispatch, fresh_id, grant
from tests.integration.sql.ledgers import ask_ledger, running_ledger
from tests.support.examples import series
from tests.support.until import until

LIVES, ASKED_MOST = 4, 5
NOW = datetime(2026, 3, 13, 12, tzinfo=UTC)
# Time in which the server ends the transaction of a client that has fallen silent.
FORGOTTEN_SECONDS = 30.0


@pytest.fixture
async def ledger(proxy: Proxy, database: PostgresEndpoint) -> AsyncIterator[Ref[Ledger]]:
    """Run a gateway's Ledger that reaches the database through the faulty proxy."""
    pool = Database(lambda: postgres_by(proxy, database.app_dsn))
    async with running_ledger(pool) as ref:
        yield ref
    await pool.close()


@pytest.fixture
async def neighbour(database: PostgresEndpoint) -> AsyncIterator[Ref[Ledger]]:
    """Run the Ledger of another gateway, which has no faults."""
    pool = Database(lambda: database.app_dsn)
    async with running_ledger(pool) as ref:
        yield ref
    await pool.close()


def spend(user: UUID, units: int, reference: str) -> Commit:
    account = user_account(user)
    return Commit((Transfer(account, ADJUSTMENTS, account, units, "DEDUCTION", reference),))


def steps_of_commits(user: UUID, node: UUID, number: int) -> list[list[Commit]]:
    """Return commits of every kind, in five steps that build on each other."""
    job, gone, lost, bought = fresh_id(), fresh_id(), fresh_id(), Bought(fresh_id(), user, 3)
    key = IdempotencyKey(user, f"key {number}", b"r" * 32, {"status": 200, "body": {}})
    done = UnitComplete(job, 0, 2, node, "x", verified=True, operator=operator_account(node))
    gift = Commit((grant(user, 500, f"gift {number}"),), act=act(f"{number}"))
    return [
        [attrs.evolve(dispatch(user, job, 100, 1, node), idempotency=key), gift],
        [
            Commit((), (UnitStart(job, 0, 1, node),)),
            *(dispatch(user, gone, 70), dispatch(user, lost, 60, 1, node)),
            bought.opened(),
        ],
        [
            Commit((), (UnitFail(job, 0, 1, node, "network", "reset", NOW),)),
            *(Commit((), (JobCancel(gone, user),)), Commit((), (UnitRequeue(lost, 0, 1, "gone"),))),
            event(bought.said()),
        ],
        [
            *(Commit((), (UnitAssign(each, 0, 2, node),)) for each in (job, lost)),
            spend(user, 40, f"spent {number}"),
        ],
        [
            *(Commit((), (done,)), Commit((), (UnitFail(lost, 0, 2, node, "scene", "empty"),))),
            event(bought.reversal(f"re_{number}", "REFUND", 1)),
        ],
    ]


async def post_all(ledger: Ref[Ledger], commits: Sequence[Commit]) -> list[Outcome]:
    """Ask for all commits at once; return their outcomes.

    A commit that the Ledger could not answer in time on a busy machine is sent again.
    """
    outcomes = list(await asyncio.gather(*(ask_ledger(ledger, commit) for commit in commits)))
    assert {type(outcome) for outcome in outcomes} <= {Posted, LedgerUnavailable}
    for place, commit in enumerate(commits):
        for _ in range(ASKED_MOST):
            if isinstance(outcomes[place], LedgerUnavailable):
                outcomes[place] = await ask_ledger(ledger, commit)
    assert not any(isinstance(outcome, LedgerUnavailable) for outcome in outcomes)
    return outcomes


def cut_before_commit(proxy: Proxy) -> Trap:
    return proxy.cut(COMMIT)


def cut_before_write(proxy: Proxy) -> Trap:
    return proxy.cut(WRITE)


DONE, NOT_DONE = (swallow_commits, swallow_writes), (cut_before_commit, cut_before_write)


@pytest.mark.parametrize(
    "kinds",
    series([DONE, NOT_DONE, DONE + NOT_DONE], [DONE + NOT_DONE]),
    ids=["done and not answered", "not done", "some of each"],
)
async def test_20_commits_of_which_nothing_is_heard_are_found_out(
    proxy: Proxy,
    stage: Stage,
    ledger: Ref[Ledger],
    neighbour: Ref[Ledger],
    kinds: Sequence[Callable[[Proxy], Trap]],
) -> None:
    """Steps with purchases are written with locks, so only these send COMMIT."""
    chance = random.Random(20)
    user, node = await stage.user(1000), await stage.node()
    steps = [step for number in range(LIVES) for step in steps_of_commits(user, node, number)]
    assert len(steps) == 20
    entries: list[UUID] = []
    sprung = Counter[Callable[[Proxy], Trap]]()
    for number, step in enumerate(steps, 1):
        kind = chance.choice(kinds)
        lost = kind(proxy)
        beside = spend(user, 1, f"beside {number}")
        outcomes, others = await asyncio.gather(
            post_all(ledger, step), post_all(neighbour, [beside])
        )
        sprung[kind] += lost.sprung
        proxy.mend()
        entries += reported_entries([*outcomes, *others])
    for step in steps:
        again = await asyncio.gather(*(ask_ledger(neighbour, commit) for commit in step))
        entries += reported_entries(again)
    assert all(sprung[kind] for kind in kinds)
    # Gifts, charges and other spending per run; a purchase of three credits, of which one was
    # refunded.
    left = 1000 + LIVES * (500 - 100 - 40 + 2 * 10_000) - len(steps)
    assert await stage.of_user(user) == (left, 0)
    assert await stage.money(operator_account(node)) == (LIVES * 70, 0)
    assert [done.reason for done in await stage.acts()] == [str(n) for n in range(LIVES)]
    assert len(set(entries)) == 2 * LIVES + len(steps)
    assert await stage.store.audit() == []


@pytest.mark.parametrize("kind", [swallow_writes, cut_before_write])
async def test_copies_in_a_batch_whose_write_is_unknown_hear_that_they_are_copies(
    proxy: Proxy,
    stage: Stage,
    database: PostgresEndpoint,
    kind: Callable[[Proxy], Trap],
) -> None:
    user = await stage.user(1)
    copy = Commit((grant(user, 5, "x"),))
    pool = Database(lambda: postgres_by(proxy, database.app_dsn))
    lost = kind(proxy)
    outcomes = await sql_stage(pool).commit(copy, copy, copy)
    await pool.close()
    assert lost.sprung == 1
    assert [type(outcome) for outcome in outcomes] == [Posted, Replayed, Replayed]
    assert await stage.of_user(user) == (6, 0)


async def test_what_stays_unknown_is_told_as_away_and_found_when_it_is_asked_again(
    proxy: Proxy, stage: Stage, ledger: Ref[Ledger]
) -> None:
    user = await stage.user(1)
    order = Commit((grant(user, 5, "x"),), act=act("once"))
    lost, found_out = swallow_writes(proxy), proxy.cut(COMMIT, times=100)
    assert await ask_ledger(ledger, order) == LedgerUnavailable()
    assert lost.sprung == 1
    assert found_out.sprung > 1
    proxy.mend()
    assert isinstance(await ask_ledger(ledger, order), Replayed)
    assert await stage.of_user(user) == (6, 0)
    assert len(await stage.acts()) == 1
    assert await stage.store.audit() == []


@pytest.mark.parametrize("too_late", [False, True], ids=["just in time", "too late"])
async def test_a_write_that_comes_late_is_done_once(
    proxy: Proxy, stage: Stage, ledger: Ref[Ledger], neighbour: Ref[Ledger], too_late: bool
) -> None:
    """The write is delayed in the network, perhaps until its sender gave up; another gateway writes
    the same meanwhile.
    """
    user = await stage.user(1)
    order = Commit((grant(user, 5, "x"),))
    late = proxy.strand(WRITE)
    first = asyncio.ensure_future(ask_ledger(ledger, order))
    await until(lambda: late.sprung)
    second = asyncio.ensure_future(ask_ledger(neighbour, order))
    if too_late:
        assert await first == LedgerUnavailable()
    proxy.deliver()
    await asyncio.wait((first, second))
    assert await is_posted(order, neighbour)
    assert isinstance(await ask_ledger(ledger, order), Replayed)
    assert await stage.of_user(user) == (6, 0)
    assert await stage.store.audit() == []


@pytest.mark.parametrize("said", [COMMIT, b"books_transfers_insert"])
async def test_a_connection_that_dies_unnoticed_does_not_keep_its_locks(
    proxy: Proxy, stage: Stage, ledger: Ref[Ledger], neighbour: Ref[Ledger], said: bytes
) -> None:
    """The server ends a half-sent transaction in time, so nobody waits long for its locks."""
    user = await stage.user()
    bought = Bought(fresh_id(), user, 3)  # purchases are written with locks
    await stage.commit(bought.opened())
    paid = event(bought.said())
    order = attrs.evolve(paid, transfers=(grant(user, 5, "x"),))
    other = Commit((grant(user, 7, "y"),))
    lost = proxy.strand(said)
    first = asyncio.ensure_future(ask_ledger(ledger, order))
    await until(lambda: lost.sprung)
    await until(lambda: is_posted(other, neighbour), within=FORGOTTEN_SECONDS)
    assert await first == LedgerUnavailable()
    assert await is_posted(order, ledger)
    assert await stage.of_user(user) == (12 + 30_000, 0)
    assert await stage.store.audit() == []


def reported_entries(outcomes: Sequence[Outcome]) -> list[UUID]:
    """Return the ids of gift and spending entries, which a repeated commit reports again."""
    entries = [entry for outcome in outcomes for entry in getattr(outcome, "entries", ())]
    return [entry.id for entry in entries if entry.kind in ("ADJUSTMENT", "DEDUCTION")]


async def is_posted(commit: Commit, by: Ref[Ledger]) -> bool:
    return isinstance(await ask_ledger(by, commit), Posted | Replayed)
