"""What nodes found in scenes, once for each content of a user's."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from sql.database import Database
from sql.overruns import Overrun, Underquoted

HOUR: Final = timedelta(hours=1)


@attrs.frozen
class PreflightRow:
    """``facts`` as they were kept; until then ``status`` and the rest are of the job that looks,
    and None where there is no such job. ``node_id`` is the node that looked;
    ``by_embedded``: it is a verifier that a gateway runs itself.
    """

    job_id: UUID
    asked_at: datetime
    facts: dict[str, Any] | None
    status: str | None
    error_message: str | None
    result_key: str | None
    node_id: UUID | None
    by_embedded: bool


class Preflights:
    """Each method raises ``sql.database.Unavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user: UUID, content: bytes) -> PreflightRow | None:
        """What is known of a content."""
        row = await self._database.one("preflight_of", user, content)
        return None if row is None else PreflightRow(**row)

    async def overruns(self, user: UUID, content: bytes) -> list[Overrun]:
        """Attempts at failed units of that content that took far longer than quoted, by unit."""
        rows = await self._database.all("overruns_of_content", user, content.hex())
        return [Overrun(**row) for row in rows]

    async def underquoted(self, job: UUID) -> list[Underquoted]:
        """Attempts at units of a job that failed which took far longer than quoted, by unit."""
        rows = [dict(row) for row in await self._database.all("underquoted_of", job)]
        return [
            Underquoted(
                price=row.pop("price"), together=(*row.pop("together"),), overrun=Overrun(**row)
            )
            for row in rows
        ]

    async def begin(
        self, user: UUID, content: bytes, job: UUID, now: datetime, before: UUID | None
    ) -> bool:
        """Note that ``job`` is going to look, as ``before`` did; False: somebody was quicker."""
        row = await self._database.one("preflight_begin", user, content, job, now, before)
        return row is not None

    async def found(self, user: UUID, job: UUID, facts: dict[str, Any]) -> None:
        """Keep what the job found."""
        await self._database.execute("preflight_found", user, job, facts)

    async def lately(self, user: UUID, now: datetime) -> tuple[int, datetime | None]:
        """How many contents the user had looked into within the hour, and when the first."""
        row = await self._database.one("preflight_count", user, now - HOUR)
        assert row is not None, "a count answers one row"
        return row["count"], row["first"]

    async def expire(self, before: datetime) -> None:
        """Forget what was asked before."""
        await self._database.execute("preflight_expire", before)
