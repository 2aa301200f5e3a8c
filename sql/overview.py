"""The overview, the console's first page, for one user or for all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from rendertrust.frame_range import parse
from rendertrust.job_status import STATUSES
from sql.database import Table

NODES: Final = ("HEALTHY", "UNHEALTHY", "OFFLINE", "REGISTERED")


@attrs.frozen
class CreditSummary:
    """Sums in units of money, of one user or of all; ``balance`` is None in the sums of all users.

    ``refunded``: the refunded part of the charges.
    """

    held: int = 0
    charged: int = 0
    refunded: int = 0
    balance: int | None = None
    earned: int | None = None  # earnings not paid out yet; None if the user never earned


@attrs.frozen
class Inbox:
    """Numbers of what waits for an admin.

    ``disputes``: open disputes of creators; ``requested``: payouts to approve; ``approved``:
    approved payouts that are not marked as paid.
    """

    disputes: int
    requested: int
    approved: int


@attrs.frozen
class OwnerInbox:
    """Numbers of what waits for the owner of nodes.

    ``disputes``: open disputes about their nodes' work without an answer; ``quarantined`` and
    ``failing``: nodes in quarantine, and nodes that fail often.
    """

    disputes: int
    quarantined: int
    failing: int


@attrs.frozen
class MoneyMoved:
    """Sums of some time in units of money.

    ``bought``: bought credits, before refunds of purchases; ``charged``: charges for work, less
    refunds; ``earned``: the operators' part of these, less reversals and fines; ``paid``: payouts
    to operators.
    """

    bought: int
    charged: int
    earned: int
    paid: int


@attrs.frozen
class LogStanding:
    """The log's progress towards the chain; ``waiting`` transfers have no leaf yet."""

    size: int
    waiting: int
    signed: int | None
    signed_at: datetime | None
    anchored: int | None
    anchored_at: datetime | None
    unanchored_since: datetime | None

    @property
    def unanchored(self) -> int:
        """The number of transfers that no anchor covers."""
        return self.size - (self.anchored or 0) + self.waiting


@attrs.frozen
class FarmFigures:
    """The farm's public figures: healthy nodes, the price of a frame in units of money, and the
    newest checkpoint on the chain and its contract, if there is one. ``keys``: all verifier keys
    of the log.
    """

    nodes: int
    price: int | None
    size: int | None
    block_number: int | None
    confirmed_at: datetime | None
    chain_id: int | None
    contract: str | None
    keys: Sequence[str]


@attrs.frozen
class Minute:
    """The number of jobs that ended in one minute."""

    minute: datetime
    completed: int
    failed: int


@attrs.frozen
class JobThumbnail:
    """A job with thumbnails; ``frame``: the last frame that has a thumbnail.

    ``first`` and ``last``: the frames of its first and last unit, None if its parameters have them.
    ``feeds``: the unit that is assembled from its first unit.
    """

    id: UUID
    name: str
    completed_at: datetime
    units: int
    first: str | None
    last: str | None
    feeds: int | None
    frame: int | None
    made_at: datetime | None

    @property
    def frames(self) -> int:
        """The number of frames; each frame of a chunk counts, and the tiles of a frame count as one
        frame.
        """
        if self.first is None or self.last is None:
            return self.units
        if self.feeds is not None:
            return self.units // (self.feeds + 1)
        return (self.units - 1) * len(parse(self.first)) + len(parse(self.last))


@attrs.frozen
class ResultRow:
    """The owner and name of a job, and the key of its result."""

    user_id: UUID
    name: str
    result_ref: str | None


class Overview(Table):
    """Queries for the console's first page.

    Methods raise ``sql.database.Unavailable`` while the database is down. If ``owner`` is None, the
    figures of all users are read.
    """

    async def jobs(self, owner: UUID | None, since: datetime) -> Mapping[str, int]:
        """Count open jobs, and jobs that ended since ``since``, by status.

        The key ``held`` has the credits held for paused jobs, in units of money.
        """
        found = await self._database.all("overview_open_jobs", owner)
        ended = await self._database.all("overview_ended_jobs", owner, since)
        counted = {row["name"]: row["count"] for row in (*ended, *found)}
        held = sum(row["held"] for row in found if row["name"] == "PAUSED")
        return dict.fromkeys(STATUSES, 0) | counted | {"held": held}

    async def nodes(self, owner: UUID | None) -> Mapping[str, int]:
        """Count the nodes that render by status, without revoked ones and embedded verifiers."""
        rows = await self._database.all("overview_nodes", owner)
        return dict.fromkeys(NODES, 0) | {row["name"]: row["count"] for row in rows}

    async def money(self, owner: UUID | None, since: datetime) -> CreditSummary:
        """Return the sums of holds, and of charges since ``since``."""
        if owner is not None:
            row = await self._database.one("overview_credits_of_user", owner, since)
            return CreditSummary(balance=0) if row is None else CreditSummary(**row)
        held = await self._database.one("overview_held_of_all")
        charged = await self._database.one("overview_charged_of_all", since)
        assert held is not None, "an aggregate has one row"
        assert charged is not None, "an aggregate has one row"
        return CreditSummary(held["held"], **charged)

    async def inbox(self) -> Inbox:
        """Return what waits for an admin."""
        row = await self._database.row(Inbox, "overview_inbox")
        assert row is not None, "an aggregate has one row"
        return row

    async def inbox_of_owner(self, owner: UUID) -> OwnerInbox:
        """Return what waits for the owner of nodes."""
        return await self._database.only(OwnerInbox, "overview_inbox_of_owner", owner)

    async def moved(self, since: datetime, until: datetime) -> MoneyMoved:
        """Return the sums of the transfers from ``since`` to ``until``, at most a day."""
        row = await self._database.row(MoneyMoved, "overview_money", since, until)
        assert row is not None, "an aggregate has one row"
        return row

    async def log(self) -> LogStanding | None:
        """Return the progress of the log; None before its first entry."""
        return await self._database.row(LogStanding, "overview_log")

    async def farm(self) -> FarmFigures | None:
        """Return the farm's public figures."""
        return await self._database.row(FarmFigures, "overview_farm")

    async def throughput(self, owner: UUID | None, since: datetime) -> Sequence[Minute]:
        """Return the minutes in which jobs ended, oldest first."""
        return await self._database.rows(Minute, "overview_throughput", owner, since)

    async def pictures(self, owner: UUID | None, limit: int) -> Sequence[JobThumbnail]:
        """Return the newest jobs with pictures."""
        return await self._database.rows(JobThumbnail, "overview_pictures", owner, limit)

    async def result(self, owner: UUID | None, job: UUID) -> ResultRow | None:
        """Return a completed job with the key of its result."""
        return await self._database.row(ResultRow, "overview_result", owner, job)
