"""What is kept, for how long, and for whom: inputs by when they were used, results by their job."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database
from sql.uploads import UploadRow

FRESH: Final = timedelta(days=1)  # used so lately, an upload needs no note that it is used again


@attrs.frozen
class ExpiredInput:
    """An upload that is to be removed."""

    id: UUID
    object_key: str


@attrs.frozen
class ExpiredResult:
    """The result of a unit that is to be removed; ``result_key`` as its node named it."""

    job_id: UUID
    unit: int
    result_key: str


@attrs.frozen
class ExpiredAttempt:
    """One that came to nothing, of a unit of ``user``'s."""

    job_id: UUID
    unit: int
    attempt: int
    user: UUID


@attrs.frozen
class StorageUsage:
    """How many uploads somebody keeps, and how many bytes they are."""

    used: int
    count: int


class Retention:
    """Each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- the sweep: what is marked is given to nobody any more; then its object goes

    async def inputs(self, before: datetime, now: datetime) -> Sequence[ExpiredInput]:
        """Mark some that nobody used since ``before``, and no open job or dispute needs."""
        return [
            ExpiredInput(**row) for row in await self._database.all("retention_inputs", before, now)
        ]

    async def input_gone(self, upload: UUID) -> None:
        await self._database.execute("retention_input_gone", upload)

    async def results(self, before: datetime, now: datetime) -> Sequence[ExpiredResult]:
        """Mark some of jobs that ended before; those of which the objects are still to go."""
        await self._database.execute("retention_results", before, now)
        return [ExpiredResult(**row) for row in await self._database.all("retention_results_left")]

    async def result_gone(self, result: ExpiredResult, now: datetime) -> None:
        await self._database.execute("retention_result_gone", result.job_id, result.unit, now)

    async def attempts(self, before: datetime) -> Sequence[ExpiredAttempt]:
        """Some that ended before, and came to nothing; their objects are to go."""
        return [
            ExpiredAttempt(**row) for row in await self._database.all("retention_attempts", before)
        ]

    async def attempt_gone(self, one: ExpiredAttempt, now: datetime) -> None:
        named = (one.job_id, one.unit, one.attempt)
        await self._database.execute("retention_attempt_gone", *named, now)

    # -- what keeps inputs

    async def use(self, user: UUID, rows: Sequence[UploadRow], now: datetime) -> bool:
        """Note that they are part of a job; False when one of them is being removed."""
        if any(row.expired_at is not None for row in rows):
            return False
        stale = {row.id for row in rows if row.used_at < now - FRESH}
        return not stale or await self._used(user, list(stale), now)

    async def _used(self, user: UUID, uploads: list[UUID], now: datetime) -> bool:
        found = await self._database.one("retention_use", user, uploads, now)
        return found is not None and found["count"] == len(uploads)

    async def list_manifest(self, key: str, uploads: Sequence[UUID]) -> None:
        """What a manifest that we keep lists."""
        await self._database.execute("retention_manifest", key, sorted(set(uploads)))

    async def renew(self, job: UUID, user: UUID, now: datetime) -> bool:
        """Note that a job's inputs are used again; False when one of them is there no more."""
        found = await self._database.one("retention_inputs_of", job)
        if found is None or found["gone"]:
            return False
        there = sorted(set(found["there"]))
        return not there or await self._used(user, there, now)

    # -- for their owner

    async def usage(self, user: UUID, now: datetime, but: UUID | None = None) -> StorageUsage:
        """What counts against his quota, without one upload."""
        row = await self._database.one("retention_usage", user, but, now - FRESH)
        assert row is not None, "a sum answers one row"
        return StorageUsage(**row)

    async def page(self, user: UUID, limit: int, offset: int) -> Sequence[tuple[UploadRow, int]]:
        """His uploads, the largest first, and by how many jobs each is needed."""
        rows = [
            dict(row) for row in await self._database.all("retention_page", user, limit, offset)
        ]
        needed = [row.pop("jobs") for row in rows]
        return [(UploadRow(**row), jobs) for row, jobs in zip(rows, needed, strict=True)]

    async def expire(self, upload: UUID, user: UUID, now: datetime) -> ExpiredInput | None:
        """He wants it gone; None when it is not his, or a job still needs it."""
        row = await self._database.one("retention_expire", upload, user, now)
        return None if row is None else ExpiredInput(**row)
