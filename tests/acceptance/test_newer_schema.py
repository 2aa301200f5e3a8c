"""A gateway whose database a newer version migrates, while it runs and before it restarts."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from rendertrust.testing import FakeNode, completes
from sql.migrate import Migration, migrate, migrations
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway, forked_gateway
from tests.support.lent_engines import LentEngines
from tests.unit.sql.migration_rules import faults

NEWEST = migrations()[-1].version
COMPATIBLE = f"-- Compatible from: {NEWEST:04}\n"
# Migrations of a newer version, which only add tables, columns and the like.
TEXTS = (
    """
    CREATE TABLE pictures (job_id uuid PRIMARY KEY REFERENCES jobs, at timestamptz NOT NULL);
    ALTER TABLE jobs ADD COLUMN pictures integer NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD CONSTRAINT jobs_pictures CHECK (pictures >= 0) NOT VALID;
    ALTER TABLE units ADD COLUMN pictured timestamptz;
    ALTER TABLE transfers ADD COLUMN pictured timestamptz;
    """,
    "ALTER TABLE jobs VALIDATE CONSTRAINT jobs_pictures",
    """
    DROP INDEX CONCURRENTLY IF EXISTS units_pictured;
    CREATE INDEX CONCURRENTLY units_pictured ON units (pictured) WHERE pictured IS NOT NULL;
    """,
)
LATER = [
    Migration(NEWEST + number, f"{NEWEST + number:04}_pictures", COMPATIBLE + text)
    for number, text in enumerate(TEXTS, start=1)
]
OTHER = Migration(NEWEST + 9, f"{NEWEST + 9:04}_other", "SELECT 1")
ENDS = completes(b"a frame")


@pytest.fixture(scope="session")
def database_template(migrated_database: str) -> str:
    """Return the name of the template from which ``database`` is copied."""
    return migrated_database


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(database: PostgresEndpoint, lent_engines: LentEngines) -> AsyncIterator[Gateway]:
    engines = lent_engines.settings(database)
    async with forked_gateway(**engines) as running:
        yield running


async def test_a_gateway_works_on_a_newer_schema_that_adds_something(
    gateway: Gateway, creator: Creator, http: aiohttp.ClientSession, database: PostgresEndpoint
) -> None:
    assert [fault for migration in LATER for fault in faults(migration.text)] == []
    async with FakeNode(gateway.url, behave=ENDS):
        migrated = asyncio.Event()
        jobs = asyncio.ensure_future(submit_jobs(creator, migrated))
        names = await migrate(database.owner_dsn, [*migrations(), *LATER])
        migrated.set()
        assert names == [migration.name for migration in LATER]
        for job in await jobs:
            await creator.job_within(job, "COMPLETED")
    await gateway.restart()  # restarted, as after a crash, before the gateway itself is upgraded
    async with FakeNode(gateway.url, behave=ENDS):
        await creator.job_within(await order(creator), "COMPLETED")
    async with http.get(f"{gateway.url}/api/v1/health/ready") as answer:
        assert (await answer.json())["status"] == "ready"
    code, said = await gateway.run("db", "status")
    assert (code, f"newer {LATER[-1].name}" in said) == (0, True), said
    assert await gateway.fsck() == (0, "the books are in order\n")
    await check_incompatible_is_refused(gateway, database.owner_dsn)


async def submit_jobs(creator: Creator, migrated: asyncio.Event) -> list[str]:
    """Submit jobs one after another, some before and some after the migration."""
    found: list[str] = []
    after = 0
    while after < 5:
        after += migrated.is_set()
        found.append(await order(creator))
    return found


async def order(creator: Creator) -> str:
    status, answer = await creator.dispatch("echo")
    assert status == 200, answer
    return str(answer["job_id"])


async def check_incompatible_is_refused(gateway: Gateway, dsn: str) -> None:
    """Check that after an incompatible migration the program ends with one line."""
    await migrate(dsn, [*migrations(), *LATER, OTHER])
    await gateway.stop()
    await gateway.launch()
    assert await gateway.ended() == 1
    assert (
        f"The database is newer than this program: it has {OTHER.version}"
        in gateway.log.read_text()
    )
