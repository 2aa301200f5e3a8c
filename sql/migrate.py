"""Migrations: numbered SQL files, applied in order.

Gateways of the previous version keep running, so no migration may block them for long. A file is
one transaction, which is rolled back and retried if it waits for a lock for over 1.2 seconds.
Statements with CONCURRENTLY cannot run in a transaction, so files with them are executed one
statement at a time, and may wait for locks.
``docs/OPERATIONS.md`` explains how to upgrade gateways.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, Final

import asyncpg
import attrs

LOCK: Final = 0x52656E646572  # 'Render' in ASCII; of several gateways, one at a time migrates
TURN_SECONDS, TURN_SECONDS_MOST = 0.05, 1.0  # pauses between tries to lock, at first and at most
# How long a migration waits for a table's lock. Meanwhile others that need the table, such as
# commits of gateways, wait, too; gateways give up after 1.8 s. PostgreSQL ends a blocking
# autovacuum after one second (deadlock_timeout), so this limit must be longer.
LOCK_MILLISECONDS: Final = 1_200
PAUSE_SECONDS_MOST: Final = 30.0
# Seconds between log lines about what a statement with CONCURRENTLY waits for; doubled each time.
TOLD_SECONDS, TOLD_SECONDS_MOST = 10.0, 600.0
APPLICATION: Final = "rendertrust_app"  # migrations grant rights to this role
# A new index may take hours, so no setting of the server or role may end a migration. On a new
# database, syncing to disk would take most of the time, so only the last migration syncs: earlier
# migrations precede it in PostgreSQL's log.
_SETTINGS: Final = """
SELECT set_config(name, value, false) FROM (VALUES
    ('statement_timeout', '0'), ('transaction_timeout', '0'), ('lock_timeout', '0'),
    ('idle_in_transaction_session_timeout', '0'), ('synchronous_commit', 'off')) s(name, value)
WHERE current_setting(name, true) IS NOT NULL
"""
# ``compatible_from``: the oldest program that works with the schema after this migration, named by
# its newest migration. Null: only programs that have this migration are compatible.
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version         integer PRIMARY KEY,
    name            text NOT NULL,
    sha256          text NOT NULL,
    applied_at      timestamptz NOT NULL DEFAULT now(),
    compatible_from integer
)
"""
_APPLIED: Final = """
SELECT version, name, sha256, compatible_from FROM schema_migrations ORDER BY version
"""
FIRST: Final = "0001_users"  # development versions before the first release began with another name
UNRELEASED: Final = (
    "The database was made by a development version from before the first release and cannot be"
    " upgraded: start with an empty database (with embedded engines: another data folder, or this"
    " one removed)"
)
# With wal_level minimal, PostgreSQL may assign numbers of a new sequence without a log record, and
# assign them again after a crash. Setting the sequence again prevents a second assignment.
_NUMBERS: Final = """
SELECT setval(seqrelid, pg_sequence_last_value(seqrelid)) FROM pg_sequence
WHERE xmin = pg_current_xact_id()::xid AND pg_sequence_last_value(seqrelid) IS NOT NULL
"""
# A role ($1) has the rights if it may act as the current user, the schema's owner, or as the role
# that migrations grant rights to ($2). Superusers may act as any role.
_HAS_RIGHTS: Final = """
SELECT pg_has_role($1::name, current_user, 'USAGE') OR EXISTS (
    SELECT FROM pg_roles WHERE rolname = $2 AND pg_has_role($1::name, oid, 'USAGE'))
"""
_WAITED_FOR: Final = """
SELECT pid, usename, application_name, xact_start FROM pg_stat_activity
WHERE pid = ANY (pg_blocking_pids($1)) ORDER BY xact_start
"""
_COMMENT: Final = re.compile(r"--.*")
_COMPATIBLE: Final = re.compile(r"^-- Compatible from: (\d{4})$", re.MULTILINE)
log = logging.getLogger(__name__)


class MigrationError(Exception):
    """The database and this program are incompatible; nothing was changed."""


@attrs.frozen
class Migration:
    version: int
    name: str
    text: str = attrs.field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The statements of a file with CONCURRENTLY, to be executed one by one.

        Empty for other files.
        """
        code = _COMMENT.sub("", self.text)
        if "CONCURRENTLY" not in code:
            return []
        return [statement for part in code.split(";") if (statement := part.strip())]

    @property
    def compatible_from(self) -> int | None:
        """The newest migration of the oldest compatible program.

        None if no older program is compatible.
        """
        found = _COMPATIBLE.search(self.text)
        return int(found[1]) if found else None


@attrs.frozen
class MigrationStatus:
    """The state of the database's migrations, by name; ``newer``: migrations of a later program.

    ``refused``: why this program cannot use the database; None if it can.
    """

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    newer: tuple[str, ...] = ()
    refused: str | None = None


def migrations() -> list[Migration]:
    """Return this program's migrations, in order."""
    folder = resources.files("sql").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(int(f.name[:4]), f.name[:-4], f.read_text("utf-8")) for f in files]


async def migrate(
    dsn: str, found: list[Migration] | None = None, *, application: str | None = None
) -> list[str]:
    """Apply pending migrations, as the schema's owner; return their names. Raises MigrationError.

    Migrations have no time limit. If the process is killed, finished migrations stay and the next
    call continues. ``application``: the gateways' database URL, whose role is checked first.
    """
    connection = await asyncpg.connect(dsn)
    try:
        if application is not None:
            await check_role(connection, await _role_of(application))
        await connection.execute(_SETTINGS)
        async with turn(connection):
            await connection.execute(_TABLE)
            there = _compared(await _applied(connection), found or migrations())
            if there.refused is not None:
                raise MigrationError(there.refused)
            if there.newer:
                log.warning("the database has migration %s of a later version", there.newer[-1])
            for migration in there.pending:
                if migration is there.pending[-1]:
                    await connection.execute("RESET synchronous_commit")
                await _apply(connection, migration, dsn)
        if there.pending:
            names = [migration.name for migration in there.pending]
            log.info("migrated the database to %s (%d migrations)", names[-1], len(names))
        return [migration.name for migration in there.pending]
    finally:
        await connection.close()


async def status(dsn: str) -> MigrationStatus:
    """Return applied and pending migrations. Raises MigrationError."""
    connection = await asyncpg.connect(dsn)
    try:
        exists = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        known = migrations()
        there = _compared(await _applied(connection) if exists else [], known)
        pending = tuple(migration.name for migration in there.pending)
        applied = tuple(each.name for each in known if each.name not in pending)
        return MigrationStatus(applied, pending, there.newer, there.refused)
    finally:
        await connection.close()


async def _role_of(application: str) -> str:
    """Return the role of the application's URL. Raises MigrationError."""
    try:
        connection = await asyncpg.connect(application)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise MigrationError(f"database.url: {error}. {_needs_role()}") from error
    try:
        return str(await connection.fetchval("SELECT current_user"))
    finally:
        await connection.close()


async def check_role(connection: Any, role: str) -> None:
    """Raise MigrationError unless ``role`` has the rights that migrations grant."""
    if not await connection.fetchval(_HAS_RIGHTS, role, APPLICATION):
        raise MigrationError(
            f'The role "{role}" of database.url would have no rights. {_needs_role()}'
        )


def _needs_role() -> str:
    return (
        f"Nothing was changed. Make the role {APPLICATION} before the first migration, and use it"
        f" in database.url: CREATE ROLE {APPLICATION} LOGIN PASSWORD '…'"
    )


@asynccontextmanager
async def turn(connection: Any) -> AsyncGenerator[None]:
    """Hold the migration lock during the block; other processes poll for it.

    Waiting processes do not wait within a statement, as a statement holds a snapshot. The creation
    of an index waits for all snapshots, so the processes would wait for each other.
    """
    pause = TURN_SECONDS
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        if pause == TURN_SECONDS:
            log.info("waiting for another process to migrate")
        await asyncio.sleep(pause)
        pause = min(2 * pause, TURN_SECONDS_MOST)
    try:
        yield
    finally:
        if not connection.is_closed():  # a closed connection has lost the lock
            await connection.fetchval("SELECT pg_advisory_unlock($1)", LOCK)


@attrs.frozen
class _Comparison:
    pending: list[Migration]
    newer: tuple[str, ...]
    refused: str | None


def check_release(first: str | None) -> None:
    """Raise MigrationError if the database's first migration is not the first migration of released
    versions.
    """
    if first not in (None, FIRST):
        raise MigrationError(UNRELEASED)


async def _applied(connection: Any) -> list[Any]:
    """Return the rows of the migrations that the database has. Raises MigrationError."""
    first = await connection.fetchval("SELECT name FROM schema_migrations WHERE version = 1")
    check_release(first)
    return list(await connection.fetch(_APPLIED))


def _compared(rows: list[Any], known: list[Migration]) -> _Comparison:
    """Compare the database's migrations with this program's. Raises MigrationError."""
    done = {row["version"]: row["sha256"] for row in rows}
    ours = {migration.version for migration in known}
    for migration in known:
        if done.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(
                f"{migration.name} was changed after it had been applied: another version of this "
                "program made the database. Start with an empty one, such as another data folder"
            )
    pending = [migration for migration in known if migration.version not in done]
    newer = [row for row in rows if row["version"] not in ours]
    # By default, only programs that have a migration are compatible with it.
    fits = all((row["compatible_from"] or row["version"]) <= max(ours) for row in newer)
    refused = None
    if newer and (pending or not fits):
        refused = f"The database is newer than this program: it has {newer[-1]['version']}"
    return _Comparison(pending, tuple(row["name"] for row in newer), refused)


async def _apply(connection: Any, migration: Migration, dsn: str) -> None:
    pause = 1.0
    while True:
        try:
            await _try(connection, migration, dsn)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            log.warning("%s waits for a lock; retry in %g s", migration.name, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MOST)
        else:
            return


async def _try(connection: Any, migration: Migration, dsn: str) -> None:
    # Other sessions do not queue behind a statement with CONCURRENTLY that waits for a lock.
    for statement in migration.statements:
        watch = asyncio.create_task(_tell_waits(dsn, connection.get_server_pid(), migration.name))
        try:
            await connection.execute(statement)
        finally:
            watch.cancel()
            await asyncio.wait((watch,))
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
        if not migration.statements:
            await connection.execute(migration.text)
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, sha256, compatible_from)"
            " VALUES ($1, $2, $3, $4)",
            *(migration.version, migration.name, migration.sha256, migration.compatible_from),
        )
        await connection.execute(_NUMBERS)


async def _tell_waits(dsn: str, pid: int, name: str) -> None:
    """Log which sessions the migration waits for, repeatedly, until cancelled."""
    pause = TOLD_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = min(2 * pause, TOLD_SECONDS_MOST)
        try:
            connection = await asyncpg.connect(dsn)
            try:
                rows = await connection.fetch(_WAITED_FOR, pid)
            finally:
                await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("%s: cannot find out what it waits for: %s", name, error)
            continue
        whom = "; ".join(map(_session, rows))
        if whom:
            log.warning("%s waits for the transactions of: %s", name, whom)


def _session(row: Any) -> str:
    """Describe a session. Only superusers see when other roles' transactions began."""
    named = f" ({row['application_name']})" if row["application_name"] else ""
    since = "" if row["xact_start"] is None else f", since {row['xact_start']:%Y-%m-%d %H:%M:%S %Z}"
    return f"process {row['pid']} of {row['usename']}{named}{since}"
