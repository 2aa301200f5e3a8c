"""Rows of uploads that come in parts: what the object store has begun for them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class Multipart:
    """``store_id`` is how the store names it, ``object_key`` what it will be."""

    upload_id: UUID
    store_id: str
    object_key: str


class Multiparts:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, upload: UUID) -> Multipart | None:
        """What was begun for an upload and has not ended."""
        row = await self._database.one("multipart_of", upload)
        return None if row is None else Multipart(**row)

    async def keep(self, begun: Multipart, now: datetime) -> Multipart:
        """The one that stands for the upload: ``begun``, or what somebody else began before."""
        row = await self._database.one(
            "multipart_keep", begun.upload_id, begun.store_id, begun.object_key, now
        )
        assert row is not None, "an upsert returns its row"
        return Multipart(**row)

    async def asked(self, multipart: Multipart, now: datetime) -> None:
        """Leave for parts of it was asked for."""
        await self._database.execute(
            "multipart_asked", multipart.upload_id, multipart.store_id, now
        )

    async def end(self, multipart: Multipart) -> None:
        """It has ended in the store."""
        await self._database.execute("multipart_end", multipart.upload_id, multipart.store_id)

    async def abandoned(self, since: datetime) -> Sequence[Multipart]:
        """Some of those that nobody has gone on with ``since`` then, the oldest first."""
        return [Multipart(**row) for row in await self._database.all("multipart_abandoned", since)]
