"""Fixtures for integration tests: ``database`` has the newest schema here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.place import of_postgres
from tests.faults.proxy import Proxy

# Tests that take long, and depend on other programs rather than on the version of Python.
ABOUT_PROGRAMS = (
    "backup",
    "engines/test_anchor_on_a_node.py",
    "engines/test_contract.py",
    "engines/test_contract_properties.py",
    "engines/test_kills.py",
    "engines/test_lives.py",
    "faults/test_anchors.py",
    "faults/test_redis.py",
    "sql/test_absence.py",
    "sql/test_anchor.py",
    "sql/test_bank.py",
    "sql/test_deadlock.py",
    "sql/test_fsck_since.py",
    "sql/test_migrate.py",
    "sql/test_old_numbers.py",
    "sql/test_poisoned_batch.py",
    "sql/test_reorganised.py",
    "sql/test_rights.py",
    "sql/test_shards.py",
    "sql/test_told.py",
    "sql/test_unknown_commits.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Compare texts and not Path objects, because each worker compares thousands of items.
    programs = tuple(str(Path(__file__).parent / path) for path in ABOUT_PROGRAMS)
    for item in items:
        if str(item.path).startswith(programs):
            item.add_marker(pytest.mark.heavy)


@pytest.fixture(scope="session")
def database_template(migrated_database: str) -> str:
    """Return the name of the template database with the newest schema."""
    return migrated_database


@pytest.fixture
async def proxy(database: PostgresEndpoint) -> AsyncIterator[Proxy]:
    """Yield a proxy in front of the database, which tests let fail."""
    async with Proxy(of_postgres(database.app_dsn)) as proxy:
        yield proxy
