"""Complete lives of jobs per second, compared with a queue that claims jobs by SKIP LOCKED.

    python -m bench.life [--rounds 5] [--seconds 2] [--concurrent 256] [--no-http]

In its life a job is submitted with a hold, dispatched to a node, completed and settled: the creator
is charged, and the node's owner is paid. Both contestants have the same books in the same
PostgreSQL (fsync on), without HTTP or sockets. The gateway's actors run in this process
(bench/inside.py), and so do the baseline's connections (bench/baselines/skip_locked.py), with the
best of four numbers of connections. The baseline has three forms: interactive transactions; one SQL
function per step; functions and the busiest account spread over sixteen accounts. The Ledger runs
without that spread. CPU is the time of process and engines together; it limits the rate where the
disk is fast.

The last row is the whole gateway in a separate process, over HTTP and sockets (bench/crowd.py).
Contestants take turns, round after round.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import aiohttp
import attrs
from prometheus_client import REGISTRY

from bench.baselines.skip_locked import SHARDS_MOST, Interactive, SkipLocked, prepare
from bench.crowd import Crowd
from bench.dispatch import running
from bench.goals import Goal, parse, report
from bench.inside import inside
from bench.probe import Table, cpu_seconds, disk, engines_seconds, machine
from bench.volume import fill
from sql.migrate import migrate
from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import EmbeddedPostgres, PostgresEndpoint
from tests.support.engines import engine_folder

NODES: Final = 20  # of the gateway over HTTP and sockets
CONNECTIONS: Final = (5, 10, 20, 40)
BATCH: Final = "rendertrust_ledger_batch_size"
OURS, OVER_HTTP = "actors", "gateway over HTTP and sockets"
BASELINES: Final[Mapping[str, tuple[type[SkipLocked], int]]] = {
    "SKIP LOCKED, interactive": (Interactive, 1),
    "SKIP LOCKED, functions": (SkipLocked, 1),
    f"SKIP LOCKED, functions, {SHARDS_MOST} platform accounts": (SkipLocked, SHARDS_MOST),
}
GOALS: Final = tuple(
    Goal(f"whole lives of jobs ÷ {name}", 7, "jobs/s", is_minor=True) for name in BASELINES
)
# Runs for the given seconds; returns the number of lives and the seconds taken.
Run: TypeAlias = Callable[[float], Awaitable[tuple[int, float]]]
# Returns the numbers of commits and batches so far.
Batches: TypeAlias = Callable[[], Awaitable[tuple[float, float]]]


@attrs.frozen
class Figure:
    """Lives per second; CPU µs per life of the contestant and of the engines; commits per batch."""

    rate: float
    own: float
    engines: float
    batch: float

    @property
    def cpu(self) -> float:
        return self.own + self.engines


@attrs.frozen
class Contestant:
    """A contestant; ``process`` runs the lives, and this process has started the engines."""

    name: str
    run: Run
    process: int
    engines: int
    batches: Batches

    async def figure(self, seconds: float) -> Figure:
        before = await self.batches()
        own, engines = cpu_seconds(self.process), engines_seconds(self.engines)
        done, took = await self.run(seconds)
        own = (cpu_seconds(self.process) - own) * 1e6 / done
        engines = (engines_seconds(self.engines) - engines) * 1e6 / done
        after = await self.batches()
        batch = (after[0] - before[0]) / max(1.0, after[1] - before[1])
        return Figure(done / took, own, engines, batch)


async def one_each() -> tuple[float, float]:
    """Return zero commits and zero batches, for contestants that do not batch."""
    return 0.0, 0.0


async def in_this_process() -> tuple[float, float]:
    total, number = (REGISTRY.get_sample_value(f"{BATCH}_{name}") for name in ("sum", "count"))
    return total or 0.0, number or 0.0


async def over_http(crowd: Crowd, seconds: float) -> tuple[int, float]:
    took = await crowd.at_once(seconds=seconds)
    await crowd.settle()
    return len(crowd.seen.answered_ms), took


async def best_of(kind: type[SkipLocked], dsn: str, shards: int, connections: Sequence[int]) -> int:
    """Return the number of connections with which a baseline is fastest."""
    rates: dict[int, float] = {}
    for number in connections:
        async with kind.over(dsn, number, shards) as queue:
            await queue.run(0.5)
            done, took = await queue.run(1.5)
        rates[number] = done / took
    return max(rates, key=lambda number: rates[number])


class Bench:
    """The benchmark, which builds the contestants and lets them take turns."""

    def __init__(self, stack: AsyncExitStack, options: argparse.Namespace) -> None:
        self._stack = stack
        self._options = options
        self._figures: dict[str, list[Figure]] = {}

    async def run(self) -> None:
        contestants = await self._contestants()
        for contestant in contestants:
            await contestant.figure(1.0)  # warm-up
        self._figures = {contestant.name: [] for contestant in contestants}
        for _ in range(self._options.rounds):
            for contestant in contestants:
                figure = await contestant.figure(self._options.seconds)
                self._figures[contestant.name].append(figure)

    async def _contestants(self) -> list[Contestant]:
        folder = self._stack.enter_context(engine_folder())
        room = {"max_connections": "250"}  # all contestants stay connected
        engine = EmbeddedPostgres(folder / "data", account=engine_account(), settings=room)
        endpoint = await engine.start()
        self._stack.push_async_callback(engine.stop)
        await migrate(endpoint.owner_dsn)
        await fill(endpoint.owner_dsn, entries=40_000, open_jobs=0, ended_jobs=20_000)
        await prepare(endpoint.owner_dsn)
        print(await disk(folder, endpoint.owner_dsn))
        found = [await self._baseline(name, endpoint, engine.pid) for name in BASELINES]
        tree = await self._stack.enter_async_context(inside(endpoint))
        run = partial(tree.run, concurrent=self._options.concurrent)
        found.insert(0, Contestant(OURS, run, os.getpid(), engine.pid, in_this_process))
        if not self._options.no_http:
            found.append(await self._gateway(folder / "gateway"))
        return found

    async def _baseline(self, name: str, endpoint: PostgresEndpoint, engines: int) -> Contestant:
        kind, shards = BASELINES[name]
        tried = self._options.connections
        number = await best_of(kind, endpoint.owner_dsn, shards, tried)
        print(f"{name}: best with {number} of {tried} connections")
        serving = kind.over(endpoint.owner_dsn, number, shards)
        queue = await self._stack.enter_async_context(serving)
        return Contestant(name, queue.run, os.getpid(), engines, one_each)

    async def _gateway(self, folder: Path) -> Contestant:
        http = await self._stack.enter_async_context(aiohttp.ClientSession())
        started = running(http, folder, NODES, self._options.concurrent)
        crowd = await self._stack.enter_async_context(started)
        assert crowd.gateway.process is not None
        process = crowd.gateway.process.pid
        run, batches = partial(over_http, crowd), partial(crowd.batches, http)
        return Contestant(OVER_HTTP, run, process, process, batches)

    def rates(self, name: str) -> list[float]:
        return [figure.rate for figure in self._figures[name]]

    def ratios(self, name: str) -> tuple[float, float]:
        """Return median ratios: our rate to a contestant's, and its CPU per life to ours."""
        pairs = list(zip(self._figures[OURS], self._figures[name], strict=True))
        rates = median(ours.rate / theirs.rate for ours, theirs in pairs)
        return rates, median(theirs.cpu / ours.cpu for ours, theirs in pairs)

    def table(self) -> Table:
        heading = ("lives of jobs", "per second", "CPU µs", "engines µs", "batch")
        table = Table(*heading, "actors' rate", "CPU")
        for name, figures in self._figures.items():
            middle = [median(column) for column in zip(*map(attrs.astuple, figures), strict=True)]
            rate, own, engines, batch = middle
            cells = [f"{rate:,.0f}", f"{own:,.0f}", f"{engines:,.0f}", f"{batch or 1:.1f}"]
            table.add(name, *cells, *(f"{ratio:.1f} times" for ratio in self.ratios(name)))
        return table


async def measure(options: argparse.Namespace) -> list[Goal]:
    """Run the benchmark, print its table and return the goals."""
    async with AsyncExitStack() as stack:
        bench = Bench(stack, options)
        await bench.run()
    print(f"median of {options.rounds} rounds, {options.concurrent} at once; {machine()}")
    bench.table().print()
    rates = [bench.rates(name) for name in BASELINES]
    return [goal.measured(bench.rates(OURS), them) for goal, them in zip(GOALS, rates, strict=True)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--concurrent", type=int, default=256)
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--no-http", action="store_true", help="without the last row")
    options = parse(parser, {"seconds": 0.3, "connections": (10,), "no_http": True})
    report(asyncio.run(measure(options)), options)
