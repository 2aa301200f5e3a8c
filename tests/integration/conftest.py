"""Fixtures for integration tests: ``database`` has the newest schema here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.place import of_postgres
from tests.faults.proxy import Proxy
from tests.support.heavy import mark_heavy

# Tests that take long, and depend on other programs rather than on the version of Python.
ABOUT_PROGRAMS = (
    "backup",
    "conformance/test_draws.py",
    "console/test_frames.py",
    "engines/test_anchor_on_a_node.py",
    "engines/test_contract.py",
    "engines/test_contract_properties.py",
    "engines/test_kills.py",
    "engines/test_lives.py",
    "faults/test_anchors.py",
    "faults/test_redis.py",
    "liars/test_gain.py",
    "liars/test_quarantine.py",
    "node/test_agent_process.py",
    "node/test_operators_program.py",
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
# Files with many slow variants, of which one shows that the modules work on a version of Python.
FIRST_ONLY = (
    "client/test_program.py",
    "console/test_identities.py",
    "console/test_provider_sign_in.py",
    "console/test_real_provider.py",
    "console/test_setup.py",
    "engines/test_chain_commands.py",
    "engines/test_chain_conformance.py",
    "engines/test_object_forwarding.py",
    "engines/test_objects_conformance.py",
    "engines/test_onchain.py",
    "liars/test_drawn.py",
    "liars/test_liars.py",
    "node/test_enrolment.py",
    "node/test_foreign_plugins.py",
    "node/test_gateway_key.py",
    "node/test_join_code.py",
    "node/test_linked_caches.py",
    "node/test_manifests.py",
    "node/test_opengl_probe.py",
    "node/test_preflight.py",
    "node/test_program_update.py",
    "node/test_render.py",
    "node/test_resident_blender.py",
    "node/test_shaders.py",
    "node/test_stranger.py",
    "node/test_update_command.py",
    "node/test_update_notice.py",
    "nodes/test_agent.py",
    "nodes/test_earnings_program.py",
    "sql/test_log.py",
    "web/test_account_deletion.py",
    "web/test_admin_commands.py",
    "web/test_admin_log_key.py",
    "web/test_checkout.py",
    "web/test_cross_origin.py",
    "web/test_deciding_commands.py",
    "web/test_invitations.py",
    "web/test_network_failures.py",
    "web/test_pricing.py",
    "web/test_put_back.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_heavy(items, Path(__file__).parent, ABOUT_PROGRAMS, FIRST_ONLY)


@pytest.fixture(scope="session")
def database_template(migrated_database: str) -> str:
    """Return the name of the template database with the newest schema."""
    return migrated_database


@pytest.fixture
async def proxy(database: PostgresEndpoint) -> AsyncIterator[Proxy]:
    """Yield a proxy in front of the database, which tests let fail."""
    async with Proxy(of_postgres(database.app_dsn)) as proxy:
        yield proxy
