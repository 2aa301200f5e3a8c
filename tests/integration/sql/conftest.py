"""The books of a database, as a Ledger over it keeps them."""

from collections.abc import AsyncIterator

import pytest

from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage


@pytest.fixture
async def stage(database: PostgresEndpoint) -> AsyncIterator[Stage]:
    """The database, without faults."""
    pool = Database(lambda: database.app_dsn)
    yield sql_stage(pool)
    await pool.close()
