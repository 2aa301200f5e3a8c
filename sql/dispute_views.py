"""Disputes as the console shows them: what they are about, and what their decision moved."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database
from sql.earnings import WITHHELD_MOST, withheld_until


@attrs.frozen
class ListedDispute:
    """``charge`` and ``share`` in units of money; ``operator`` is the e-mail of who had that.

    ``frames``, ``tile`` and ``grid`` (columns and rows of tiles, if its frames are cut) name what
    it is about.
    """

    id: UUID
    job_id: UUID
    unit: int
    user_id: UUID
    email: str
    reason: str
    charge: int
    state: str
    decision: str
    opened_at: datetime
    decided_at: datetime | None
    by_gateway: bool
    frames: str | None
    tile: int | None
    grid: Sequence[int] | None
    operator_id: UUID | None
    operator: str | None
    share: int
    finding: str | None  # of a check that does not decide it

    @property
    def withheld_until(self) -> datetime | None:
        """When an admin is to decide, if no check did; None if the gateway waits for none."""
        return withheld_until(self.opened_at, self.state, by_gateway=self.by_gateway)


@attrs.frozen
class WithheldShares:
    """``number``: shares that the gateway withholds. ``due``: of these an admin is to decide on."""

    number: int
    due: int


@attrs.frozen
class Comparison:
    """What a creator found who rendered the disputed frame again, in their words."""

    verdict: str
    said: str
    has_picture: bool


@attrs.frozen
class DisputedUnit:
    """A unit of a job that is disputed, or was."""

    unit: int
    id: UUID
    state: str


@attrs.frozen
class DisputableUnit:
    """One that was charged and can be disputed now."""

    number: int
    frames: str | None
    tile: int | None
    grid: Sequence[int] | None
    charge: int


@attrs.frozen
class MovedEntry:
    """An entry that a decision made; ``is_logged``: it has a leaf, and so a proof."""

    entry_id: int
    kind: str
    amount: int
    created_at: datetime
    is_logged: bool


class DisputeViews:
    """Reads; raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, state: str | None, limit: int, *, withheld: bool = False
    ) -> Sequence[ListedDispute]:
        """The newest, of one creator or of all, in one state or in any.

        ``withheld``: those alone by which the gateway withholds a share.
        """
        named = "OPEN" if withheld else state
        rows = await self._database.all("dispute_desk_page", owner, named, None, limit, withheld)
        return [ListedDispute(**row) for row in rows]

    async def one(self, owner: UUID | None, dispute: UUID) -> ListedDispute | None:
        row = await self._database.one("dispute_desk_page", owner, None, dispute, 1, False)
        return None if row is None else ListedDispute(**row)

    async def counts(self, owner: UUID | None) -> Mapping[str, int]:
        """By state."""
        rows = await self._database.all("dispute_desk_counts", owner)
        return {row["state"]: row["number"] for row in rows}

    async def withheld(self) -> WithheldShares:
        """How many shares the gateway withholds."""
        row = await self._database.one("dispute_desk_withheld", WITHHELD_MOST)
        assert row is not None, "an aggregate has one row"
        return WithheldShares(**row)

    async def comparison(self, owner: UUID | None, dispute: UUID) -> Comparison | None:
        """What a dispute carries, of one creator or of all."""
        row = await self._database.one("dispute_desk_comparison", dispute, owner)
        return None if row is None else Comparison(**row)

    async def picture(self, owner: UUID | None, dispute: UUID) -> bytes | None:
        """Its PNG."""
        row = await self._database.one("dispute_desk_picture", dispute, owner)
        return None if row is None else bytes(row["picture"])

    async def of_job(self, job: UUID) -> Mapping[int, DisputedUnit]:
        """By the number of the unit."""
        rows = await self._database.all("dispute_desk_of_job", job)
        return {row["unit"]: DisputedUnit(**row) for row in rows}

    async def open_to(
        self, user: UUID, job: UUID, unit: int, *, since: datetime, now: datetime
    ) -> Sequence[DisputableUnit]:
        """What of a unit, or of its tiles, ``user`` can dispute; the window began at ``since``."""
        rows = await self._database.all("dispute_desk_open_to", job, unit, user, since, now)
        return [DisputableUnit(**row) for row in rows]

    async def entries(self, dispute: UUID, *, everybody: bool) -> Sequence[MovedEntry]:
        """What its decision moved, on the creator's account or on everybody's."""
        rows = await self._database.all("dispute_desk_entries", dispute, everybody)
        return [MovedEntry(**row) for row in rows]
