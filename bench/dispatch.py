"""Dispatches per second through a real gateway, and the time until a dispatch is on the socket.

    python -m bench.dispatch [--seconds 4] [--rounds 3] [--concurrent 64] [--rate 200]
                             [--nodes 10] [--many 10000]

The gateway runs in a separate process on embedded engines (fsync on); this process plays creators
and nodes over bare sockets. Rows: nodes that keep their jobs (the cost of a dispatch alone), nodes
that answer at once (complete jobs), a steady rate, and a second gateway with many more rows in
``nodes``, which this program inserts. Rounds are interleaved. ``one core``: the rate that the
gateway's CPU time would allow on a dedicated core.
"""

import argparse
import asyncio
import os
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import uuid4

import aiohttp
import asyncpg

from bench.crowd import JOB_TYPE, SETTINGS, Crowd
from bench.probe import Table, fdatasync_rate, machine, percentiles
from bench.volume import fill
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.gateway_process import Gateway

SLOTS = 256
HEARTBEATS = """
INSERT INTO nodes (id, name, public_key, capabilities, status, seen_at)
SELECT id, 'known by heartbeat', decode(md5(id::text) || md5(id::text), 'hex'), $2, 'HEALTHY',
       now() + interval '1 day'
FROM unnest($1::uuid[]) AS n (id)
"""


@dataclass
class Bench:
    """Figures for each row of the table, one per round."""

    http: aiohttp.ClientSession
    rows: dict[str, list[list[float]]]

    async def measure(self, label: str, crowd: Crowd, load: Awaitable[float]) -> None:
        batches, cost = await crowd.batches(self.http), crowd.cost()
        took = await load
        if crowd.answers:
            await crowd.settle()
        spent, seen = crowd.cost(), crowd.seen
        after, done = await crowd.batches(self.http), len(seen.answered_ms)
        used = spent.since(cost, done)
        batch = (after[0] - batches[0]) / max(1.0, after[1] - batches[1])
        figures = [done / took, 1e6 / max(used[0], 1.0), *used, batch]
        latencies = [*percentiles(seen.answered_ms), *percentiles(seen.on_socket_ms())]
        self.rows[label].append([*figures, *latencies])

    def table(self) -> Table:
        table = Table(
            *("load", "jobs/s", "one core/s", "gateway µs", "engines µs", "load µs", "batch"),
            *("answer p50 ms", "p99", "on socket p50 ms", "p99"),
        )
        for label, rounds in self.rows.items():
            mid = [median(column) for column in zip(*rounds, strict=True)]
            table.add(label, *(f"{v:,.0f}" for v in mid[:5]), *(f"{v:,.1f}" for v in mid[5:]))
        return table


@asynccontextmanager
async def running(
    http: aiohttp.ClientSession, folder: Path, options: argparse.Namespace, known: int = 0
) -> AsyncGenerator[Crowd]:
    """Run a gateway with its load; ``known`` more nodes exist without a connection."""
    gateway = Gateway(folder, **SETTINGS)
    await gateway.start()
    crowd = Crowd(gateway)
    try:
        # Fill the tables first, because PostgreSQL makes other plans for empty tables.
        await fill(owner_dsn(folder), entries=40_000, open_jobs=0, ended_jobs=20_000)
        if known:
            await insert_nodes(folder, known)
            await gateway.stop()
            await gateway.start()  # a gateway reads at its start which nodes are healthy
        await crowd.connect_nodes(http, options.nodes, SLOTS)
        await crowd.register_creators(http, options.concurrent)
        await asyncio.sleep(0.5)
        await crowd.at_once(jobs=500)  # warm-up
        await crowd.settle()
        yield crowd
    finally:
        crowd.close()
        await gateway.stop()


def owner_dsn(folder: Path) -> str:
    endpoint = kept_endpoint(folder)
    assert endpoint is not None
    return endpoint.owner_dsn


async def insert_nodes(folder: Path, number: int) -> None:
    connection = await asyncpg.connect(owner_dsn(folder))
    await connection.execute(HEARTBEATS, [uuid4() for _ in range(number)], [JOB_TYPE])
    await connection.close()


async def compare(bench: Bench, few: Crowd, many: Crowd, options: argparse.Namespace) -> None:
    jobs = min(options.nodes * SLOTS * 9 // 10, int(options.seconds * 1000))
    known = {"": few}
    if many is not few:
        known[f", {options.many:,} nodes known"] = many
    for _ in range(options.rounds):
        for words, crowd in known.items():
            crowd.answers = False
            label = f"{options.concurrent} at once, kept{words}"
            await bench.measure(label, crowd, crowd.at_once(jobs=jobs))
            await crowd.give_results()
            crowd.answers = True
            seconds = options.seconds / options.rounds
            label = f"{options.concurrent} at once, answered{words}"
            await bench.measure(label, crowd, crowd.at_once(seconds=seconds))
    load = few.at_a_rate(options.seconds, options.rate)
    await bench.measure(f"{options.rate:g}/s, answered", few, load)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrent", type=int, default=64)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--many", type=int, default=10_000, help="0: no second gateway")
    options = parser.parse_args()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        os.chmod(folder, 0o711)  # noqa: PTH101 - engines of root run as somebody else
        print(f"fdatasync here: {fdatasync_rate(folder):,.0f}/s; PostgreSQL's fsync is on")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        few = many = await stack.enter_async_context(running(http, folder / "few", options))
        if options.many:
            another = running(http, folder / "many", options, known=options.many)
            many = await stack.enter_async_context(another)
        bench = Bench(http, defaultdict(list))
        await compare(bench, few, many, options)
        print(f"{options.nodes} nodes connected; {machine()}; {few.seen.refused} refused")
        bench.table().print()


if __name__ == "__main__":
    asyncio.run(main())
