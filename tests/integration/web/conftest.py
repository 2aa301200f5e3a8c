"""A site on a fresh, migrated database for each test."""

from collections.abc import AsyncGenerator

import pytest

from sql.database import Database
from sql.migrate import migrate
from supervisors.engines.postgres import PostgresEndpoint
from tests.databases import execute, with_database
from tests.engines import LoopThread
from tests.face import Face, serving, settings_for_tests


@pytest.fixture(scope="session")
def database_template(engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint) -> str:
    """A database with the schema, to be copied."""
    name = "with_schema"
    engine_loop.run(execute(postgres_endpoint.owner_dsn, f"CREATE DATABASE {name}"))
    engine_loop.run(migrate(with_database(postgres_endpoint.owner_dsn, name)))
    return name


@pytest.fixture
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """Development's settings, without rate limits."""
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests()) as running:
        yield running
    await pool.close()
