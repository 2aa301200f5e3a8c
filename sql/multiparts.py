"""Rows of multipart uploads that the object store has begun."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class Multipart:
    """``store_id``: the store's id of the upload; ``object_key``: the key of the future object."""

    upload_id: UUID
    store_id: str
    object_key: str


class Multiparts:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, upload: UUID) -> Multipart | None:
        """Return the unfinished multipart upload of an upload."""
        row = await self._database.one("multipart_of", upload)
        return None if row is None else Multipart(**row)

    async def keep(self, begun: Multipart, now: datetime) -> Multipart:
        """Store the multipart upload unless there is one; return the stored one."""
        row = await self._database.one(
            "multipart_keep", begun.upload_id, begun.store_id, begun.object_key, now
        )
        assert row is not None, "an upsert returns its row"
        return Multipart(**row)

    async def asked(self, multipart: Multipart, now: datetime) -> None:
        """Record that parts were requested."""
        await self._database.execute(
            "multipart_asked", multipart.upload_id, multipart.store_id, now
        )

    async def end(self, multipart: Multipart) -> None:
        """Delete the record of a multipart upload that has ended in the store."""
        await self._database.execute("multipart_end", multipart.upload_id, multipart.store_id)

    async def abandoned(self, since: datetime) -> Sequence[Multipart]:
        """Return some multipart uploads without activity ``since`` then, oldest first."""
        return [Multipart(**row) for row in await self._database.all("multipart_abandoned", since)]
