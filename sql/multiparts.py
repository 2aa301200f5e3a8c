"""Rows of multipart uploads of inputs and results, from their begin in the object store to their
end.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import attrs

from sql.database import Database

MultipartName: TypeAlias = tuple[UUID, int, int, str]  # job, unit, attempt, 'result' or 'evidence'


@attrs.frozen
class Multipart:
    """The multipart upload of an input.

    ``store_id``: the store's id; ``object_key``: the key of the future object.
    """

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
        """Record that parts were granted."""
        await self._database.execute(
            "multipart_asked", multipart.upload_id, multipart.store_id, now
        )

    async def end(self, multipart: Multipart) -> None:
        """Delete the record of a multipart upload that has ended in the store."""
        await self._database.execute("multipart_end", multipart.upload_id, multipart.store_id)

    async def abandoned(self, since: datetime) -> Sequence[Multipart]:
        """Return some multipart uploads without activity since then, oldest first."""
        return [Multipart(**row) for row in await self._database.all("multipart_abandoned", since)]


@attrs.frozen
class ResultMultipart:
    """The multipart upload of a result.

    ``what``: ``result`` or ``evidence``; ``store_id``: the store's id.
    """

    job_id: UUID
    unit: int
    attempt: int
    what: str
    store_id: str
    object_key: str
    size: int

    @property
    def name(self) -> MultipartName:
        """The attempt, and ``result`` or ``evidence``."""
        return self.job_id, self.unit, self.attempt, self.what


class ResultMultiparts:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, name: MultipartName) -> ResultMultipart | None:
        """Return the unfinished upload, if any."""
        row = await self._database.one("result_multipart_of", *name)
        return None if row is None else ResultMultipart(**row)

    async def keep(self, begun: ResultMultipart, now: datetime) -> ResultMultipart:
        """Store the upload unless there is one.

        Return the stored one, marked as used at ``now``.
        """
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
        """Delete the record of an upload that has ended in the store."""
        await self._database.execute("result_multipart_end", *multipart.name, multipart.store_id)

    async def abandoned(self, since: datetime, over: datetime) -> Sequence[ResultMultipart]:
        """Return some multipart uploads without activity since then, oldest first.

        If the attempt has ended, without activity since ``over``.
        """
        rows = await self._database.all("result_multipart_abandoned", since, over)
        return [ResultMultipart(**row) for row in rows]
