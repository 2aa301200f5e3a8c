"""Every test has a migrated database."""

import pytest


@pytest.fixture(scope="session")
def database_template(migrated_template: str) -> str:
    """The newest schema."""
    return migrated_template
