"""Fixture with an empty database beside the test's own."""

from collections.abc import Iterator

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import Databases
from tests.support.engines import LoopThread


@pytest.fixture
def empty(engine_loop: LoopThread, databases: Databases) -> Iterator[PostgresEndpoint]:
    """Yield an empty database."""
    fresh = engine_loop.run(databases.take("template1"))
    yield fresh
    engine_loop.run(databases.drop(fresh))
