"""Earnings of operators by day and by node, pending earnings, and results that were not paid."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table
from sql.units import result_key, sheet_key

HOUR_SECONDS: Final = 3600
SECONDS_LEAST: Final = 60  # shorter work says nothing about an hour
NODES_MOST: Final = 1_000  # nodes of an operator with sums of their own
DEVICES_MOST: Final = 50  # kinds of devices of an operator
COMING_MOST: Final = 100  # days on which pending earnings become payable


@attrs.frozen
class EarningSum:
    """Earnings of an operator on a day, with a node, or in a whole period; and the nodes' work.

    ``day`` or ``node_id`` is None unless the sum is of a day or a node; ``node``: its name.
    ``lost``: earnings that were reversed or forfeited, not part of ``earned``. ``seconds``: the
    time at work on units that were completed. ``nodes``: the number of nodes.
    """

    day: date | None = None
    node_id: UUID | None = None
    node: str | None = None
    earned: int = 0
    lost: int = 0
    units: int = 0
    frames: int = 0
    seconds: float = 0.0
    nodes: int = 0

    @property
    def per_hour(self) -> int | None:
        """The earnings for each hour at work; None if that was under a minute."""
        return per_hour(self.earned, self.seconds)


@attrs.frozen
class EarningSums:
    """The sums of a period: all of it, the days with any (oldest first), and the nodes that earned
    most (``total.nodes`` counts all of them).
    """

    total: EarningSum
    days: Sequence[EarningSum]
    nodes: Sequence[EarningSum]


@attrs.frozen
class DeviceSum:
    """Earnings with one kind of device in a period, and its speed.

    ``device_class``: without the build of Blender. ``seconds``: the time at work. In
    ``measured_seconds`` its nodes did the work that takes the machine which measures prices
    ``reference_seconds``.
    """

    device_class: str
    nodes: int
    units: int
    frames: int
    earned: int
    lost: int
    seconds: float
    measured_seconds: float
    reference_seconds: float

    @property
    def per_hour(self) -> int | None:
        """The earnings for each hour at work; None if that was under a minute."""
        return per_hour(self.earned, self.seconds)

    @property
    def speed(self) -> float | None:
        """The work in a second, in seconds of the machine that measures prices; None if units with
        measured prices took under a minute.
        """
        if self.measured_seconds < SECONDS_LEAST:
            return None
        return self.reference_seconds / self.measured_seconds


def per_hour(earned: int, seconds: float) -> int | None:
    """Return the earnings for each hour; None if the time says nothing about an hour."""
    return None if seconds < SECONDS_LEAST else round(earned * HOUR_SECONDS / seconds)


@attrs.frozen
class ComingEarnings:
    """Pending earnings that become payable on a day, or stay pending while they are disputed."""

    day: date
    disputed: bool
    units: int
    amount: int


@attrs.frozen
class UnpaidResult:
    """A result that was not paid; ``amount``: what it would have earned.

    ``state``: of its earning, if it was reversed or forfeited. ``verdict``: None if the result
    needed no check. ``decision``: as in ``ShareRow``. ``verified``: the node had proved its key.
    ``dispute``: the unit's dispute; ``has_picture``: it has a picture of a comparison. ``frames``,
    ``tile`` and ``grid`` identify the unit. ``compared``: as in ``ledger.effects.Comparison``; None
    without a comparison.
    """

    job_id: UUID
    unit: int
    node_id: UUID
    at: datetime
    amount: int
    state: str | None
    verdict: str | None
    reason: str | None
    said: str
    verified: bool
    decision: str | None
    node: str
    job_type: str
    frames: str | None
    tile: int | None
    grid: Sequence[int] | None
    dispute: UUID | None
    has_picture: bool
    attempt: int
    compared: str | None


class EarningFigures(Table):
    """Queries of an operator's earnings by period; days are UTC and inclusive.

    Methods raise ``sql.database.Unavailable`` while the database is down.
    """

    async def sums(self, operator: UUID, first: date, last: date) -> EarningSums:
        """Return what the operator earned from ``first`` to ``last``."""
        wanted = (operator, first, last, NODES_MOST)
        rows = await self._database.rows(EarningSum, "earning_sums", *wanted)
        return EarningSums(
            next(row for row in rows if row.day is None and row.node_id is None),
            [row for row in rows if row.day is not None],
            [row for row in rows if row.node_id is not None],
        )

    async def devices(self, operator: UUID, first: date, last: date) -> Sequence[DeviceSum]:
        """Return what the operator earned with each kind of device, the most first."""
        wanted = (operator, first, last, DEVICES_MOST)
        return await self._database.rows(DeviceSum, "earning_devices", *wanted)

    async def coming(self, operator: UUID) -> Sequence[ComingEarnings]:
        """Return the operator's pending earnings by day, soonest first."""
        return await self._database.rows(ComingEarnings, "earnings_coming", operator, COMING_MOST)

    async def unpaid(
        self,
        operator: UUID,
        first: date,
        last: date,
        limit: int,
        share: int,
        *,
        node: UUID | None = None,
    ) -> Sequence[UnpaidResult]:
        """Return results of the operator's nodes that were not paid, newest first.

        ``share``: the percent of a charge that operators get now. ``node``: only this node's.
        """
        wanted = (operator, first, last, limit, share, node)
        return await self._database.rows(UnpaidResult, "unpaid_results", *wanted)

    async def comparison_key(
        self, operator: UUID, job: UUID, unit: int, attempt: int | None = None
    ) -> str | None:
        """Return the key of the comparison sheet of an invalid result of the operator's nodes; None
        if no verifier rendered its whole frame.

        ``attempt``: None means the newest attempt that has a sheet.
        """
        row = await self._database.one("unpaid_comparison", job, unit, attempt, operator)
        if row is None:
            return None
        return sheet_key(result_key(row["user"], job, unit, row["attempt"]))
