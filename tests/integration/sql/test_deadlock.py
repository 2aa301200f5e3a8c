"""Deadlocks between the Ledger and a session that locks accounts in another order: the Ledger tries
again.
"""

import asyncio
from typing import TypeAlias

import asyncpg

from actors.ledger.effects import Transfer
from actors.ledger.messages import Commit, Posted
from sql.account_names import user_account
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import Stage, grant
from tests.support.databases import connected
from tests.support.until import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
LOCK = "SELECT FROM accounts WHERE name = $1 FOR UPDATE"
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def test_the_victim_of_a_deadlock_does_the_whole_batch_again(
    stage: Stage, database: PostgresEndpoint
) -> None:
    """PostgreSQL ends the session that detects the deadlock first: mostly the Ledger's, which has
    waited longer.

    A round may have several deadlocks: the ended session may lock again before the other session,
    already awake, has run.
    """
    async with connected(database.owner_dsn) as stranger:
        watcher = await asyncpg.connect(database.owner_dsn)
        rounds = 1
        while not await is_the_victim(stage, stranger, watcher):
            rounds += 1

        async def all_counted() -> bool:
            return int(await watcher.fetchval(DEADLOCKS)) >= rounds

        await until(all_counted)
        assert await stage.store.audit() == []
    await watcher.close()


async def is_the_victim(stage: Stage, stranger: Connection, watcher: Connection) -> bool:
    """Make the Ledger and a stranger deadlock; return True if PostgreSQL ended the Ledger's
    transaction.
    """
    one, other = user_account(await stage.user(100)), user_account(await stage.user(100))
    third = await stage.user()
    move = Transfer(one, other, one, 40, "ADJUSTMENT", "move")

    async def waits() -> bool:
        return bool(await watcher.fetchval(WAITING))

    await stranger.execute("BEGIN")
    await stranger.fetch(LOCK, other)
    async with asyncio.TaskGroup() as group:
        batch = group.create_task(stage.commit(Commit((move,)), Commit((grant(third, 5),))))
        await until(waits)
        lost = await close_deadlock(stranger, one)
    assert [type(outcome) for outcome in batch.result()] == [Posted, Posted]
    assert [await stage.money(name) for name in (one, other, user_account(third))] == [
        *((60, 0), (140, 0), (5, 0)),
    ]
    return not lost


async def close_deadlock(stranger: Connection, one: str) -> bool:
    """Close the deadlock by locking ``one``; return True if PostgreSQL ended the stranger."""
    try:
        await stranger.fetch(LOCK, one)
    except asyncpg.DeadlockDetectedError:
        await stranger.execute("ROLLBACK")
        return True
    await stranger.execute("COMMIT")
    return False
