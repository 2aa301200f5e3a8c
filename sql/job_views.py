"""Jobs for the console and for admins' lists."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from sql.database import Database

HASHED: Final = re.compile("[0-9a-f]{64}")
SORTED_MOST: Final = 10_000  # only the newest are sorted; a filter finds older ones
STATUSES: Final = (
    *("QUEUED", "DISPATCHED", "RUNNING", "PAUSED"),
    *("COMPLETED", "FAILED", "CANCELLED"),
)


@attrs.frozen
class JobFilter:
    """Filter for jobs; None: any. ``node``, ``user`` and ``error`` match parts of a text."""

    statuses: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    node: str | None = None
    user: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: str | None = None  # a prefix of the id

    def bounds(self) -> tuple[Any, ...]:
        """Return the filter as arguments of the queries."""
        texts = (self.node, self.user, self.error)
        kinds = (self.statuses and list(self.statuses), self.types and list(self.types))
        return (*kinds, *texts, self.since, self.until, self.id)


def named(file: str | None) -> str | None:
    """Return the file name; None if it is only a hash."""
    return None if file is None or HASHED.match(file) else file


@attrs.frozen
class ListedJob:
    """A row of a list. ``file``: the scene's name, if known."""

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
    refunded: int = 0  # of the charge
    file: str | None = attrs.field(default=None, converter=named)

    @property
    def paid(self) -> int:
        """The charge less refunds."""
        return self.charged - self.refunded

    @property
    def took(self) -> float | None:
        """The seconds from submission to end."""
        if self.completed_at is None:
            return None
        return (self.completed_at - self.created_at).total_seconds()


@attrs.frozen
class ConsoleJob:
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
    at_work: int = 0  # units at a node, or being checked
    next_unit: int | None = None  # the first waiting unit
    attempts: int = 0  # over all units
    file: str | None = attrs.field(default=None, converter=named)


@attrs.frozen
class ConsoleFrame:
    """A frame or a chunk; for a frame in tiles, the merged unit and the sums over its tiles."""

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
    refunded: int  # of the charge
    has_receipt: bool = False
    given_back: bool = False  # a dispute of it, or of a tile, was upheld


@attrs.frozen
class FrameCounts:
    """The number of frames or chunks of a job, without tiles."""

    total: int = 0
    done: int = 0
    failed: int = 0


@attrs.frozen
class ConsolePart:
    """A frame or a chunk, as submitted. ``place``: its turn."""

    number: int
    frames: str
    place: int


@attrs.frozen
class ConsolePiece:
    """The part of the job that a unit renders: frames, or a tile."""

    number: int
    frames: str | None
    tile: int | None


@attrs.frozen
class ConsoleUnit:
    """A unit with its last attempt.

    After an upheld dispute ``verdict`` says so, and ``said`` is the reason.
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
    said: str | None = None  # the verifier's reason
    has_receipt: bool = False
    frames: str | None = None  # None: it is not part of an animation
    tile: int | None = None


@attrs.frozen
class AttemptView:
    """A failed attempt. ``started_at`` None: it never ran."""

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
class ConsoleHold:
    """The hold of a unit. ``settled`` of it was charged, the rest was released."""

    number: int
    amount: int
    settled: int
    state: str
    created_at: datetime
    closed_at: datetime | None
    frames: str | None = None
    tile: int | None = None


@attrs.frozen
class ConsoleEntry:
    """An entry of the owner's account, and its progress towards the chain."""

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
class ConsoleCharges:
    """All charges of a job: their number, the last time, and their common progress.

    ``refunded``: in units. Times are None if there is no charge, or if some charge is not that far
    yet.
    """

    number: int = 0
    at: datetime | None = None
    signed_at: datetime | None = None
    anchored_at: datetime | None = None
    refunded: int = 0


class JobViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down.

    ``owner`` None: all users.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, wish: JobFilter, sort: str, limit: int, offset: int
    ) -> Sequence[ListedJob]:
        """Return a page; other orders than newest first only cover the newest ``SORTED_MOST``."""
        most = offset + limit if sort == "-created" else SORTED_MOST
        bounds = (owner, *wish.bounds(), most, sort, limit, offset)
        rows = await self._database.all("job_desk_page", *bounds)
        return [ListedJob(**row) for row in rows]

    async def counts(self, owner: UUID | None, wish: JobFilter) -> Mapping[str, int]:
        """Count by status the newest ``SORTED_MOST`` jobs that match, in any status."""
        every = attrs.evolve(wish, statuses=None)
        rows = await self._database.all("job_desk_counts", owner, *every.bounds(), SORTED_MOST)
        return dict.fromkeys(STATUSES, 0) | {row["name"]: row["count"] for row in rows}

    async def words(self, owner: UUID | None) -> Mapping[str, Sequence[str]]:
        """Return the ``types`` and ``nodes`` that a filter may name."""
        row = await self._database.one("job_desk_words", owner)
        return {"types": [], "nodes": []} if row is None else dict(row)

    async def job(self, owner: UUID | None, job: UUID) -> ConsoleJob | None:
        row = await self._database.one("job_desk_job", owner, job)
        return None if row is None else ConsoleJob(**row)

    async def units(self, job: UUID) -> Sequence[ConsoleUnit]:
        rows = await self._database.all("job_desk_units", job)
        return [ConsoleUnit(**row) for row in rows]

    async def frames(
        self, job: UUID, state: str | None, limit: int, offset: int
    ) -> Sequence[ConsoleFrame]:
        """Return a page of frames by number, in one state or all."""
        rows = await self._database.all("job_desk_frames", job, state, limit, offset)
        return [ConsoleFrame(**row) for row in rows]

    async def frame_counts(self, job: UUID) -> FrameCounts:
        row = await self._database.one("job_desk_frame_counts", job)
        assert row is not None, "an aggregate has one row"
        return FrameCounts(**row)

    async def attempts(self, job: UUID) -> Sequence[AttemptView]:
        """Return the failed attempts, oldest first."""
        rows = await self._database.all("job_desk_attempts", job)
        return [AttemptView(**row) for row in rows]

    async def holds(self, job: UUID) -> Sequence[ConsoleHold]:
        rows = await self._database.all("job_desk_holds", job)
        return [ConsoleHold(**row) for row in rows]

    async def entries(self, job: UUID) -> Sequence[ConsoleEntry]:
        """Return the entries of the owner's account, oldest first."""
        rows = await self._database.all("job_desk_entries", job)
        return [ConsoleEntry(**row) for row in rows]

    async def charges(self, job: UUID) -> ConsoleCharges:
        row = await self._database.one("job_desk_charges", job)
        return ConsoleCharges() if row is None else ConsoleCharges(**row)

    async def pieces(self, job: UUID, units: Iterable[int]) -> Mapping[int, ConsolePiece]:
        """Return what some of its units render, by their numbers."""
        rows = await self._database.all("job_desk_pieces", job, list(units))
        return {row["number"]: ConsolePiece(**row) for row in rows}

    async def parts(self, job: UUID) -> Sequence[ConsolePart]:
        """Return how the job was cut, by number; empty for a job without frames."""
        rows = await self._database.all("job_desk_parts", job)
        return [ConsolePart(**row) for row in rows]
