"""A migrated database for each test."""

import pytest

from sql.migrate import migrate
from supervisors.engines.postgres import PostgresEndpoint
from tests.databases import execute, with_database
from tests.engines import LoopThread


@pytest.fixture(scope="session")
def database_template(engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint) -> str:
    """A database with the schema, to be copied."""
    name = "for_liars"
    engine_loop.run(execute(postgres_endpoint.owner_dsn, f"CREATE DATABASE {name}"))
    engine_loop.run(migrate(with_database(postgres_endpoint.owner_dsn, name)))
    return name
