"""A gateway on Debian's PostgreSQL with its default settings."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from rendertrust.testing import FakeNode, completes
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_clients import Creator
from tests.support.engines import engine_folder
from tests.support.gateway_process import Gateway, forked_gateway
from tests.support.lent_engines import LentEngines
from tests.support.stock_postgres import StockPostgres, stock_programs
from tests.support.until import until

JOBS = 20
ENDS = completes(b"a frame")


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=stock_programs())
async def stock(request: pytest.FixtureRequest) -> AsyncIterator[PostgresEndpoint]:
    """Run each installed version of PostgreSQL in turn."""
    programs: Path = request.param
    with engine_folder() as folder:
        engine = StockPostgres(folder / "data", programs)
        endpoint = await engine.start(within=60)
        yield endpoint
        await engine.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(stock: PostgresEndpoint, lent_engines: LentEngines) -> AsyncIterator[Gateway]:
    async with forked_gateway(**lent_engines.settings(stock)) as running:
        yield running


async def test_each_submission_is_accepted_at_once(gateway: Gateway, creator: Creator) -> None:
    """With ``jit`` on, the default, PostgreSQL would compile statements for seconds and the gateway
    would answer 503.
    """
    async with FakeNode(gateway.url, behave=ENDS):
        answers = await asyncio.gather(*(creator.dispatch("echo") for _ in range(JOBS)))
        assert [status for status, _ in answers] == [200] * JOBS, answers
        for _, answer in answers:
            await creator.job_within(str(answer["job_id"]), "COMPLETED")


async def test_no_statement_is_compiled(stock: PostgresEndpoint) -> None:
    """The test's statement counts as expensive in some versions, which would compile it with
    ``jit`` on.
    """
    pool = Database(lambda: stock.app_dsn)
    async with pool.connection(within=60) as connection:
        plan = await connection.fetch("EXPLAIN ANALYZE SELECT sum(relpages) FROM pg_class")
    await pool.close()
    assert plan
    assert not [line[0] for line in plan if line[0].startswith("JIT")]


async def test_a_statement_ends_when_its_gateway_has_gone(stock: PostgresEndpoint) -> None:
    """The statement would run for an hour and keep its locks, although nobody waits for
    the result.
    """
    pool, watcher = Database(lambda: stock.app_dsn), await asyncpg.connect(stock.owner_dsn)
    async with pool.connection(within=60) as connection:
        pid = connection.get_server_pid()
        sleeps = asyncio.ensure_future(connection.execute("SELECT pg_sleep(3600)"))
        sleeping = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1"
        await until(lambda: watcher.fetchval(sleeping, pid))
        connection.terminate()
        with pytest.raises(asyncpg.PostgresConnectionError):
            await sleeps
    gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
    await until(lambda: watcher.fetchval(gone, pid))
    await watcher.close()
    await pool.close()
