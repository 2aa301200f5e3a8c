"""Disputes for the console: the disputed unit, and the entries of the decision."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database
from sql.earnings import WITHHELD_MOST, withheld_until


@attrs.frozen
class ListedDispute:
    """``charge`` and ``share`` in units of money; ``operator``: the earner's e-mail address.

    ``frames``, ``tile`` and ``grid`` (columns and rows of tiles, if frames are cut) identify the
    disputed unit.
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
    finding: str | None  # finding of a check that did not decide the dispute

    @property
    def withheld_until(self) -> datetime | None:
        """The time at which an admin must decide if no check has.

        None: the gateway withholds no share.
        """
        return withheld_until(self.opened_at, self.state, by_gateway=self.by_gateway)


@attrs.frozen
class WithheldShares:
    """``number``: shares that the gateway withholds.

    ``due``: those of them that an admin must decide.
    """

    number: int
    due: int


@attrs.frozen
class Comparison:
    """The result of a creator's own render of the disputed frame, in the creator's words."""

    verdict: str
    said: str
    has_picture: bool


@attrs.frozen
class DisputedUnit:
    """A unit of a job with a dispute, open or decided."""

    unit: int
    id: UUID
    state: str


@attrs.frozen
class DisputableUnit:
    """A charged unit that can be disputed now."""

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
    """Reads; raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner: UUID | None, state: str | None, limit: int, *, withheld: bool = False
    ) -> Sequence[ListedDispute]:
        """Return the newest disputes; optionally only those of one creator, or in one state.

        ``withheld``: only those by which the gateway withholds a share.
        """
        named = "OPEN" if withheld else state
        rows = await self._database.all("dispute_view_page", owner, named, None, limit, withheld)
        return [ListedDispute(**row) for row in rows]

    async def one(self, owner: UUID | None, dispute: UUID) -> ListedDispute | None:
        row = await self._database.one("dispute_view_page", owner, None, dispute, 1, False)
        return None if row is None else ListedDispute(**row)

    async def counts(self, owner: UUID | None) -> Mapping[str, int]:
        """Count disputes by state."""
        rows = await self._database.all("dispute_view_counts", owner)
        return {row["state"]: row["number"] for row in rows}

    async def withheld(self) -> WithheldShares:
        """Count the shares that the gateway withholds."""
        row = await self._database.one("dispute_view_withheld", WITHHELD_MOST)
        assert row is not None, "an aggregate has one row"
        return WithheldShares(**row)

    async def comparison(self, owner: UUID | None, dispute: UUID) -> Comparison | None:
        """Return the comparison attached to a dispute, optionally only if ``owner`` created it."""
        row = await self._database.one("dispute_view_comparison", dispute, owner)
        return None if row is None else Comparison(**row)

    async def picture(self, owner: UUID | None, dispute: UUID) -> bytes | None:
        """Return the comparison's picture as PNG."""
        row = await self._database.one("dispute_view_picture", dispute, owner)
        return None if row is None else bytes(row["picture"])

    async def of_job(self, job: UUID) -> Mapping[int, DisputedUnit]:
        """Return the disputes of a job by unit number."""
        rows = await self._database.all("dispute_view_of_job", job)
        return {row["unit"]: DisputedUnit(**row) for row in rows}

    async def open_to(
        self, user: UUID, job: UUID, unit: int, *, since: datetime, now: datetime
    ) -> Sequence[DisputableUnit]:
        """Return the units or tiles that ``user`` can dispute.

        The dispute window began at ``since``.
        """
        rows = await self._database.all("dispute_view_open_to", job, unit, user, since, now)
        return [DisputableUnit(**row) for row in rows]

    async def entries(self, dispute: UUID, *, everybody: bool) -> Sequence[MovedEntry]:
        """Return the entries of the decision, on the creator's account or on all accounts."""
        rows = await self._database.all("dispute_view_entries", dispute, everybody)
        return [MovedEntry(**row) for row in rows]
