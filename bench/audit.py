"""Cost of audits of all books, and of audits that cover only new entries.

    python -m bench.audit [--entries 1000000] [--open 10000] [--ended 100000] [--rounds 5]
                          [--transfers 10000] [--jobs 500]

The benchmark fills books of the given size, and their log. In each round the benchmark posts
transfers and ends jobs, audits these transfers and jobs, and then audits everything, as the nightly
audit does. Goal: an audit of a minute's work costs in proportion to that work, not to the size of
the books.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from actors.ledger.effects import Transfer, UnitComplete
from actors.ledger.messages import Commit
from bench.probe import Table, fdatasync_rate, machine
from bench.volume import fill
from sql.account_names import user_account
from sql.database import Database
from sql.fsck import AuditMark
from sql.migrate import migrate
from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import EmbeddedPostgres
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.integration.conformance.test_log import sequencing, wait_until_covered
from tests.support.engines import engine_folder
from tests.support.gateway_process import descendants

PEOPLE, BATCH, TICKS = 1000, 250, 100  # TICKS: clock ticks per second in a process's times
LOG_SIZE = "SELECT max(size) FROM log_head"
Cost = tuple[float, float, float]  # in seconds: wall clock, our CPU time, PostgreSQL's CPU time


def engine_cpu(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants, also of ended ones."""
    total = 0
    for each in (pid, *descendants(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


async def cost(engine: int, work: Callable[[], Awaitable[None]]) -> Cost:
    before = time.perf_counter(), time.process_time(), engine_cpu(engine)
    await work()
    after = time.perf_counter(), time.process_time(), engine_cpu(engine)
    wall, ours, postgres = (b - a for a, b in zip(before, after, strict=True))
    return wall, ours, postgres


class Bench:
    """Books under test; ``leaves`` is the number of leaves that the log should have."""

    def __init__(self, stage: Stage, owner: Any, engine: int, leaves: int) -> None:
        self._stage, self._owner, self._engine, self._leaves = stage, owner, engine, leaves
        self._people: list[str] = []
        self._mark: AuditMark | None = None
        self.looked_at = 0

    async def begin(self) -> None:
        """Create users, wait until the log has all transfers, and mark the end of the books."""
        users = [await self._stage.user(1_000_000) for _ in range(PEOPLE)]
        self._people = [user_account(user) for user in users]
        self._leaves += PEOPLE
        begun = time.perf_counter()
        await self._log_begun()
        print(f"the log was made in {time.perf_counter() - begun:.0f} s")
        self._mark = (await self._stage.store.audit_since(None)).mark

    async def work(self, transfers: int, jobs: int) -> None:
        """Do a minute's work: transfers, and jobs that begin and end."""
        chance = random.Random(transfers)
        for _ in range(0, transfers, BATCH):
            pairs = [chance.sample(self._people, 2) for _ in range(BATCH)]
            moves = [Transfer(a, b, a, 1, "REFUND", str(fresh_id())) for a, b in pairs]
            await self._stage.commit(*(Commit((each,)) for each in moves))
            self._leaves += BATCH
        node, user = await self._stage.node(), await self._stage.user(100 * jobs)
        for _ in range(0, jobs, BATCH):
            ids = [fresh_id() for _ in range(BATCH)]
            await self._stage.commit(*(dispatch(user, job, 100, 1, node) for job in ids))
            done = [UnitComplete(job, 0, 1, node, None) for job in ids]
            await self._stage.commit(*(Commit((), (each,)) for each in done))
            self._leaves += BATCH
        self._leaves += 1
        await self._sequenced()

    async def _sequenced(self) -> None:
        async with sequencing(self._stage, every_seconds=0.5):
            await wait_until_covered(self._stage, self._leaves)

    async def _log_begun(self) -> None:
        """Wait until the log has all transfers, and keep the planner's statistics up to date."""
        async with sequencing(self._stage, every_seconds=0.1):
            while await self._owner.fetchval(LOG_SIZE) != self._leaves:
                await self._owner.execute("ANALYZE leaves, tiles, checkpoints")
                await asyncio.sleep(0.5)

    async def since(self) -> Cost:
        async def audit() -> None:
            increment = await self._stage.store.audit_since(self._mark)
            assert not increment.findings, increment.findings
            self._mark, self.looked_at = increment.mark, increment.looked_at

        return await cost(self._engine, audit)

    async def whole(self) -> Cost:
        async def audit() -> None:
            findings = await self._stage.store.audit()
            assert not findings, findings

        return await cost(self._engine, audit)


async def measure(bench: Bench, options: argparse.Namespace) -> Table:
    rows: dict[str, list[Cost]] = {"all": [], "of the work": [], "of nothing": []}
    looked_at = 0
    for _ in range(options.rounds):
        await bench.work(options.transfers, options.jobs)
        rows["of the work"].append(await bench.since())
        looked_at = bench.looked_at
        rows["of nothing"].append(await bench.since())
        rows["all"].append(await bench.whole())
    table = Table("seconds of an audit", "in all", "CPU here", "CPU of PostgreSQL")
    for name, costs in rows.items():
        table.add(name, *(f"{median(column):.3f}" for column in zip(*costs, strict=True)))
    print(f"rows in an audit of the work: {looked_at:,}")
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--ended", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--transfers", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=500)
    options = parser.parse_args()
    print(machine())
    with engine_folder() as folder:
        print(f"fdatasync: {fdatasync_rate(folder):,.0f}/s; PostgreSQL's fsync is on")
        engine = EmbeddedPostgres(folder / "data", account=engine_account())
        endpoint = await engine.start()
        await migrate(endpoint.owner_dsn)
        sizes = {"entries": options.entries, "open_jobs": options.open, "ended_jobs": options.ended}
        await fill(endpoint.owner_dsn, **sizes)
        database = Database(lambda: endpoint.app_dsn)
        stage = sql_stage(database)
        stage.clock.time = datetime.now(UTC)
        owner = await asyncpg.connect(endpoint.owner_dsn)
        bench = Bench(stage, owner, engine.pid, options.entries // 2)
        await bench.begin()
        table = await measure(bench, options)
        await owner.close()
        await database.close()
        await engine.stop()
    print(f"{options.entries:,} entries, {options.open:,} open jobs; {machine()}")
    table.print()


if __name__ == "__main__":
    asyncio.run(main())
