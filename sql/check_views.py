"""Checks of deliveries, for the console."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

PENDING: Final = "pending"  # in addition to the outcomes: not decided yet


@attrs.frozen
class ConsoleCheck:
    """``verdict``: the outcome, or ``pending``; ``said``: its reason.

    ``grid``: the columns and rows of tiles, if the job's frames are cut.
    """

    job_id: UUID
    unit: int
    attempt: int
    frames: str | None
    tile: int | None
    grid: Sequence[int] | None
    node_id: UUID
    node_name: str
    device_class: str
    verdict: str
    said: str
    strike: bool
    verifier_name: str | None
    opened_at: datetime
    decided_at: datetime | None


@attrs.frozen
class CheckFilter:
    """Filter for checks: by node, by verdict, by a text in the node's name or the reason."""

    node: UUID | None = None
    verdict: str | None = None
    text: str | None = None


class CheckViews:
    """Reads; each raises ``sql.database.Unavailable``. ``owner`` None: nodes of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, wanted: CheckFilter, limit: int
    ) -> Sequence[ConsoleCheck]:
        """Return the newest checks that match."""
        about = (wanted.node, wanted.verdict, wanted.text)
        rows = await self._database.all("check_desk_page", owner, *about, limit)
        return [ConsoleCheck(**row) for row in rows]

    async def counts(self, owner: UUID | None, since: datetime) -> Mapping[str, int]:
        """Count checks by verdict: those decided since then, and all pending ones."""
        rows = await self._database.all("check_desk_counts", owner, since)
        return {row["verdict"]: row["number"] for row in rows}
