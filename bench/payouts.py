"""Cost of operators' shares in the Ledger: earning, maturing, payout and reading.

    python -m bench.payouts [--shares 5000] [--rounds 3]

Jobs are completed in turns, without and with shares; then all shares of an operator become payable,
a thousand in a batch, and one payout pays them. Goal: a payout of 5,000 shares takes well below the
Ledger's limit of 1.8 s, because other commits wait for its batch.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

import attrs

from actors.ledger.effects import EarningMature, PayoutTake, UnitAssign, UnitComplete
from actors.ledger.messages import Commit, Outcome, Posted
from bench.probe import Table
from sql.account_names import operator_account
from sql.database import Database
from sql.operator_accounts import Operators
from sql.page import Page
from supervisors.engines.offline_postgres import kept_endpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.support.gateway_process import running_gateway
from tests.support.until import until

PRICE, UNITS = 100, 1000
WINDOW = timedelta(days=3)  # longer than the benchmark, so that the gateway itself matures nothing


@attrs.frozen
class Scene:
    stage: Stage
    node: UUID
    operator: UUID

    async def complete(self, *, shares: bool) -> tuple[UUID, float]:
        """Complete a job of a thousand units; return its id and the seconds of the completion."""
        user, job = await self.stage.user(PRICE * UNITS), fresh_id()
        await self.stage.commit(dispatch(user, job, PRICE, UNITS))
        assigned = [UnitAssign(job, number, 1, self.node) for number in range(UNITS)]
        await self.stage.commit(*(Commit((), (effect,)) for effect in assigned))
        account = operator_account(self.operator)
        done = [
            UnitComplete(
                *(job, number, 1, self.node, None),
                verified=shares,
                operator=account,
                dispute_window=WINDOW,
            )
            for number in range(UNITS)
        ]
        return job, await self.timed(*(Commit((), (effect,)) for effect in done))

    async def timed(self, *commits: Commit) -> float:
        began = time.perf_counter()
        outcomes: list[Outcome] = await self.stage.commit(*commits)
        passed = time.perf_counter() - began
        assert all(isinstance(outcome, Posted) for outcome in outcomes), outcomes[:3]
        return passed


async def measure(scene: Scene, reads: Operators, shares: int, rounds: int) -> Table:
    table = Table("what", "ms", "µs for a share")
    without: list[float] = []
    earned: list[float] = []
    ripened: list[float] = []
    paid: list[float] = []
    for _ in range(rounds):
        jobs: list[UUID] = []
        for _ in range(shares // UNITS):
            without.append((await scene.complete(shares=False))[1])
            job, seconds = await scene.complete(shares=True)
            earned.append(seconds)
            jobs.append(job)
        scene.stage.clock.pass_by(WINDOW.total_seconds())
        for job in jobs:
            ripe = [Commit((), (EarningMature(job, number),)) for number in range(UNITS)]
            ripened.append(await scene.timed(*ripe))
        effect = PayoutTake(fresh_id(), scene.operator, "CREDITS")
        paid.append(await scene.timed(Commit((), (effect,))))
    show(table, "completions without a share", median(without), UNITS)
    show(table, "completions with a share", median(earned), UNITS)
    show(table, "shares that become payable", median(ripened), UNITS)
    show(table, f"a payout of {shares:,}", median(paid), shares)
    page = await read(lambda: reads.earnings(scene.operator, None, Page(50)))
    show(table, f"a page of {rounds * shares:,}", page, None)
    show(table, "their totals", await read(lambda: reads.totals(scene.operator)), None)
    return table


async def read(what: Callable[[], Awaitable[Any]]) -> float:
    """Return the median seconds of five calls of ``what``."""
    found: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        await what()
        found.append(time.perf_counter() - began)
    return median(found)


def show(table: Table, what: str, seconds: float, count: int | None) -> None:
    each = "" if count is None else f"{seconds / count * 1e6:,.1f}"
    table.add(what, f"{seconds * 1e3:,.1f}", each)


async def sound(stage: Stage) -> bool:
    """Return True if the audit finds nothing; the log must have the newest entries."""
    return await stage.store.audit() == []


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shares", type=int, default=5_000, help="in thousands, at most 5,000")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    async with running_gateway(RENDERTRUST_EARNINGS_SWEEP_SECONDS="3600") as gateway:
        endpoint = kept_endpoint(gateway.data)
        assert endpoint is not None
        database = Database(lambda: endpoint.app_dsn)
        stage = sql_stage(database)
        stage.clock.time = datetime.now(UTC)
        scene = Scene(stage, await stage.node(), await stage.user())
        reads = Operators(database)
        table = await measure(scene, reads, options.shares, options.rounds)
        await until(lambda: sound(stage), within=60)
        await database.close()
    table.print()


if __name__ == "__main__":
    asyncio.run(main())
