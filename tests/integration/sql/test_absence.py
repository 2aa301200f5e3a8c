"""A database that goes away, comes back, resets, is silent, or loses an answer to COMMIT."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.ledger.actor import LedgerActor
from actors.ledger.messages import BooksAway, Commit, Posted, Replayed
from sql.database import Database, Unavailable
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, act, dispatch, fresh_id, grant
from tests.integration.sql.proxy import Proxy
from tests.twins.clock import TwinClock
from tests.twins.random import TwinRandom


@pytest.fixture
async def proxy(database: PostgresEndpoint) -> AsyncIterator[Proxy]:
    async with Proxy(database.app_dsn) as proxy:
        yield proxy


@pytest.fixture
async def pool(proxy: Proxy) -> AsyncIterator[Database]:
    database = Database(lambda: proxy.dsn, connections=3)
    yield database
    await database.close()


@pytest.fixture
def stage(pool: Database) -> Stage:
    return sql_stage(pool)


async def fails_in_time(pool: Database) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await pool.check()
    assert asyncio.get_running_loop().time() - started < 2


async def test_it_fails_in_time_while_away_and_recovers_by_itself(
    proxy: Proxy, pool: Database
) -> None:
    await pool.check()
    await proxy.close()
    await asyncio.gather(*(fails_in_time(pool) for _ in range(5)))
    await proxy.reopen()
    await asyncio.gather(*(pool.check() for _ in range(5)))


async def test_a_server_that_falls_silent_is_given_up_in_time(proxy: Proxy, pool: Database) -> None:
    await asyncio.gather(*(pool.check() for _ in range(3)))
    proxy.silent = True
    await asyncio.gather(*(fails_in_time(pool) for _ in range(4)))
    proxy.silent = False
    await pool.check()


async def test_a_read_outlives_a_reset(proxy: Proxy, pool: Database) -> None:
    for _ in range(5):
        await asyncio.gather(*(pool.check() for _ in range(3)))
        proxy.break_off()
        await pool.check()


async def test_a_lost_answer_to_commit_is_found_out(proxy: Proxy, stage: Stage) -> None:
    user, node, job = await stage.user(500), await stage.node(), fresh_id()
    orders = (Commit((grant(user, 5, "x"),)), dispatch(user, job, 100, 1, node))
    proxy.swallow_commit = True
    outcomes = await stage.commit(*orders)
    assert proxy.commits_swallowed == 1
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted]
    again = await stage.commit(*orders)
    assert [type(outcome) for outcome in again] == [Replayed, Replayed]
    assert await stage.of_user(user) == (505, 100)
    assert await stage.store.audit() == []


async def test_an_act_whose_commit_was_answered_by_nobody_is_written_down_once(
    proxy: Proxy, stage: Stage
) -> None:
    user = await stage.user()
    proxy.swallow_commit = True
    (outcome,) = await stage.commit(Commit((grant(user, 5, "x"),), act=act("once")))
    assert proxy.commits_swallowed == 1
    assert isinstance(outcome, Posted)
    assert [done.reason for done in await stage.acts()] == ["once"]


async def test_books_that_are_away_are_told_and_come_back(proxy: Proxy, stage: Stage) -> None:
    user = await stage.user(5)
    await proxy.close()
    order = Commit((grant(user, 7, "later"),))
    ledger = LedgerActor(stage.store, TwinClock(), TwinRandom())
    started = asyncio.get_running_loop().time()
    assert await ledger.commit([order]) == [BooksAway()]
    assert asyncio.get_running_loop().time() - started < 2.5
    await proxy.reopen()
    assert isinstance((await stage.commit(order))[0], Posted)
    assert await stage.of_user(user) == (12, 0)
