"""Jobs as people look for them and look at them: in the console, and in the lists of admins."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from sql.database import Database

HASHED: Final = re.compile("[0-9a-f]{64}")
SORTED_MOST: Final = 10_000  # of the newest: what is older is found by a narrower filter
STATUSES: Final = (
    *("QUEUED", "DISPATCHED", "RUNNING", "PAUSED"),
    *("COMPLETED", "FAILED", "CANCELLED"),
)


@attrs.frozen
class JobFilter:
    """Which jobs; None: whatever it is. ``node``, ``user`` and ``error`` are parts of a text."""

    statuses: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    node: str | None = None
    user: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: str | None = None  # the beginning of one

    def bounds(self) -> tuple[Any, ...]:
        """As the queries take them."""
        texts = (self.node, self.user, self.error)
        kinds = (self.statuses and list(self.statuses), self.types and list(self.types))
        return (*kinds, *texts, self.since, self.until, self.id)


def named(file: str | None) -> str | None:
    """None where all that is known of a file is what it hashes to."""
    return None if file is None or HASHED.match(file) else file


@attrs.frozen
class ListedJob:
    """A line of a list. ``file``: what its scene is called, where that is known."""

    id: UUID
    job_type: str
    status: str
    user_id: UUID
    email: str
    node_id: UUID | None
    node_name: str | None
    price: int
    retry_count: int
    retry_of: UUID | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None
    has_picture: bool
    retried_by: UUID | None
    charged: int
    refunded: int = 0  # of what was charged
    file: str | None = attrs.field(default=None, converter=named)

    @property
    def paid(self) -> int:
        """What was charged and not given back."""
        return self.charged - self.refunded

    @property
    def took(self) -> float | None:
        """Seconds from its submission to its end."""
        if self.completed_at is None:
            return None
        return (self.completed_at - self.created_at).total_seconds()


@attrs.frozen
class DeskJob:
    """One job with its names."""

    id: UUID
    user_id: UUID
    email: str
    user_name: str
    node_id: UUID | None
    node_name: str | None
    job_type: str
    payload_ref: str
    params: Mapping[str, Any]
    status: str
    price: int
    retry_count: int
    retry_of: UUID | None
    result_ref: str | None
    error_message: str | None
    created_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None
    retried_by: UUID | None
    units: int
    done: int = 0
    failed: int = 0
    charged: int = 0
    priority: int = 0
    cap: int | None = None
    paused: str | None = None
    held: int = 0  # for units that have not ended
    at_work: int = 0  # units that a node has, or that are being checked
    next_unit: int | None = None  # the first of those that wait
    attempts: int = 0  # of all its units
    file: str | None = attrs.field(default=None, converter=named)


@attrs.frozen
class DeskFrame:
    """A frame, or a chunk of them; of one in tiles what is made of them, and what all cost."""

    number: int
    frames: str | None
    state: str
    attempt: int
    node_name: str | None
    missing: int  # tiles that are not complete
    error_message: str | None
    started_at: datetime | None
    ended_at: datetime | None
    result_size: int | None
    has_result: bool
    tiles: int
    price: int
    charged: int
    refunded: int  # of what was charged
    has_receipt: bool = False
    given_back: bool = False  # or a tile of it: a dispute was upheld


@attrs.frozen
class FrameCounts:
    """How many frames a job has, or chunks of them; no tiles."""

    total: int = 0
    done: int = 0
    failed: int = 0


@attrs.frozen
class DeskPart:
    """A frame, or a chunk of them, as it was ordered. ``place``: its turn."""

    number: int
    frames: str
    place: int


@attrs.frozen
class DeskPiece:
    """What a unit is of: frames, or a tile of one."""

    number: int
    frames: str | None
    tile: int | None


@attrs.frozen
class DeskUnit:
    """A unit as it is, with its last attempt. ``verdict`` is 'given back' where a dispute of it was
    upheld, and ``said`` why.
    """

    number: int
    state: str
    attempt: int
    node_id: UUID | None
    node_name: str | None
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    not_before: datetime | None
    failures: int
    error_class: str | None
    error_message: str | None
    verified: bool
    result_size: int | None
    result_sha256: bytes | None
    verdict: str | None = None
    said: str | None = None  # by who checked it
    has_receipt: bool = False
    frames: str | None = None  # None: it is no part of an animation
    tile: int | None = None


@attrs.frozen
class AttemptView:
    """An attempt that came to nothing. ``started_at`` None: it never ran."""

    number: int
    attempt: int
    node_id: UUID | None
    node_name: str | None
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    error_class: str | None
    error: str | None
    verdict: str | None = None
    said: str | None = None
    frames: str | None = None
    tile: int | None = None


@attrs.frozen
class DeskHold:
    """What was set aside for a unit. ``settled`` of it was charged, the rest went back."""

    number: int
    amount: int
    settled: int
    state: str
    created_at: datetime
    closed_at: datetime | None
    frames: str | None = None
    tile: int | None = None


@attrs.frozen
class DeskEntry:
    """An entry of the owner's account, and how far it has come towards the chain."""

    number: int
    entry_id: int
    kind: str
    amount: int
    after: int
    description: str
    created_at: datetime
    leaf_index: int | None
    signed_at: datetime | None
    anchored_at: datetime | None
    frames: str | None = None
    tile: int | None = None


@attrs.frozen
class DeskCharges:
    """All that was charged for a job: how often, ``at`` the last time, and how far all has come.

    ``refunded``: how much of it, in units.

    Times are None before there is anything, or while some of it has not come so far.
    """

    number: int = 0
    at: datetime | None = None
    signed_at: datetime | None = None
    anchored_at: datetime | None = None
    refunded: int = 0


class JobViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away.

    ``owner`` None means everybody.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, wish: JobFilter, sort: str, limit: int, offset: int
    ) -> Sequence[ListedJob]:
        """A page; any order but the newest first is one of the newest ``SORTED_MOST``."""
        most = offset + limit if sort == "-created" else SORTED_MOST
        bounds = (owner, *wish.bounds(), most, sort, limit, offset)
        rows = await self._database.all("job_desk_page", *bounds)
        return [ListedJob(**row) for row in rows]

    async def counts(self, owner: UUID | None, wish: JobFilter) -> Mapping[str, int]:
        """By status, of the newest ``SORTED_MOST`` that match whatever their status is."""
        every = attrs.evolve(wish, statuses=None)
        rows = await self._database.all("job_desk_counts", owner, *every.bounds(), SORTED_MOST)
        return dict.fromkeys(STATUSES, 0) | {row["name"]: row["count"] for row in rows}

    async def words(self, owner: UUID | None) -> Mapping[str, Sequence[str]]:
        """What a filter may name: ``types`` and ``nodes``."""
        row = await self._database.one("job_desk_words", owner)
        return {"types": [], "nodes": []} if row is None else dict(row)

    async def job(self, owner: UUID | None, job: UUID) -> DeskJob | None:
        row = await self._database.one("job_desk_job", owner, job)
        return None if row is None else DeskJob(**row)

    async def units(self, job: UUID) -> Sequence[DeskUnit]:
        rows = await self._database.all("job_desk_units", job)
        return [DeskUnit(**row) for row in rows]

    async def frames(
        self, job: UUID, state: str | None, limit: int, offset: int
    ) -> Sequence[DeskFrame]:
        """A page of those of a state, or of all, by number."""
        rows = await self._database.all("job_desk_frames", job, state, limit, offset)
        return [DeskFrame(**row) for row in rows]

    async def frame_counts(self, job: UUID) -> FrameCounts:
        row = await self._database.one("job_desk_frame_counts", job)
        assert row is not None, "an aggregate has one row"
        return FrameCounts(**row)

    async def attempts(self, job: UUID) -> Sequence[AttemptView]:
        """Those that came to nothing, oldest first."""
        rows = await self._database.all("job_desk_attempts", job)
        return [AttemptView(**row) for row in rows]

    async def holds(self, job: UUID) -> Sequence[DeskHold]:
        rows = await self._database.all("job_desk_holds", job)
        return [DeskHold(**row) for row in rows]

    async def entries(self, job: UUID) -> Sequence[DeskEntry]:
        """Of the owner's account, oldest first."""
        rows = await self._database.all("job_desk_entries", job)
        return [DeskEntry(**row) for row in rows]

    async def charges(self, job: UUID) -> DeskCharges:
        row = await self._database.one("job_desk_charges", job)
        return DeskCharges() if row is None else DeskCharges(**row)

    async def pieces(self, job: UUID, units: Iterable[int]) -> Mapping[int, DeskPiece]:
        """What some of its units are of, by their numbers."""
        rows = await self._database.all("job_desk_pieces", job, list(units))
        return {row["number"]: DeskPiece(**row) for row in rows}

    async def parts(self, job: UUID) -> Sequence[DeskPart]:
        """How it was cut, by number; of a job without frames none."""
        rows = await self._database.all("job_desk_parts", job)
        return [DeskPart(**row) for row in rows]
