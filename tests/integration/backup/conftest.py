"""Every test has a migrated database, and may have an empty one beside it."""

from collections.abc import Iterator

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.databases import Databases
from tests.engines import LoopThread


@pytest.fixture(scope="session")
def database_template(migrated_template: str) -> str:
    """The newest schema."""
    return migrated_template


@pytest.fixture
def empty(engine_loop: LoopThread, databases: Databases) -> Iterator[PostgresEndpoint]:
    """A database without anything."""
    fresh = engine_loop.run(databases.take("template1"))
    yield fresh
    engine_loop.run(databases.drop(fresh))
