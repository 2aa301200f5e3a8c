"""A migrated database for the tests that want one: ``database_template`` returns its name."""

from collections.abc import Iterator

import pytest

from sql.migrate import migrate
from supervisors.engines.postgres import PostgresEndpoint
from tests.databases import execute, with_database
from tests.engines import LoopThread

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def migrated_template(
    engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint
) -> Iterator[str]:
    """A database with the newest schema, to be copied."""
    owner = postgres_endpoint.owner_dsn
    engine_loop.run(execute(owner, f"CREATE DATABASE {TEMPLATE}"))
    engine_loop.run(migrate(with_database(owner, TEMPLATE)))
    yield TEMPLATE
    engine_loop.run(execute(owner, f"DROP DATABASE {TEMPLATE} WITH (FORCE)"))
