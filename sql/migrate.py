"""Migrations: numbered SQL files, applied in order, all that are pending in one transaction."""

import hashlib
from importlib import resources
from typing import Any, Final

import asyncpg
import attrs

LOCK: Final = 0x52656E646572  # 'Render': many may start at once, one migrates
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
# With wal_level minimal nothing of a new sequence is logged before its transaction ends, and yet
# the numbers after those that were used in it count as logged: the next 32 were given out without
# a word in the log, and once more after a crash. Set again, none counts as logged.
_NUMBERS: Final = """
SELECT setval(seqrelid, pg_sequence_last_value(seqrelid)) FROM pg_sequence
WHERE xmin = pg_current_xact_id()::xid AND pg_sequence_last_value(seqrelid) IS NOT NULL
"""


class MigrationError(Exception):
    """What was applied is not what this program has; nothing was changed."""


@attrs.frozen
class Migration:
    version: int
    name: str
    text: str = attrs.field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@attrs.frozen
class Status:
    """What ``db status`` tells: names of what is applied and of what is pending."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]


def migrations() -> list[Migration]:
    """Those of this program, in order."""
    folder = resources.files("sql").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(int(f.name[:4]), f.name[:-4], f.read_text("utf-8")) for f in files]


async def migrate(dsn: str, found: list[Migration] | None = None) -> list[str]:
    """Apply what is pending, as the schema's owner; answer its names. Raises MigrationError."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await connection.execute(_TABLE)
            pending = await _pending(connection, found or migrations())
            for migration in pending:
                await _apply(connection, migration)
            await connection.execute(_NUMBERS)
        return [migration.name for migration in pending]
    finally:
        await connection.close()


async def status(dsn: str) -> Status:
    """What is applied and what is pending. Raises MigrationError."""
    connection = await asyncpg.connect(dsn)
    try:
        exists = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        known = migrations()
        pending = await _pending(connection, known) if exists else known
        waiting = tuple(migration.name for migration in pending)
        return Status(tuple(m.name for m in known if m.name not in waiting), waiting)
    finally:
        await connection.close()


async def _pending(connection: Any, known: list[Migration]) -> list[Migration]:
    rows = await connection.fetch("SELECT version, sha256 FROM schema_migrations")
    done = {row["version"]: row["sha256"] for row in rows}
    newer = sorted(done.keys() - {migration.version for migration in known})
    if newer:
        raise MigrationError(f"The database is newer than this program: it has {newer[-1]}")
    for migration in known:
        if done.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.name} was changed after it had been applied")
    return [migration for migration in known if migration.version not in done]


async def _apply(connection: Any, migration: Migration) -> None:
    await connection.execute(migration.text)
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
        *(migration.version, migration.name, migration.sha256),
    )
