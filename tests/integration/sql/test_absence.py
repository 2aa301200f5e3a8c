"""Tests with a database that disconnects, returns, resets, falls silent or loses the answer to
COMMIT.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.ledger.actor import LedgerActor
from actors.ledger.messages import Commit, LedgerUnavailable, Posted
from sql.database import Database, Unavailable
from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.place import postgres_by
from tests.faults.postgres import COMMIT, swallow_writes
from tests.faults.proxy import Proxy
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, act, grant
from tests.support.until import until
from tests.twins.clock import TwinClock
from tests.twins.random import TwinRandom

# Seconds. The pool waits 1.8 s for an answer, and only once; a busy machine needs some more time.
LESS_THAN_TWICE, HANG_SECONDS = 3.4, 60.0
LOCKED = "SELECT balance FROM accounts WHERE name = $1 FOR UPDATE"


@pytest.fixture
async def pool(proxy: Proxy, database: PostgresEndpoint) -> AsyncIterator[Database]:
    pool = Database(lambda: postgres_by(proxy, database.app_dsn), connections=3)
    yield pool
    await pool.close()


@pytest.fixture
def stage(pool: Database) -> Stage:
    return sql_stage(pool)


async def fails_in_time(pool: Database) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await pool.check()
    assert asyncio.get_running_loop().time() - started < LESS_THAN_TWICE


async def test_it_fails_in_time_while_away_and_recovers_by_itself(
    proxy: Proxy, pool: Database
) -> None:
    await pool.check()
    await proxy.down()
    await asyncio.gather(*(fails_in_time(pool) for _ in range(5)))
    await proxy.up()
    await asyncio.gather(*(pool.check() for _ in range(5)))


async def test_a_server_that_falls_silent_is_given_up_in_time(proxy: Proxy, pool: Database) -> None:
    await asyncio.gather(*(pool.check() for _ in range(3)))
    proxy.hush()
    await asyncio.gather(*(fails_in_time(pool) for _ in range(4)))
    proxy.speak()
    await pool.check()


@pytest.mark.parametrize("said", [b"BEGIN", b"backend_pid", COMMIT])
async def test_a_transaction_on_which_nobody_answers_is_given_up_in_time(
    proxy: Proxy, pool: Database, said: bytes
) -> None:
    """Whichever answer is lost, the client gives up within two seconds and does not wait for the
    transaction's end.
    """

    async def work() -> None:
        async with pool.transaction() as connection:
            await connection.fetchval("SELECT pg_backend_pid()")

    lost = proxy.strand(said)
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(work(), HANG_SECONDS)
    assert asyncio.get_running_loop().time() - started < LESS_THAN_TWICE
    assert lost.sprung == 1
    await work()


async def test_who_falls_silent_within_a_statement_keeps_no_locks(
    proxy: Proxy, pool: Database, stage: Stage, database: PostgresEndpoint
) -> None:
    """The server has the statement but waits for its values, so the idle-in-transaction timeout
    does not end it.
    """
    user = await stage.user(5)
    name = f"user:{user}"
    lost = proxy.strand(b"of somebody who is gone")

    async def work() -> None:
        async with pool.transaction() as connection:
            await connection.fetchrow(LOCKED, name)
            await connection.fetchval("SELECT $1::text", "of somebody who is gone")

    with pytest.raises(Unavailable):
        await work()
    assert lost.sprung == 1
    neighbour = Database(lambda: database.app_dsn)

    async def gets_it() -> bool:
        try:
            async with neighbour.transaction() as connection:
                return await connection.fetchrow(LOCKED, name) is not None
        except Unavailable:
            return False

    await until(gets_it)
    await neighbour.close()


async def test_what_may_take_long_is_not_ended(
    pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.database.TRANSACTION_SECONDS", 1.0)
    async with pool.transaction(within=20.0) as connection:
        await connection.fetchval("SELECT pg_sleep(1.5)")

    async def lasts() -> None:
        async with pool.transaction() as connection:
            await connection.fetchval("SELECT pg_sleep(1.5)")

    with pytest.raises(Unavailable):
        await lasts()
    await pool.check()


async def test_an_audit_on_which_nobody_answers_is_given_up(
    proxy: Proxy, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The text is sent only once per connection, when the statement is prepared.
    proxy.strand(b"'statement_timeout', '0'")
    with monkeypatch.context() as impatient:
        impatient.setattr("sql.store.WHOLE_SECONDS", 0.5)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(stage.store.audit(), HANG_SECONDS)
    assert await stage.store.audit() == []


async def test_a_read_outlives_a_reset(proxy: Proxy, pool: Database) -> None:
    for _ in range(5):
        await asyncio.gather(*(pool.check() for _ in range(3)))
        proxy.break_off()
        await pool.check()


async def test_an_act_whose_write_was_answered_by_nobody_is_written_down_once(
    proxy: Proxy, stage: Stage
) -> None:
    user = await stage.user()
    lost = swallow_writes(proxy)
    (outcome,) = await stage.commit(Commit((grant(user, 5, "x"),), act=act("once")))
    assert lost.sprung == 1
    assert isinstance(outcome, Posted)
    assert [done.reason for done in await stage.acts()] == ["once"]


async def test_books_that_are_away_are_told_and_come_back(proxy: Proxy, stage: Stage) -> None:
    user = await stage.user(5)
    await proxy.down()
    order = Commit((grant(user, 7, "later"),))
    ledger = LedgerActor(stage.store, TwinClock(), TwinRandom())
    started = asyncio.get_running_loop().time()
    assert await ledger.commit([order]) == [LedgerUnavailable()]
    assert asyncio.get_running_loop().time() - started < LESS_THAN_TWICE
    await proxy.up()
    assert isinstance((await stage.commit(order))[0], Posted)
    assert await stage.of_user(user) == (12, 0)
