"""Checks of what nodes delivered, as people look at them in the console."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

PENDING: Final = "pending"  # beside the outcomes: nothing was decided yet


@attrs.frozen
class DeskCheck:
    """``verdict`` is the outcome, or ``pending`` until there is one; ``said`` is why.

    ``grid``: into how many columns and rows of tiles a frame of the job is cut, if it is.
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
    """Which checks: of a node, with a verdict, with a text in the node's name or what was said."""

    node: UUID | None = None
    verdict: str | None = None
    text: str | None = None


class CheckViews:
    """Reads; each raises ``sql.database.Unavailable``. ``owner`` None: of everybody's nodes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, wanted: CheckFilter, limit: int
    ) -> Sequence[DeskCheck]:
        """The newest that match."""
        about = (wanted.node, wanted.verdict, wanted.text)
        rows = await self._database.all("check_desk_page", owner, *about, limit)
        return [DeskCheck(**row) for row in rows]

    async def counts(self, owner: UUID | None, since: datetime) -> Mapping[str, int]:
        """By verdict, of those since then, and of all that are pending."""
        rows = await self._database.all("check_desk_counts", owner, since)
        return {row["verdict"]: row["number"] for row in rows}
