"""A test may have an empty database beside its own."""

from collections.abc import Iterator

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import Databases
from tests.support.engines import LoopThread


@pytest.fixture
def empty(engine_loop: LoopThread, databases: Databases) -> Iterator[PostgresEndpoint]:
    """A database without anything."""
    fresh = engine_loop.run(databases.take("template1"))
    yield fresh
    engine_loop.run(databases.drop(fresh))
