"""Rows of the multipart uploads of inputs and results that have begun in the object store and not
ended.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import attrs

from sql.database import Table

MultipartName: TypeAlias = tuple[UUID, int, int, str]  # job, unit, attempt, 'result' or 'evidence'


@attrs.frozen
class Multipart:
    """The multipart upload of an input.

    ``store_id``: the store's id; ``object_key``: the key of the future object.
    """

    upload_id: UUID
    store_id: str
    object_key: str


class Multiparts(Table):
    async def of(self, upload: UUID) -> Multipart | None:
        """Return the unfinished multipart upload of a user's upload, if there is one."""
        return await self._database.row(Multipart, "multipart_of", upload)

    async def keep(self, begun: Multipart, now: datetime) -> Multipart:
        """Store the multipart upload unless the upload has one; return the stored multipart
        upload.
        """
        return await self._database.only(
            Multipart, "multipart_keep", begun.upload_id, begun.store_id, begun.object_key, now
        )

    async def asked(self, multipart: Multipart, now: datetime) -> None:
        """Record that upload URLs for parts were granted."""
        await self._database.execute(
            "multipart_asked", multipart.upload_id, multipart.store_id, now
        )

    async def end(self, multipart: Multipart) -> None:
        """Delete the record of a multipart upload that has ended in the store."""
        await self._database.execute("multipart_end", multipart.upload_id, multipart.store_id)

    async def abandoned(self, since: datetime) -> Sequence[Multipart]:
        """Return some multipart uploads without activity since ``since``, oldest first."""
        return await self._database.rows(Multipart, "multipart_abandoned", since)


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


class ResultMultiparts(Table):
    async def of(self, name: MultipartName) -> ResultMultipart | None:
        """Return the unfinished multipart upload of this name, if any."""
        return await self._database.row(ResultMultipart, "result_multipart_of", *name)

    async def keep(self, begun: ResultMultipart, now: datetime) -> ResultMultipart:
        """Store the multipart upload unless the result has one.

        Return the stored multipart upload, marked as used at ``now``.
        """
        return await self._database.only(
            ResultMultipart,
            "result_multipart_keep",
            *begun.name,
            begun.store_id,
            begun.object_key,
            begun.size,
            now,
        )

    async def end(self, multipart: ResultMultipart) -> None:
        """Delete the record of an upload that has ended in the store."""
        await self._database.execute("result_multipart_end", *multipart.name, multipart.store_id)

    async def abandoned(self, since: datetime, over: datetime) -> Sequence[ResultMultipart]:
        """Return some multipart uploads without activity since ``since``, oldest first.

        For an attempt that has ended, ``over`` replaces ``since``.
        """
        return await self._database.rows(ResultMultipart, "result_multipart_abandoned", since, over)
