"""Tests of the connection pool over a real PostgreSQL."""

import asyncio
import random
from typing import Any

import orjson
import pytest

from sql.database import Database, PoolUse, Unavailable, as_stored
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import execute
from tests.support.listening import listening


async def test_a_query_by_name_answers(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn)
    await pool.check()
    assert await pool.one("database_answers") is not None
    await pool.close()


async def test_a_broken_connection_is_replaced_for_a_read(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn, connections=3)
    for _ in range(3):
        await asyncio.gather(*(pool.check() for _ in range(3)))
        await execute(
            database.owner_dsn,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
    await pool.check()
    await pool.close()


async def test_kept_connections_are_idle_and_serve_all(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn, connections=1)
    await asyncio.gather(*(pool.check() for _ in range(20)))
    assert pool.pool_use() == PoolUse(1, 0, 1)
    async with pool.connection() as connection:
        first = await connection.fetchval("SELECT pg_backend_pid()")
        assert pool.pool_use() == PoolUse(1, 1, 1)
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") == first
    await pool.close()


async def test_a_transaction_that_was_left_open_is_not_lent_again(
    database: PostgresEndpoint,
) -> None:
    pool = Database(lambda: database.app_dsn, connections=1)
    async with pool.connection() as connection:
        await connection.execute("BEGIN")
    async with pool.connection() as connection:
        assert not connection.is_in_transaction()
    await pool.close()


async def test_a_closed_database_is_unavailable(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn)
    await pool.check()
    await pool.close()
    with pytest.raises(Unavailable):
        await pool.check()


async def test_nobody_there_is_told_at_once(unused_tcp_port: int) -> None:
    pool = Database(lambda: f"postgresql://nobody:x@127.0.0.1:{unused_tcp_port}/none")
    with pytest.raises(Unavailable):
        await pool.check()
    await pool.close()


async def test_a_server_that_never_answers_is_given_up_within_two_seconds() -> None:
    async def swallow(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(swallow) as port:
        pool = Database(lambda: f"postgresql://nobody:x@127.0.0.1:{port}/none?sslmode=disable")
        started = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await pool.check()
        # The pool waits for 1.8 s, once; a busy machine needs more time.
        assert asyncio.get_running_loop().time() - started < 3.4
        await pool.close()


async def test_a_transaction_is_rolled_back_by_an_error(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn)

    async def make_a_mistake() -> None:
        async with pool.transaction() as connection:
            await connection.execute("INSERT INTO accounts (name) VALUES ('user:x')")
            raise KeyError("mistake")

    with pytest.raises(KeyError, match="mistake"):
        await make_a_mistake()
    async with pool.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts WHERE name = 'user:x'") == 0
    await pool.close()


async def test_json_comes_and_goes_as_values(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn)
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT $1::jsonb", {"a": [1, "ü"]}) == {"a": [1, "ü"]}
    await pool.close()


async def test_numbers_return_from_the_database_as_foretold(database: PostgresEndpoint) -> None:
    numbers: list[Any] = [1e15, 1e16, -1e17, 1e19, 1e20, 1e22, 1e300, -0.0, 1e-7, 5e-324, 0.1]
    chance = random.Random(1)
    numbers += [chance.uniform(-1, 1) * 10.0 ** chance.randint(-300, 300) for _ in range(100)]
    numbers += [float(chance.randint(-(10**20), 10**20)) for _ in range(100)]
    numbers += [10.0**exponent for exponent in range(-30, 30)]
    pool = Database(lambda: database.app_dsn)
    async with pool.transaction() as connection:
        found = await connection.fetchval("SELECT $1::jsonb", numbers)
    await pool.close()
    assert orjson.dumps(as_stored(numbers)) == orjson.dumps(found)
