"""Nodes as people look for them and look at them in the console."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Database

SORTED_MOST: Final = 5_000  # of the newest: what is older is found by a narrower filter
STATUSES: Final = ("HEALTHY", "UNHEALTHY", "OFFLINE", "REGISTERED")
STANDINGS: Final = ("ACTIVE", "DRAINING", "QUARANTINED", "REVOKED")


@attrs.frozen
class ListedNode:
    """A line of a list. ``job_id`` and so on are of the unit that it works on, of ``units``."""

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
    """A unit that a node works on, or has before it.

    ``grid``: into how many columns and rows of tiles a frame of the job is cut, if it is.
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
    """What a node earned by one unit; ``grid`` as of ``NodeWork``. ``entry_id`` is the entry that
    pays it; ``decision`` as of ``sql.operators``.
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
    """In units of money, and by how many units of work."""

    amount: int = 0
    units: int = 0


@attrs.frozen
class NodeFilter:
    """Which nodes: ``text`` is part of a name and so on, ``word`` a status or a standing.

    ``heard``: those with a socket, in the order in which ``pong`` is to have them; others are last.
    """

    text: str | None = None
    word: str | None = None
    sort: str = "-created"
    heard: Sequence[UUID] = ()


class NodeViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away.

    ``owner`` None means everybody.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, search: NodeFilter, since: datetime, limit: int, offset: int
    ) -> Sequence[ListedNode]:
        """A page; what they earned is of the time since then."""
        most = offset + limit if search.sort == "-created" else SORTED_MOST
        wanted = (owner, search.text, search.word, most, search.sort)
        rows = await self._database.all("fleet_page", *wanted, since, limit, offset, search.heard)
        return [ListedNode(**row) for row in rows]

    async def counts(self, owner: UUID | None, text: str | None) -> Mapping[str, int]:
        """By status and by standing, and by '' of all, of those that match."""
        found: dict[str, int] = dict.fromkeys(("", *STATUSES, *STANDINGS), 0)
        for row in await self._database.all("fleet_counts", owner, text):
            for name in ("", row["status"], row["standing"]):
                found[name] += row["count"]
        return found

    async def work(self, node: UUID, limit: int) -> Sequence[NodeWork]:
        """What it works on first, then what it has before it."""
        return [NodeWork(**row) for row in await self._database.all("fleet_work", node, limit)]

    async def earned(self, owner: UUID, node: UUID, since: datetime) -> NodeEarnings:
        """What a node earned its owner since then."""
        row = await self._database.one("fleet_earned", owner, node, since)
        return NodeEarnings() if row is None else NodeEarnings(**row)

    async def shares(
        self, owner: UUID, node: UUID, since: datetime, limit: int
    ) -> Sequence[NodeShare]:
        """The same, unit by unit, the newest first."""
        rows = await self._database.all("fleet_shares", owner, node, since, limit)
        return [NodeShare(**row) for row in rows]

    async def email(self, user: UUID | None) -> str | None:
        """Whose a node is, or who said something about it."""
        row = None if user is None else await self._database.one("fleet_person", user)
        return None if row is None else str(row["email"])
