"""Nodes for the console."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

SORTED_MOST: Final = 5_000  # only the newest are sorted; a filter finds older ones
STATUSES: Final = ("HEALTHY", "UNHEALTHY", "OFFLINE", "REGISTERED")
STANDINGS: Final = ("ACTIVE", "DRAINING", "QUARANTINED", "REVOKED")


@attrs.frozen
class ListedNode:
    """A row of a list. ``job_id`` and the following fields: its current unit, out of ``units``."""

    id: UUID
    owner_id: UUID | None
    email: str | None
    name: str
    capabilities: tuple[str, ...] = attrs.field(converter=tuple)
    status: str
    standing: str
    standing_reason: str
    current_load: float
    verified_at: datetime | None
    seen_at: datetime | None
    created_at: datetime
    job_id: UUID | None
    unit: int | None
    job_type: str | None
    assigned_at: datetime | None
    units: int
    earned: int


@attrs.frozen
class NodeWork:
    """A unit that a node runs, or has queued.

    ``grid``: the columns and rows of tiles, if the job's frames are cut.
    """

    job_id: UUID
    unit: int
    attempt: int
    state: str
    job_type: str
    assigned_at: datetime
    started_at: datetime | None
    lease_until: datetime | None
    frames: str | None = None
    tile: int | None = None
    grid: Sequence[int] | None = None


@attrs.frozen
class NodeShare:
    """A node's earning by one unit; ``grid`` as in ``NodeWork``.

    ``entry_id``: the entry that pays it; ``decision`` as in ``sql.operators``.
    """

    id: UUID
    job_id: UUID
    unit: int
    job_type: str
    amount: int
    state: str
    earned_at: datetime
    has_receipt: bool
    entry_id: int | None
    frames: str | None = None
    tile: int | None = None
    grid: Sequence[int] | None = None
    decision: str | None = None


@attrs.frozen
class NodeEarnings:
    """The sum in units of money, and the number of units."""

    amount: int = 0
    units: int = 0


@attrs.frozen
class NodeFilter:
    """Filter for nodes: ``text`` is part of a name and so on, ``word`` a status or standing.

    ``heard``: connected nodes, in the order for the sort key ``pong``; others come last.
    """

    text: str | None = None
    word: str | None = None
    sort: str = "-created"
    heard: Sequence[UUID] = ()


class NodeViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down.

    ``owner`` None: all users.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, search: NodeFilter, since: datetime, limit: int, offset: int
    ) -> Sequence[ListedNode]:
        """Return a page; earnings are those since then."""
        most = offset + limit if search.sort == "-created" else SORTED_MOST
        wanted = (owner, search.text, search.word, most, search.sort)
        rows = await self._database.all("fleet_page", *wanted, since, limit, offset, search.heard)
        return [ListedNode(**row) for row in rows]

    async def counts(self, owner: UUID | None, text: str | None) -> Mapping[str, int]:
        """Count matching nodes by status and by standing; '' counts all."""
        found: dict[str, int] = dict.fromkeys(("", *STATUSES, *STANDINGS), 0)
        for row in await self._database.all("fleet_counts", owner, text):
            for name in ("", row["status"], row["standing"]):
                found[name] += row["count"]
        return found

    async def work(self, node: UUID, limit: int) -> Sequence[NodeWork]:
        """Return a node's running units, then its queued ones."""
        return [NodeWork(**row) for row in await self._database.all("fleet_work", node, limit)]

    async def earned(self, owner: UUID, node: UUID, since: datetime) -> NodeEarnings:
        """Return what a node has earned its owner since then."""
        row = await self._database.one("fleet_earned", owner, node, since)
        return NodeEarnings() if row is None else NodeEarnings(**row)

    async def shares(
        self, owner: UUID, node: UUID, since: datetime, limit: int
    ) -> Sequence[NodeShare]:
        """Return the same by unit, newest first."""
        rows = await self._database.all("fleet_shares", owner, node, since, limit)
        return [NodeShare(**row) for row in rows]

    async def email(self, user: UUID | None) -> str | None:
        """Return the e-mail address of a node's owner, or of the author of its standing."""
        row = None if user is None else await self._database.one("fleet_person", user)
        return None if row is None else str(row["email"])
