"""Tests of the migrations on a real PostgreSQL."""

import asyncio
import re

import asyncpg
import attrs
import pytest

from sql.migrate import UNRELEASED, Migration, MigrationError, migrate, migrations, status
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import Connection, connected, execute
from tests.support.until import until

NEWEST = migrations()[-1].version


@pytest.fixture(scope="session")
def database_template() -> str:
    """Return the name of an empty template database."""
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
    more = later("CREATE TABLE more (id integer)")
    assert await migrate(database.owner_dsn, [*first, more]) == [more.name]
    assert await migrate(database.owner_dsn, [*first, more]) == []


def later(text: str, number: int = 1) -> Migration:
    """Return a migration of a newer version of the program."""
    return Migration(NEWEST + number, f"{NEWEST + number:04}_later", text)


async def test_a_database_of_a_newer_program_is_refused(database: PostgresEndpoint) -> None:
    await migrate(database.owner_dsn, [*migrations(), later("SELECT 1")])
    with pytest.raises(MigrationError, match="newer than this program"):
        await migrate(database.owner_dsn)
    found = await status(database.owner_dsn)
    assert found.newer == (later("").name,)
    assert "newer than this program" in str(found.refused)


async def test_a_newer_database_that_this_program_can_use_is_left_alone(
    database: PostgresEndpoint,
) -> None:
    more = later(f"-- Compatible from: {NEWEST:04}\nSELECT 1")
    await migrate(database.owner_dsn, [*migrations(), more])
    assert await migrate(database.owner_dsn) == []
    found = await status(database.owner_dsn)
    assert (found.pending, found.newer) == ((), (more.name,))
    last = later(f"-- Compatible from: {more.version:04}\nSELECT 2", 2)
    await migrate(database.owner_dsn, [*migrations(), more, last])
    with pytest.raises(MigrationError, match=f"newer than this program: it has {last.version}"):
        await migrate(database.owner_dsn)
    assert await migrate(database.owner_dsn, [*migrations(), more]) == []


async def test_a_program_that_lacks_one_and_has_another_is_refused(
    database: PostgresEndpoint,
) -> None:
    """Database and program come from two branches that may not be compatible."""
    theirs = later(f"-- Compatible from: {NEWEST:04}\nSELECT 1", 2)
    await migrate(database.owner_dsn, [*migrations(), theirs])
    with pytest.raises(MigrationError, match="newer than this program"):
        await migrate(database.owner_dsn, [*migrations(), later("SELECT 1")])


async def test_a_database_of_an_unreleased_version_is_refused(
    database: PostgresEndpoint,
) -> None:
    """The unreleased version's migrations had other names; its table of migrations may lack
    ``compatible_from``.
    """
    await execute(database.owner_dsn, BEFORE_RELEASE)
    with pytest.raises(MigrationError, match="^" + re.escape(UNRELEASED) + "$"):
        await migrate(database.owner_dsn)
    with pytest.raises(MigrationError, match="start with an empty database"):
        await status(database.owner_dsn)


BEFORE_RELEASE = """
CREATE TABLE schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO schema_migrations (version, name, sha256)
SELECT n, to_char(n, 'FM0000') || CASE n WHEN 1 THEN '_foundation' ELSE '_x' END, repeat('0', 64)
FROM generate_series(1, 124) n;
"""


async def test_a_changed_file_is_refused(database: PostgresEndpoint) -> None:
    first, *rest = migrations()
    await migrate(database.owner_dsn, [first, *rest])
    changed = attrs.evolve(first, text=first.text + "\n-- a word more")
    with pytest.raises(MigrationError, match="was changed after"):
        await migrate(database.owner_dsn, [changed, *rest])


async def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(
    database: PostgresEndpoint,
) -> None:
    first = migrations()[0]
    broken = Migration(2, "0002_broken", "CREATE TABLE half (id integer); SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database.owner_dsn, [first, broken])
    await execute(database.owner_dsn, "CREATE TABLE half (id integer)")
    assert (await status(database.owner_dsn)).applied == (first.name,)
    await execute(database.owner_dsn, "DROP TABLE half")
    assert await migrate(database.owner_dsn) == [each.name for each in migrations()[1:]]


async def test_others_go_on_while_a_migration_waits_for_a_lock(
    database: PostgresEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """Other sessions queue behind a migration that waits for a table lock, so it gives up soon and
    retries.
    """
    await migrate(database.owner_dsn)
    backup, other, watcher = [await asyncpg.connect(database.owner_dsn) for _ in range(3)]
    reading = backup.transaction()
    await reading.start()
    await backup.execute("LOCK TABLE jobs IN ACCESS SHARE MODE")
    adds = later("ALTER TABLE jobs ADD COLUMN more integer")
    migrates = asyncio.ensure_future(migrate(database.owner_dsn, [*migrations(), adds]))
    await until(lambda: waits_for_a_lock(watcher))
    async with asyncio.timeout(60):
        await other.execute("UPDATE jobs SET units = units")
    await reading.rollback()
    assert await migrates == [adds.name]
    assert f"{adds.name} waits for a lock" in caplog.text
    for connection in (backup, other, watcher):
        await connection.close()


async def waits_for_a_lock(watcher: Connection) -> bool:
    return bool(
        await watcher.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database())"
        )
    )


async def test_no_setting_of_the_server_cuts_a_migration_short(
    database: PostgresEndpoint,
) -> None:
    await migrate(database.owner_dsn)
    name = database.owner_dsn.partition("?")[0].rpartition("/")[2]
    for setting in ("statement_timeout", "transaction_timeout", "lock_timeout"):
        await execute(database.owner_dsn, f"ALTER DATABASE {name} SET {setting} = '50ms'")
    slow = later("SELECT pg_sleep(0.2)")
    assert await migrate(database.owner_dsn, [*migrations(), slow]) == [slow.name]


CONCURRENT = """
-- For whoever asks; users.
DROP INDEX CONCURRENTLY IF EXISTS more_of_users;
CREATE UNIQUE INDEX CONCURRENTLY more_of_users ON users (name);
"""
PERSON = (
    "INSERT INTO users (id, email, name, password_hash) VALUES (gen_random_uuid(), {}, 'Jane', '')"
)


async def test_an_index_is_made_beside_those_who_write(database: PostgresEndpoint) -> None:
    """A failed index is built again; concurrent migrators wait for their turn without blocking the
    build.
    """
    await migrate(database.owner_dsn)
    for email in ("'a@example.org'", "'b@example.org'"):
        await execute(database.owner_dsn, PERSON.format(email))
    known = [*migrations(), later(CONCURRENT)]
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(database.owner_dsn, known)
    await execute(database.owner_dsn, "UPDATE users SET name = email")
    applied = await asyncio.gather(*(migrate(database.owner_dsn, known) for _ in range(3)))
    assert sorted(applied, key=len) == [[], [], [known[-1].name]]
    async with connected(database.owner_dsn) as connection:
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'more_of_users'::regclass"
        assert await connection.fetchval(valid) is True
