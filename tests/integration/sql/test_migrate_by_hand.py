"""Tests of ``rendertrust db``: its output for operators, and what running gateways may do
meanwhile.
"""

import asyncio
from contextlib import nullcontext
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from sql import migrate as module
from sql.migrate import MigrationError, migrate, migrations, status
from sql.store import BOOKS_SECONDS
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.sql.test_migrate import BEFORE_RELEASE, later
from tests.support.databases import connected, execute
from tests.support.until import until
from web.commands.database import database as commands

NEWEST = migrations()[-1]


@pytest.fixture(scope="session")
def database_template() -> str:
    """Return the name of an empty template database."""
    return "template1"


async def run(endpoint: PostgresEndpoint, *words: str) -> tuple[int, str]:
    """Run ``rendertrust db …`` with the database that the settings name."""
    there = {
        "RENDERTRUST_DATABASE_URL": endpoint.app_dsn,
        "RENDERTRUST_DATABASE_OWNER_URL": endpoint.owner_dsn,
    }
    became = await asyncio.to_thread(CliRunner().invoke, commands, words, env=there)
    return became.exit_code, became.output


async def test_a_role_without_rights_is_told_before_anything_is_applied(
    database: PostgresEndpoint,
) -> None:
    place = database.app_dsn.partition("@")[2]
    nobody = f"postgresql://nobody:secret@{place}"
    with pytest.raises(MigrationError, match="CREATE ROLE rendertrust_app"):
        await migrate(database.owner_dsn, application=nobody)
    code, said = await run(PostgresEndpoint(database.owner_dsn, nobody), "migrate")
    assert (code, "CREATE ROLE rendertrust_app" in said) == (1, True), said
    assert "secret" not in said
    assert (await status(database.owner_dsn)).applied == ()


@pytest.mark.parametrize(
    ("role", "has_rights"),
    [("rendertrust_app", True), ("rendertrust", True), ("postgres", True), ("pg_monitor", False)],
)
async def test_owners_superusers_and_the_applications_role_have_rights(
    database: PostgresEndpoint, role: str, has_rights: bool
) -> None:
    async with connected(database.owner_dsn) as connection:
        outcome = nullcontext() if has_rights else pytest.raises(MigrationError, match=role)
        with outcome:
            await module.check_role(connection, role)


async def test_the_command_says_which_database_it_migrates(database: PostgresEndpoint) -> None:
    code, said = await run(database, "migrate")
    name = database.owner_dsn.partition("?")[0].rpartition("/")[2]
    assert code == 0
    assert f"migrating the database {name} at " in said
    assert f"applied {NEWEST.name}" in said
    owner = database.owner_dsn.partition("@")[0].rpartition(":")[2]
    assert owner not in said


async def test_a_newer_schema_is_listed_although_it_is_refused(database: PostgresEndpoint) -> None:
    more = later("SELECT 1")
    await migrate(database.owner_dsn, [*migrations(), more])
    code, said = await run(database, "status")
    assert code == 1
    assert f"applied {NEWEST.name}\nnewer {more.name}\n" in said
    assert "newer than this program" in said


@pytest.mark.parametrize("command", ["migrate", "status"])
async def test_the_command_refuses_a_database_of_an_unreleased_version(
    database: PostgresEndpoint, command: str
) -> None:
    await execute(database.owner_dsn, BEFORE_RELEASE)
    code, said = await run(database, command)
    assert (code, said.splitlines()[-1]) == (1, f"Error: {module.UNRELEASED}")


async def test_the_log_says_for_whom_a_new_index_waits(
    database: PostgresEndpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOLD_SECONDS", 0.05)
    await migrate(database.owner_dsn)
    backup = await asyncpg.connect(database.owner_dsn, server_settings={"application_name": "b1"})
    writing = backup.transaction()
    await writing.start()
    await backup.execute("UPDATE users SET name = name")
    index = later(
        "DROP INDEX CONCURRENTLY IF EXISTS more;\nCREATE INDEX CONCURRENTLY more ON users (name);"
    )
    working = asyncio.create_task(migrate(database.owner_dsn, [*migrations(), index]))
    whom = f"process {backup.get_server_pid()} of rendertrust (b1), since "
    await until(lambda: f"{index.name} waits for the transactions of: {whom}" in caplog.text)
    await writing.rollback()
    assert await working == [index.name]
    await backup.close()


async def test_an_attempt_waits_shorter_than_a_gateways_commit_and_longer_than_an_autovacuum(
    database: PostgresEndpoint,
) -> None:
    """The server cancels a blocking autovacuum after ``deadlock_timeout``."""
    asks = "CREATE TABLE asked AS SELECT current_setting('lock_timeout') AS waits"
    await migrate(database.owner_dsn, [*migrations(), later(asks)])
    async with connected(database.owner_dsn) as connection:
        seen: list[Any] = [
            await connection.fetchval("SELECT extract(epoch FROM waits::interval) FROM asked")
        ]
        seen += [await connection.fetchval("SHOW deadlock_timeout")]
    assert seen[1] == "1s"
    assert 1.0 < float(seen[0]) <= BOOKS_SECONDS - 0.5
