"""Cost of a unit in the Ledger, by the number of units of its job.

    python -m bench.settle [--units 10,100,1000] [--concurrent 10] [--rounds 3]

Every unit of a job is assigned, started and completed by separate commits, ``--concurrent`` units
at a time. The sizes take turns; the table shows medians. Goal: a unit costs the same in any job, so
that the time of a job is linear in its units.
"""

import argparse
import asyncio
import time
from statistics import median
from uuid import UUID

from actors.ledger.effects import Effect, UnitAssign, UnitComplete, UnitStart
from actors.ledger.messages import Commit
from bench.probe import Table
from sql.database import Database
from supervisors.engines.offline_postgres import kept_endpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.support.gateway_process import running_gateway

PRICE = 100


def life(job: UUID, number: int, node: UUID) -> tuple[Effect, ...]:
    return (
        UnitAssign(job, number, 1, node),
        UnitStart(job, number, 1, node),
        UnitComplete(job, number, 1, node, None),
    )


async def settle(stage: Stage, units: int, concurrent: int) -> float:
    """Return the seconds for all units of a job of this size."""
    user, node, job = await stage.user(PRICE * units), await stage.node(), fresh_id()
    await stage.commit(dispatch(user, job, PRICE, units))
    began = time.perf_counter()
    for first in range(0, units, concurrent):
        numbers = range(first, min(first + concurrent, units))
        lives = [life(job, number, node) for number in numbers]
        for effects in zip(*lives, strict=True):
            await stage.commit(*(Commit((), (effect,)) for effect in effects))
    passed = time.perf_counter() - began
    assert await stage.status(job) == "COMPLETED"
    return passed


async def measure(stage: Stage, sizes: list[int], concurrent: int, rounds: int) -> Table:
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            times[size].append(await settle(stage, size, concurrent))
    table = Table("units of the job", "ms for the job", "µs for a unit")
    for size, found in times.items():
        seconds = median(found)
        table.add(str(size), f"{seconds * 1e3:,.0f}", f"{seconds / size * 1e6:,.0f}")
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", default="10,100,1000")
    parser.add_argument("--concurrent", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sizes = [int(size) for size in options.units.split(",")]
    async with running_gateway() as gateway:
        endpoint = kept_endpoint(gateway.data)
        assert endpoint is not None
        database = Database(lambda: endpoint.app_dsn)
        table = await measure(sql_stage(database), sizes, options.concurrent, options.rounds)
        await database.close()
    table.print()


if __name__ == "__main__":
    asyncio.run(main())
