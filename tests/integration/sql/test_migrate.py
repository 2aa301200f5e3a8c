"""Migrations over a real PostgreSQL."""

import asyncio

import asyncpg
import attrs
import pytest

from sql.migrate import Migration, MigrationError, migrate, migrations, status
from supervisors.engines.postgres import PostgresEndpoint
from tests.databases import execute


@pytest.fixture(scope="session")
def database_template() -> str:
    """Nothing in it."""
    return "template1"


async def test_six_starters_at_once_migrate_once(database: PostgresEndpoint) -> None:
    applied = await asyncio.gather(*(migrate(database.owner_dsn) for _ in range(6)))
    names = [migration.name for migration in migrations()]
    assert sorted(applied, key=len) == [[], [], [], [], [], names]
    assert (await status(database.owner_dsn)).applied == tuple(names)


async def test_a_pending_migration_is_applied_later(database: PostgresEndpoint) -> None:
    first = migrations()
    assert (await status(database.owner_dsn)).pending == tuple(m.name for m in first)
    await migrate(database.owner_dsn, first)
    more = Migration(first[-1].version + 1, "0099_more", "CREATE TABLE more (id integer)")
    assert await migrate(database.owner_dsn, [*first, more]) == ["0099_more"]
    assert await migrate(database.owner_dsn, [*first, more]) == []


async def test_a_database_of_a_newer_program_is_refused(database: PostgresEndpoint) -> None:
    more = Migration(migrations()[-1].version + 1, "0099_more", "SELECT 1")
    await migrate(database.owner_dsn, [*migrations(), more])
    with pytest.raises(MigrationError, match="newer than this program"):
        await migrate(database.owner_dsn)
    with pytest.raises(MigrationError, match="newer than this program"):
        await status(database.owner_dsn)


async def test_a_changed_file_is_refused(database: PostgresEndpoint) -> None:
    first, *rest = migrations()
    await migrate(database.owner_dsn, [first, *rest])
    changed = attrs.evolve(first, text=first.text + "\n-- a word more")
    with pytest.raises(MigrationError, match="was changed after"):
        await migrate(database.owner_dsn, [changed, *rest])


async def test_a_migration_that_fails_leaves_nothing(database: PostgresEndpoint) -> None:
    broken = Migration(2, "0002_broken", "CREATE TABLE half (id integer); SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database.owner_dsn, [migrations()[0], broken])
    await execute(database.owner_dsn, "CREATE TABLE half (id integer)")
    assert (await status(database.owner_dsn)).applied == ()
