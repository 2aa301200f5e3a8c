"""Fixture with a stage whose Ledger works on a real database."""

from collections.abc import AsyncIterator

import pytest

from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage


@pytest.fixture
async def stage(database: PostgresEndpoint) -> AsyncIterator[Stage]:
    """Yield a stage over PostgreSQL, without injected faults."""
    pool = Database(lambda: database.app_dsn)
    yield sql_stage(pool)
    await pool.close()
