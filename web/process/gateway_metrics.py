"""Metrics of the whole gateway: the database's figures, its pool, the dependencies, the log.

The metrics are read on request. The database and the dependencies are read at most every ten
seconds, however many requests there are.
"""

import asyncio
import math
import platform
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

import rendertrust
from actors.ports import Clock
from rendertrust.money import UNITS_PER_CREDIT
from sql.database import Unavailable
from sql.gateway_totals import GatewayTotals, read_totals
from sql.halts import Halts
from supervisors.snapshot import Snapshot
from web.process.actor_metrics import ActorMetrics
from web.process.log_writer import LINES
from web.process.readiness import PROBE_SECONDS, LogState, Probe, log_state, readiness_of

if TYPE_CHECKING:
    from sql.database import Database

JOBS: Final = Gauge("rendertrust_jobs", "Open jobs by state.", ["state"])
NODES: Final = Gauge("rendertrust_nodes", "Nodes by status.", ["status"])
HOLDS: Final = Gauge("rendertrust_holds_open", "Holds that are neither settled nor released.")
HELD: Final = Gauge("rendertrust_credits_held", "Credits in open holds.")
CHECKS: Final = Gauge("rendertrust_checks_waiting", "Deliveries that wait for their verdict.")
OLDEST_CHECK: Final = Gauge(
    "rendertrust_checks_oldest_seconds", "How long the oldest delivery has waited for its verdict."
)
OVERDUE: Final = Gauge(
    "rendertrust_checks_overdue",
    "Of the oldest 1,000 deliveries, those that wait over a minute and 10 times their render time.",
)
WITHHELD: Final = Gauge(
    "rendertrust_shares_withheld", "Shares that have been held back for a check for 30 days."
)
UP: Final = Gauge("rendertrust_dependency_up", "1: it answers; 0: it does not.", ["dependency"])
POOL: Final = Gauge("rendertrust_database_connections", "Connections of the pool that are open.")
POOL_BUSY: Final = Gauge(
    "rendertrust_database_connections_busy", "Connections of the pool that are in use."
)
POOL_MOST: Final = Gauge(
    "rendertrust_database_connections_max", "Most connections that the pool may have."
)
UNANCHORED: Final = Gauge(
    "rendertrust_log_unanchored", "Leaves of the log that no confirmed anchor covers."
)
WAITS: Final = Gauge(
    "rendertrust_anchor_lag_seconds", "How long the oldest checkpoint waits for its anchor."
)
HALTED: Final = Gauge(
    "rendertrust_log_halted",
    "1: nothing is written, as the chain or the gateway's checkpoint file contradicts the log.",
)
BUILD: Final = Gauge(
    "rendertrust_build_info", "Always 1; the labels say which program runs.", ["version", "python"]
)
DROPPED: Final = Counter("rendertrust_log_lines_dropped", "Lines that were not read in time.")
FRESH_SECONDS: Final = 10.0


class GatewayMetrics:
    def __init__(
        self, database: "Database", probes: Mapping[str, Probe], clock: Clock, halts: Halts
    ) -> None:
        self._database, self._probes, self._clock = database, probes, clock
        self._halts = halts
        self._actors = ActorMetrics()
        BUILD.labels(rendertrust.__version__, platform.python_version()).set(1)
        self._stale_at = -math.inf
        self._dropped = 0
        self._reading = asyncio.Lock()  # concurrent requests wait for one reading

    async def show(self, tree: Snapshot) -> None:
        """Update every metric; while the database is down, the last figures of the database
        stay.
        """
        self._actors.show(tree)
        self._show_here()
        async with self._reading:
            now = self._clock.monotonic()
            if now >= self._stale_at:
                self._stale_at = now + FRESH_SECONDS
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._ask())
                    group.create_task(self._count())

    def _show_here(self) -> None:
        pool = self._database.pool_use()
        POOL.set(pool.open)
        POOL_BUSY.set(pool.busy)
        POOL_MOST.set(pool.most)
        DROPPED.inc(LINES.dropped - self._dropped)
        self._dropped = LINES.dropped

    async def _ask(self) -> None:
        found = await readiness_of(self._probes)
        for name, answer in found.checks.items():
            UP.labels(name).set(answer == "connected")

    async def _count(self) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                show_totals(await read_totals(self._database))
        except (Unavailable, TimeoutError):
            return  # the metric ``dependency_up`` shows that the database is down
        show_log(await log_state(self._database, self._halts), self._clock.now())


def show_totals(totals: GatewayTotals) -> None:
    """Set the gauges from a reading of the database."""
    for gauge, figures in ((JOBS, totals.jobs), (NODES, totals.nodes)):
        for name, count in figures.items():
            gauge.labels(name).set(count)
    HOLDS.set(totals.holds)
    HELD.set(totals.held / UNITS_PER_CREDIT)
    CHECKS.set(totals.checks.waiting)
    OLDEST_CHECK.set(totals.checks.oldest)
    OVERDUE.set(totals.checks.overdue)
    WITHHELD.set(totals.checks.withheld)


def show_log(log: LogState | None, now: datetime) -> None:
    """Set the gauges from the state of the log, if known."""
    if log is None:
        return
    since = log.unanchored_since
    UNANCHORED.set(log.unanchored or 0)
    WAITS.set(0.0 if since is None else max((now - since).total_seconds(), 0.0))
    HALTED.set(log.halted is not None)
