"""Rows of results that come in parts: what the object store has begun for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import attrs

from sql.database import Database

MultipartName: TypeAlias = tuple[UUID, int, int, str]  # job, unit, attempt, what of it


@attrs.frozen
class ResultMultipart:
    """``what`` is ``result`` or ``evidence``; ``store_id`` is how the store names it."""

    job_id: UUID
    unit: int
    attempt: int
    what: str
    store_id: str
    object_key: str
    size: int

    @property
    def name(self) -> MultipartName:
        """Of which attempt it is, and what of it."""
        return self.job_id, self.unit, self.attempt, self.what


class ResultMultiparts:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, name: MultipartName) -> ResultMultipart | None:
        """What was begun and has not ended."""
        row = await self._database.one("result_multipart_of", *name)
        return None if row is None else ResultMultipart(**row)

    async def keep(self, begun: ResultMultipart, now: datetime) -> ResultMultipart:
        """The one that stands: ``begun``, or what was begun before; it was asked for ``now``."""
        row = await self._database.one(
            "result_multipart_keep",
            *begun.name,
            begun.store_id,
            begun.object_key,
            begun.size,
            now,
        )
        assert row is not None, "an upsert returns its row"
        return ResultMultipart(**row)

    async def end(self, multipart: ResultMultipart) -> None:
        """It has ended in the store."""
        await self._database.execute("result_multipart_end", *multipart.name, multipart.store_id)

    async def abandoned(self, since: datetime, over: datetime) -> Sequence[ResultMultipart]:
        """Some that nobody has gone on with ``since`` then; of attempts that are over, since
        ``over``. The oldest first.
        """
        rows = await self._database.all("result_multipart_abandoned", since, over)
        return [ResultMultipart(**row) for row in rows]
