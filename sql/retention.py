"""Retention: inputs are kept by their last use, results by the end of their job."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table
from sql.uploads import UploadRow

FRESH: Final = timedelta(days=1)  # an upload used within this time needs no new record of use


@attrs.frozen
class ExpiredInput:
    """An upload to be deleted."""

    id: UUID
    object_key: str


@attrs.frozen
class ExpiredResult:
    """A unit's result to be deleted; ``result_key``: the key as the unit's node named it."""

    job_id: UUID
    unit: int
    result_key: str


@attrs.frozen
class ExpiredAttempt:
    """An attempt at a unit of ``user`` that ended without a result; its objects are to be
    deleted.
    """

    job_id: UUID
    unit: int
    attempt: int
    user: UUID


@attrs.frozen
class StorageUsage:
    """The bytes that count towards a user's quota, and the number of the user's stored uploads."""

    used: int
    count: int


class Retention(Table):
    # -- the sweep: rows are marked and no longer served; then their objects are deleted

    async def inputs(self, before: datetime, now: datetime) -> Sequence[ExpiredInput]:
        """Mark some inputs for deletion that were unused since ``before`` and that no job needs."""
        return await self._database.rows(ExpiredInput, "retention_inputs", before, now)

    async def input_gone(self, upload: UUID) -> None:
        await self._database.execute("retention_input_gone", upload)

    async def results(self, before: datetime, now: datetime) -> Sequence[ExpiredResult]:
        """Mark some results of jobs that ended before ``before``; return results whose objects
        remain to be deleted.
        """
        await self._database.execute("retention_results", before, now)
        return await self._database.rows(ExpiredResult, "retention_results_left")

    async def result_gone(self, result: ExpiredResult, now: datetime) -> None:
        await self._database.execute("retention_result_gone", result.job_id, result.unit, now)

    async def attempts(self, before: datetime) -> Sequence[ExpiredAttempt]:
        """Return some attempts that ended without a result before ``before``, whose objects are to
        be deleted.
        """
        return await self._database.rows(ExpiredAttempt, "retention_attempts", before)

    async def attempt_gone(self, one: ExpiredAttempt, now: datetime) -> None:
        named = (one.job_id, one.unit, one.attempt)
        await self._database.execute("retention_attempt_gone", *named, now)

    async def batches(self, before: datetime) -> None:
        """Delete the rows of Ledgers that have written nothing since ``before``."""
        await self._database.execute("retention_batches", before)

    # -- use of inputs

    async def use(self, user: UUID, rows: Sequence[UploadRow], now: datetime) -> bool:
        """Record that uploads are used by a job; False if one of the uploads is being deleted."""
        if any(row.expired_at is not None for row in rows):
            return False
        stale = {row.id for row in rows if row.used_at < now - FRESH}
        return not stale or await self._used(user, list(stale), now)

    async def _used(self, user: UUID, uploads: list[UUID], now: datetime) -> bool:
        found = await self._database.one("retention_use", user, uploads, now)
        return found is not None and found["count"] == len(uploads)

    async def list_manifest(self, key: str, uploads: Sequence[UUID]) -> None:
        """Record the uploads that a manifest lists."""
        await self._database.execute("retention_manifest", key, sorted(set(uploads)))

    async def renew(self, job: UUID, user: UUID, now: datetime) -> bool:
        """Record that a job's inputs are used again; False if one of the inputs no longer
        exists.
        """
        found = await self._database.one("retention_inputs_of", job)
        if found is None or found["gone"]:
            return False
        there = sorted(set(found["there"]))
        return not there or await self._used(user, there, now)

    # -- for their owner

    async def usage(self, user: UUID, now: datetime, but: UUID | None = None) -> StorageUsage:
        """Return what counts towards a user's quota, without the upload ``but``."""
        return await self._database.only(StorageUsage, "retention_usage", user, but, now - FRESH)

    async def page(self, user: UUID, limit: int, offset: int) -> Sequence[tuple[UploadRow, int]]:
        """Return a user's uploads, largest first, each with the number of jobs that need the
        upload.
        """
        rows = [
            dict(row) for row in await self._database.all("retention_page", user, limit, offset)
        ]
        needed = [row.pop("jobs") for row in rows]
        return [(UploadRow(**row), jobs) for row, jobs in zip(rows, needed, strict=True)]

    async def expire(self, upload: UUID, user: UUID, now: datetime) -> ExpiredInput | None:
        """Mark an upload of this user for deletion; None if the user has no such upload, or a job
        needs it.
        """
        return await self._database.row(ExpiredInput, "retention_expire", upload, user, now)
