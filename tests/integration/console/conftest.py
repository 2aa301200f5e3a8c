"""The same site as for the API's tests."""

from collections.abc import AsyncGenerator

import pytest

from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.conftest import face
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger

__all__ = ["face"]


@pytest.fixture
async def with_books(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """A site whose Ledger is the real one; everybody begins with 100 credits."""
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests(), with_ledger(pool)) as running:
        yield running
    await pool.close()
