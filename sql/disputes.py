"""Disputes for the API, commands and the console: the disputed unit, comparisons, decisions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Table
from sql.earnings import WITHHELD_MOST, GivenComparison
from sql.page import Page
from sql.units import result_key, sheet_key


@attrs.frozen
class DisputeShown:
    """A dispute and the share that it withholds; amounts in units of money.

    ``by_gateway``: the gateway withholds the share until a check decides. ``operator_id`` and
    ``operator`` (an e-mail address) are None if the unit earned nothing, or while its node has no
    owner; ``node_id`` and ``node`` are None if it earned nothing. ``frames``, ``tile`` and
    ``grid`` (columns and rows of tiles, if frames are cut) identify the disputed unit.
    """

    id: UUID
    job_id: UUID
    job_name: str
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
    problem: str | None = None  # the kind of problem that the creator chose
    region: Sequence[float] | None = None  # its x, y, width and height in the picture, 0 to 1
    answer: str | None = None  # of the operator
    answer_region: Sequence[float] | None = None
    answered_at: datetime | None = None
    node_id: UUID | None = None
    node: str | None = None  # the name of the node that rendered the unit

    @property
    def withheld_until(self) -> datetime | None:
        """The time from which an admin must decide the dispute, if no check has decided it.

        None if the gateway withholds no share.
        """
        is_withheld = self.by_gateway and self.state == "OPEN"
        return self.opened_at + WITHHELD_MOST if is_withheld else None


@attrs.frozen
class WithheldShares:
    """Numbers of withheld shares.

    ``number``: all shares that the gateway withholds. ``due``: the withheld shares about which an
    admin must decide.
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
class NewAnswer:
    """An operator's answer to a dispute about their work; ``region``: its place, 0 to 1."""

    dispute: UUID
    operator: UUID
    text: str
    region: Sequence[float] | None
    at: datetime


@attrs.frozen
class DisputedResult:
    """The result of a disputed unit."""

    user_id: UUID
    job_id: UUID
    unit: int
    attempt: int

    @property
    def sheet_key(self) -> str:
        """The key of the comparison sheet, if a verifier has uploaded one."""
        return sheet_key(result_key(self.user_id, self.job_id, self.unit, self.attempt))


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
    """An entry that a decision made.

    ``is_logged``: the entry has a leaf in the log, and so a proof.
    """

    entry_id: int
    kind: str
    amount: int
    created_at: datetime
    is_logged: bool


class Disputes(Table):
    """Queries of disputes, and storage of creators' comparisons.

    Methods raise ``sql.database.Unavailable`` while the database is down. If ``owner`` is None, the
    disputes of all creators are read.
    """

    async def page(
        self, owner: UUID | None, state: str | None, span: Page, *, by_gateway: bool | None = None
    ) -> Sequence[DisputeShown] | None:
        """Return a page of disputes, newest first; None if ``span.after`` is unknown.

        ``by_gateway``: if True, only disputes that the gateway opened; if False, only disputes that
        creators opened.
        """
        if not await span.is_known(self._database, "dispute_is_known", owner):
            return None
        bounds = (owner, state, span.after, span.limit, span.offset, by_gateway, None)
        return await self._database.rows(DisputeShown, "disputes_page", *bounds)

    async def about_work(
        self, operator: UUID, state: str | None, span: Page
    ) -> Sequence[DisputeShown] | None:
        """Return a page of the disputes about an operator's work, newest first; None as for
        ``page``.
        """
        if not await span.is_known(self._database, "dispute_is_about", operator):
            return None
        bounds = (None, state, span.after, span.limit, span.offset, None, operator)
        return await self._database.rows(DisputeShown, "disputes_page", *bounds)

    async def of_user(self, user: UUID, state: str | None, most: int) -> Sequence[DisputeShown]:
        """Return the newest disputes of a user's jobs and about their nodes' work."""
        bounds = (user, state, None, most, 0, None, user)
        return await self._database.rows(DisputeShown, "disputes_page", *bounds)

    async def counts_about_work(self, operator: UUID) -> Mapping[str, int]:
        """Count the disputes about an operator's work by state."""
        rows = await self._database.all("dispute_counts_about", operator)
        return {row["state"]: row["number"] for row in rows}

    async def keep_answer(self, new: NewAnswer) -> bool:
        """Store what an operator answers to an open dispute about their work, once; False if they
        may not.
        """
        place = None if new.region is None else list(new.region)
        values = (new.dispute, new.operator, new.text, place, new.at)
        return await self._database.one("dispute_answer_keep", *values) is not None

    async def one(self, dispute: UUID, owner: UUID | None = None) -> DisputeShown | None:
        return await self._database.row(DisputeShown, "dispute_found", dispute, None, None, owner)

    async def of_unit(self, job: UUID, unit: int) -> DisputeShown | None:
        return await self._database.row(DisputeShown, "dispute_found", None, job, unit, None)

    async def counts(
        self, owner: UUID | None, *, by_gateway: bool | None = None
    ) -> Mapping[str, int]:
        """Count disputes by state."""
        rows = await self._database.all("dispute_counts", owner, by_gateway)
        return {row["state"]: row["number"] for row in rows}

    async def withheld(self) -> WithheldShares:
        """Count the shares that the gateway withholds."""
        return await self._database.only(WithheldShares, "dispute_withheld", WITHHELD_MOST)

    async def comparisons_beside(self, user: UUID, job: UUID, unit: int) -> int:
        """Count the user's open disputes that carry a comparison, without that of this unit."""
        return await self._database.number("comparisons_beside", user, job, unit)

    async def keep_comparison(self, dispute: UUID, given: GivenComparison) -> None:
        """Store the comparison attached to a dispute, once."""
        places = [share for place in given.places for share in place]
        values = (given.verdict, given.said, places, given.picture)
        await self._database.all("comparison_keep", dispute, *values)

    async def keep_problem(
        self, dispute: UUID, problem: str, region: Sequence[float] | None
    ) -> None:
        """Store what its creator reports about a dispute, once."""
        place = None if region is None else list(region)
        await self._database.all("problem_keep", dispute, problem, place)

    async def comparison(self, dispute: UUID) -> Comparison | None:
        """Return the comparison attached to a dispute."""
        return await self._database.row(Comparison, "comparison", dispute)

    async def comparison_picture(self, job: UUID, unit: int, who: UUID | None) -> bytes | None:
        """Return the PNG of the comparison attached to the unit's dispute, if there is one.

        ``who``: the user who asks and must be the unit's creator or operator; None: anybody may.
        """
        row = await self._database.one("comparison_picture", job, unit, who)
        return None if row is None else bytes(row["picture"])

    async def result(self, job: UUID, unit: int, who: UUID | None) -> DisputedResult | None:
        """Return the result of the unit if the unit is disputed and the result has not expired.

        ``who``: as for ``comparison_picture``.
        """
        return await self._database.row(DisputedResult, "disputed_result", job, unit, who)

    async def of_job(self, job: UUID) -> Mapping[int, DisputedUnit]:
        """Return the disputes of a job by unit number."""
        rows = await self._database.all("dispute_of_job", job)
        return {row["unit"]: DisputedUnit(**row) for row in rows}

    async def open_to(
        self, user: UUID, job: UUID, unit: int, *, since: datetime, now: datetime
    ) -> Sequence[DisputableUnit]:
        """Return the unit and its tiles, as far as ``user`` can dispute them at ``now``.

        Work without a share can be disputed if it ended after ``since``.
        """
        return await self._database.rows(
            DisputableUnit, "dispute_open_to", job, unit, user, since, now
        )

    async def entries(self, dispute: UUID, *, everybody: bool) -> Sequence[MovedEntry]:
        """Return the entries of the decision, on the creator's account or on all accounts."""
        return await self._database.rows(MovedEntry, "dispute_entries", dispute, everybody)
