"""Dispatches per second through a real gateway, and the time until a dispatch is on the socket.

    python -m bench.dispatch [--seconds 4] [--rounds 5] [--concurrent 64] [--rate 200]
                             [--nodes 10] [--connected 1000] [--many 10000]

The gateway runs in a separate process on embedded engines (fsync on); this process plays creators
and nodes over bare sockets. Rows: nodes that keep their jobs (the cost of a dispatch alone), nodes
that answer at once (complete jobs), and a steady rate. A second gateway has ``--connected`` nodes,
and a third many more rows in ``nodes``, which this program inserts. Rounds are interleaved. ``one
core``: the rate that the gateway's CPU time would allow on a dedicated core.
"""

import argparse
import asyncio
import os
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

import aiohttp
import asyncpg
import attrs

from bench.crowd import JOB_TYPE, SETTINGS, Crowd
from bench.goals import Goal, parse, report
from bench.probe import Table, fdatasync_rate, machine, percentiles
from bench.volume import fill
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.gateway_process import Gateway

SLOTS = 256
GOALS: Final = (
    Goal("dispatches per core, 64 at once", 4_000, "jobs/s", is_ratio=False),
    Goal("dispatch at 200/s, p50 to the socket", 5, "ms", at_most=True, is_ratio=False),
    Goal("dispatch at 200/s, CPU of the gateway", 0.8, "ms", at_most=True, is_ratio=False),
    Goal("whole life of a job, 1,000 nodes, CPU", 0.4, "ms", at_most=True, is_ratio=False),
)
HEARTBEATS = """
INSERT INTO nodes (id, name, public_key, capabilities, status, seen_at)
SELECT id, 'known by heartbeat', decode(md5(id::text) || md5(id::text), 'hex'), $2, 'HEALTHY',
       now() + interval '1 day'
FROM unnest($1::uuid[]) AS n (id)
"""


@attrs.frozen
class Figure:
    """Results of a load: rates per second, CPU µs per job, commits per batch, milliseconds."""

    rate: float
    one_core: float
    gateway: float
    engines: float
    load: float
    batch: float
    answer_p50: float
    answer_p99: float
    socket_p50: float
    socket_p99: float


@attrs.frozen
class Bench:
    """Figures for each row of the table, one per round."""

    http: aiohttp.ClientSession
    rows: dict[str, list[Figure]] = attrs.field(factory=lambda: defaultdict(list))

    async def measure(self, label: str, crowd: Crowd, load: Awaitable[float]) -> None:
        batches, cost = await crowd.batches(self.http), crowd.cost()
        took = await load
        if crowd.answers:
            await crowd.settle()
        spent, seen = crowd.cost(), crowd.seen
        after, done = await crowd.batches(self.http), len(seen.answered_ms)
        used = spent.since(cost, done)
        batch = (after[0] - batches[0]) / max(1.0, after[1] - batches[1])
        latencies = [*percentiles(seen.answered_ms), *percentiles(seen.on_socket_ms())]
        figure = Figure(done / took, 1e6 / max(used[0], 1.0), *used, batch, *latencies)
        self.rows[label].append(figure)

    def figures(self, label: str, what: Callable[[Figure], float]) -> list[float]:
        return [what(figure) for figure in self.rows[label]]

    def table(self) -> Table:
        table = Table(
            *("load", "jobs/s", "one core/s", "gateway µs", "engines µs", "load µs", "batch"),
            *("answer p50 ms", "p99", "on socket p50 ms", "p99"),
        )
        for label, rounds in self.rows.items():
            mid = [median(column) for column in zip(*map(attrs.astuple, rounds), strict=True)]
            table.add(label, *(f"{v:,.0f}" for v in mid[:5]), *(f"{v:,.1f}" for v in mid[5:]))
        return table


@asynccontextmanager
async def running(
    http: aiohttp.ClientSession, folder: Path, nodes: int, concurrent: int, known: int = 0
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
        await crowd.connect_nodes(http, nodes, SLOTS)
        await crowd.register_creators(http, concurrent)
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


async def compare(
    bench: Bench, few: Crowd, others: Mapping[str, Crowd], options: argparse.Namespace
) -> None:
    jobs = min(options.nodes * SLOTS * 9 // 10, int(options.seconds * 1000))
    at_once, seconds = f"{options.concurrent} at once", options.seconds
    for _ in range(options.rounds):
        for words, crowd in ({"": few} | dict(others)).items():
            crowd.answers = False
            await bench.measure(f"{at_once}, kept{words}", crowd, crowd.at_once(jobs=jobs))
            await crowd.give_results()
            crowd.answers = True
            load = crowd.at_once(seconds=seconds / 2)
            await bench.measure(f"{at_once}, answered{words}", crowd, load)
        load = few.at_a_rate(seconds, options.rate)
        await bench.measure(f"{options.rate:g}/s, answered", few, load)


def measured(bench: Bench, options: argparse.Namespace) -> list[Goal]:
    """Return the goals with their figures."""
    kept, steady = f"{options.concurrent} at once, kept", f"{options.rate:g}/s, answered"
    lives = f"{options.concurrent} at once, answered{connected(options.connected)}"
    figures: list[list[float]] = [
        bench.figures(kept, lambda figure: figure.one_core),
        bench.figures(steady, lambda figure: figure.socket_p50),
        bench.figures(steady, lambda figure: figure.gateway / 1e3),
        bench.figures(lives, lambda figure: figure.gateway / 1e3),
    ]
    return [goal.measured(found) for goal, found in zip(GOALS, figures, strict=True)]


def connected(nodes: int) -> str:
    return f", {nodes:,} nodes connected"


async def measure(options: argparse.Namespace) -> list[Goal]:
    """Run the benchmark, print its table and return the goals."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        os.chmod(folder, 0o711)  # noqa: PTH101 - engines of root run as somebody else
        print(f"fdatasync here: {fdatasync_rate(folder):,.0f}/s; PostgreSQL's fsync is on")
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def gateway(name: str, nodes: int, known: int = 0) -> Crowd:
            started = running(http, folder / name, nodes, options.concurrent, known)
            return await stack.enter_async_context(started)

        few = await gateway("few", options.nodes)
        others = {connected(options.connected): await gateway("connected", options.connected)}
        if options.many:
            words = f", {options.many:,} nodes known"
            others[words] = await gateway("many", options.nodes, options.many)
        bench = Bench(http)
        await compare(bench, few, others, options)
        print(f"{options.nodes} nodes connected; {machine()}; {few.seen.refused} refused")
        bench.table().print()
    return measured(bench, options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--concurrent", type=int, default=64)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--connected", type=int, default=1_000, help="nodes of the second gateway")
    parser.add_argument("--many", type=int, default=10_000, help="0: no third gateway")
    options = parse(parser, {"seconds": 0.5, "concurrent": 8, "connected": 20, "many": 0})
    report(asyncio.run(measure(options)), options)
