"""Tests of the newest log keys, by which a gateway knows whether its own key is current."""

from datetime import timedelta

import asyncpg

from sql.database import Database
from sql.halts import Halts
from sql.log import LogKeys
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock

HEAD = "INSERT INTO log_head (origin, size, root, covered) VALUES ('a/log', 0, sha256(''), 0)"


async def test_the_newest_keys_are_those_that_were_added_last(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn)
    store = SqlStore(pool, Halts(pool, chain=False, seen=lambda: None))
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        assert await store.newest_log_keys() is None
        await connection.execute(HEAD)
        assert await store.newest_log_keys() == LogKeys("a/log", [])
        now = SystemClock().now()
        for key, ago in (("first", 2), ("b", 1), ("a", 1)):
            await connection.execute(
                "INSERT INTO log_keys (verifier, added_at) VALUES ($1, $2)",
                *(key, now - timedelta(hours=ago)),
            )
        assert await store.newest_log_keys() == LogKeys("a/log", ["a", "b"])
    finally:
        await connection.close()
        await pool.close()
