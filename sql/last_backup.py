"""The last backup and the last trial of one, as ``backup`` and ``restore`` note them."""

from datetime import datetime
from typing import TypeAlias

import asyncpg
import attrs

from sql.database import Table
from sql.query_loader import QUERIES

# A connection as the schema's owner.
Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@attrs.frozen
class LastBackup:
    """The last backup's time and size, and the time of the last trial of restoring one."""

    made_at: datetime | None = None
    bytes: int | None = None
    tried_at: datetime | None = None


class LastBackups(Table):
    async def last(self) -> LastBackup:
        """Return what is known of the last backup."""
        return await self._database.row(LastBackup, "last_backup") or LastBackup()


async def note_backup(connection: Owner, at: datetime, size: int) -> None:
    """Note that a backup of ``size`` bytes was written."""
    await connection.execute(QUERIES["last_backup_made"], at, size)


async def note_trial(connection: Owner, at: datetime) -> None:
    """Note that a backup was restored for trial, and its books are in order."""
    await connection.execute(QUERIES["last_backup_tried"], at)
