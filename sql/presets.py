"""Presets: named sets of parameters that a user saves from a job, for new jobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table
from sql.query_loader import QUERIES

PRESETS_MOST: Final = 50  # of a user
NAME_MAX: Final = 60


@attrs.frozen
class Preset:
    """A preset; ``fields`` are the values of the form for a new job, by name."""

    name: str
    fields: Mapping[str, str]
    saved_at: datetime


class Presets(Table):
    """Reads and writes of presets; each raises ``Unavailable`` while the database is down."""

    async def of(self, user: UUID) -> Sequence[Preset]:
        """Return the user's presets, by name."""
        return await self._database.rows(Preset, "presets_of", user)

    async def save(self, user: UUID, name: str, fields: Mapping[str, str], now: datetime) -> bool:
        """Save a preset in place of one of the same name; return False if there are too many."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], user)
            values = user, name, dict(fields), now, PRESETS_MOST
            return bool(await connection.fetch(QUERIES["preset_save"], *values))

    async def rename(self, user: UUID, name: str, to: str) -> bool:
        """Rename a preset; return False if there is none of this name, or one of the new name."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], user)
            return bool(await connection.fetch(QUERIES["preset_rename"], user, name, to))

    async def remove(self, user: UUID, name: str) -> bool:
        """Remove a preset; return False if there is none of this name."""
        return bool(await self._database.all("preset_remove", user, name))
