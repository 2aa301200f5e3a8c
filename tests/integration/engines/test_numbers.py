"""Sequences of a database that is killed soon after it was created."""

import os
import signal
from collections.abc import Mapping

from sql.migrate import migrate
from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import EmbeddedPostgres, PostgresEndpoint
from tests.support.databases import connected
from tests.support.engines import engine_folder


async def test_no_number_is_given_twice_though_the_server_was_killed() -> None:
    with engine_folder() as data:
        engine = EmbeddedPostgres(data, account=engine_account())
        try:
            endpoint = await engine.start()
            await migrate(endpoint.owner_dsn)
            before = await next_numbers(endpoint)
            os.kill(engine.pid, signal.SIGKILL)
            await engine.exited()
            await engine.stop()
            after = await next_numbers(await engine.start())
        finally:
            await engine.stop()
    assert {"accounts_id_seq", "prices_number_seq", "transfers_id_seq"} <= before.keys()
    assert [name for name, number in after.items() if number <= before[name]] == []


async def next_numbers(endpoint: PostgresEndpoint) -> Mapping[str, int]:
    """Take the next number of each sequence, in a transaction that is committed to disk."""
    async with connected(endpoint.owner_dsn) as connection, connection.transaction():
        names = await connection.fetch("SELECT sequencename AS name FROM pg_sequences")
        numbers = {
            row["name"]: await connection.fetchval("SELECT nextval($1::text)", row["name"])
            for row in names
        }
        await connection.execute("SELECT pg_current_xact_id()")
    return numbers
