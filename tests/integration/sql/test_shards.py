"""Account shards: gateways that write at the same time do not wait for each other at platform
accounts.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import Transfer, UnitComplete
from actors.ledger.messages import Commit, ExistsWithOtherAmount, Posted, Replayed
from sql.account_names import ADJUSTMENTS, REVENUE, user_account
from sql.books import SHARDED, Keys, Rows
from sql.books_statements import SqlBooks
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.support.until import until

SHARDS = 16
BALANCES = "SELECT name, balance FROM platform_accounts"
USED = "SELECT name, shards_used FROM platform_accounts WHERE shards_used IS NOT NULL"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
# The server ends transactions that idle for 1.5 s; a busy machine needs longer for 16 of them.
MAY_IDLE = "SET LOCAL idle_in_transaction_session_timeout = 0"
BOTH = Keys(accounts=set(SHARDED))


@attrs.frozen
class TwoGateways:
    """Two gateways with separate connections to one database."""

    ours: Stage
    theirs: Stage
    database: Database

    async def read(self, query: str) -> dict[str, int]:
        async with self.database.connection() as connection:
            return {name: number for name, number in await connection.fetch(query) if number}

    async def lock(self, stack: AsyncExitStack) -> Rows:
        """Lock the platform's accounts in a batch until the stack closes."""
        transaction = self.database.transaction(within=60.0)
        connection = await stack.enter_async_context(transaction)
        await connection.execute(MAY_IDLE)
        return await SqlBooks(connection).lock(BOTH)

    async def is_waiting(self) -> bool:
        async with self.database.connection() as connection:
            return bool(await connection.fetchval(WAITING))


@pytest.fixture
async def two(database: PostgresEndpoint) -> AsyncIterator[TwoGateways]:
    databases = [Database(lambda: database.app_dsn, connections=2 * SHARDS) for _ in range(2)]
    ours, theirs = (sql_stage(each) for each in databases)
    yield TwoGateways(ours, theirs, databases[0])
    for each in databases:
        await each.close()


def spend(account: str, units: int, reference: str = "spent") -> Transfer:
    return Transfer(account, ADJUSTMENTS, account, units, "DEDUCTION", reference)


def done(job: UUID, node: UUID) -> Commit:
    """Return the commit that completes a dispatched job, which settles its hold."""
    return Commit((), (UnitComplete(job, 0, 1, node, None),))


async def test_nobody_waits_for_the_account_that_another_has(two: TwoGateways) -> None:
    user, node, job = await two.ours.user(100), await two.ours.node(), fresh_id()
    account = user_account(user)
    hold = attrs.evolve(dispatch(user, job, 60, 1, node), transfers=(spend(account, 5),))
    async with two.ours.store.transaction() as books:
        await books.lock(BOTH)
        assert isinstance((await two.theirs.commit(hold))[0], Posted)
        settled = await two.theirs.commit(done(job, node))
        assert isinstance(settled[0], Posted)
    assert await two.ours.money(account) == (35, 0)
    assert await two.read(BALANCES) == {REVENUE: 60, ADJUSTMENTS: -95}
    assert await two.read(USED) == {REVENUE: 1, ADJUSTMENTS: 2}
    assert await two.ours.store.audit() == []


async def test_one_gateway_alone_needs_one_shard(two: TwoGateways) -> None:
    for number in range(5):
        await two.ours.user(number + 1)
    assert await two.read(USED) == {ADJUSTMENTS: 1}
    assert await two.ours.money(ADJUSTMENTS) == (-15, 0)


async def test_what_was_booked_at_one_shard_is_known_at_the_other(two: TwoGateways) -> None:
    account = user_account(await two.ours.user(100))
    async with two.ours.store.transaction() as books:
        await books.lock(BOTH)
        [posted] = await two.theirs.commit(Commit((spend(account, 5),)))
    assert isinstance(posted, Posted)
    again, other = await two.ours.commit(Commit((spend(account, 5),)), Commit((spend(account, 6),)))
    assert again == Replayed(posted.entries)
    assert other == ExistsWithOtherAmount("spent")


async def test_a_reference_of_the_platforms_own_is_used_once(two: TwoGateways) -> None:
    """The account of a reference is locked itself, not a shard of it, so the second gateway waits
    and finds the reference used.
    """
    account = user_account(await two.ours.user(1))
    order = Transfer(REVENUE, account, REVENUE, 9, "ADJUSTMENT", "bonus")
    stages = [two.ours, two.theirs]
    found = await asyncio.gather(*(stages[n % 2].commit(Commit((order,))) for n in range(6)))
    assert all(isinstance(outcome, Posted | Replayed) for (outcome,) in found)
    assert await two.ours.money(REVENUE) == (-9, 0)
    assert await two.ours.store.audit() == []


async def test_when_all_shards_are_taken_one_waits_for_the_account(two: TwoGateways) -> None:
    async with AsyncExitStack() as others:
        first = await others.enter_async_context(AsyncExitStack())
        taken = [await two.lock(others if number else first) for number in range(SHARDS)]
        names = {row.id for rows in taken for row in rows.accounts.values()}
        assert len(names) == SHARDS * len(SHARDED)
        waits = asyncio.create_task(two.lock(others))
        await until(two.is_waiting)
        await first.aclose()
        assert (await waits).accounts == taken[0].accounts


async def test_the_sum_is_right_whoever_wrote(two: TwoGateways) -> None:
    people, node = [await two.ours.user(1_000) for _ in range(8)], await two.ours.node()
    chance = random.Random(26)
    spent = 0

    async def work(stage: Stage) -> None:
        nonlocal spent
        for _ in range(20):
            user, units, job = chance.choice(people), chance.randint(1, 9), fresh_id()
            held = dispatch(user, job, units, 1, node)
            assert isinstance((await stage.commit(held))[0], Posted)
            assert isinstance((await stage.commit(done(job, node)))[0], Posted)
            spent += units

    stages = [two.ours, two.theirs] * 3
    await asyncio.gather(*(work(stage) for stage in stages))
    assert await two.read(BALANCES) == {REVENUE: spent, ADJUSTMENTS: -8_000}
    assert await two.ours.store.audit() == []
