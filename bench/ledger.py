"""Durable double-entry transfers per second: the Ledger compared with ledgers that do not batch.

    python -m bench.ledger [--rounds 5] [--seconds 2]

A transfer moves an amount of 1 from one of 1,000 users to the platform, once per reference, if the
user has the amount. A transfer of the Ledger writes one row, with both sides; a transfer of the
baselines writes a row of transfers and two of entries. All contestants have the same checks in the
same PostgreSQL (fsync on), without HTTP. The baselines (bench/baselines/double_entry.py) use an
interactive transaction, or one SQL function, per transfer. Each baseline runs with the best of four
numbers of connections for each load. Each baseline also runs with the platform's account spread
over sixteen accounts; the Ledger runs with one account. In loads with holds, a hold is placed by
one transaction and settled by another. In the Ledger a hold belongs to a unit of a job, so one
commit inserts a job and another completes it, which also writes rows of jobs and units. In "hot",
one user pays everything. COPY writes the Ledger's rows into a table like the Ledger's.

CPU is the time of the process and the engines together. No checkpoint happens during a run, because
it would slow the current contestant. Contestants take turns; ratios are medians over the rounds.

The goals are in ``COMPARISONS``; the platform's account of a baseline is one row unless said.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Final, Protocol, TypeAlias
from uuid import uuid4

import attrs
from prometheus_client import REGISTRY

from bench.baselines import double_entry
from bench.baselines.double_entry import PLATFORMS, Function, Interactive
from bench.books import (
    INDEXED,
    REFERRING,
    ROWS_OF_TRANSFER,
    Books,
    Copy,
    Pair,
    analyse,
    books,
    check,
)
from bench.goals import Goal, parse, report
from bench.probe import (
    Table,
    cpu_seconds,
    disk,
    engines_seconds,
    fdatasync_rate,
    machine,
    percentiles,
)
from sql.migrate import migrate
from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import EmbeddedPostgres
from tests.support.engines import engine_folder
from web.process.memory_tuning import settle_down

PEOPLE: Final = 1_000
UNITS: Final = 1_000_000_000
EARLIER: Final = 20_000  # transfers that exist before the run
COPIED: Final = 20_000  # transfers, with their entries
CONNECTIONS: Final = (5, 10, 20, 40)
MANY: Final = 256
BATCH: Final = "rendertrust_ledger_batch_size"
# No checkpoint begins by itself.
SETTINGS: Final = {
    "max_connections": "250",
    "max_wal_size": "24GB",
    "checkpoint_timeout": "1h",
}


class Writer(Protocol):
    """Writer of books, which identifies users and the platform's accounts by number."""

    async def post(self, payer: int, platform: int, reference: str, /) -> None: ...
    async def place(self, payer: int, reference: str, /) -> None: ...
    async def settle(self, reference: str, platform: int, /) -> None: ...


@attrs.frozen
class Load:
    """A load: numbers of concurrent transfers, users and platform accounts; ``hold`` adds holds."""

    concurrent: int = MANY
    people: int = PEOPLE
    platforms: int = 1
    hold: bool = False

    async def put_on(self, writer: Writer, seconds: float) -> tuple[list[float], float]:
        """Return the milliseconds of each transfer, and the seconds of the whole load."""
        begun = time.perf_counter()
        workers = (self._work(writer, n, begun + seconds) for n in range(self.concurrent))
        latencies = [each for worker in await asyncio.gather(*workers) for each in worker]
        return latencies, time.perf_counter() - begun

    async def _work(self, writer: Writer, number: int, until: float) -> list[float]:
        latencies: list[float] = []
        while (begun := time.perf_counter()) < until:
            turn = number + self.concurrent * len(latencies)
            reference = f"job:{uuid4()}:0"
            if self.hold:
                await writer.place(turn % self.people, reference)
                await writer.settle(reference, turn % self.platforms)
            else:
                await writer.post(turn % self.people, turn % self.platforms, reference)
            latencies.append((time.perf_counter() - begun) * 1e3)
        return latencies


@attrs.frozen
class Figure:
    """Results of a run: transfers per second, ms, CPU µs per transfer, transfers per batch."""

    rate: float
    p50: float
    p99: float
    own: float
    engines: float
    batch: float

    @property
    def cells(self) -> tuple[str, ...]:
        times = (f"{self.p50:,.2f}", f"{self.p99:,.2f}")
        return f"{self.rate:,.0f}", *times, f"{self.own:,.0f}", f"{self.engines:,.0f}"


LOADS: Final[Mapping[str, Load]] = {
    "1,000 users": Load(),
    f"{PLATFORMS} platform accounts": Load(platforms=PLATFORMS),
    "hot user": Load(people=1),
    "holds": Load(hold=True),
    f"holds, {PLATFORMS} platform accounts": Load(hold=True, platforms=PLATFORMS),
    "one at a time": Load(concurrent=1),
    "2,048 at once": Load(concurrent=2_048),
}
PLAIN, SPREAD, HOT, HOLDS, HOLDS_SPREAD, ALONE, CROWD = LOADS
OURS, PAIR, INTERACTIVE, FUNCTION = "Ledger", "two Ledgers", "interactive", "function"
KINDS: Final[Mapping[str, type[Function]]] = {INTERACTIVE: Interactive, FUNCTION: Function}
COPY, COPY_REFERENCES = "COPY", "COPY with foreign keys"
BESIDE: Final = (PLAIN, SPREAD, HOT, HOLDS, HOLDS_SPREAD)
Name: TypeAlias = tuple[str, str]  # contestant and load
Run: TypeAlias = Callable[[], Awaitable[Figure]]


class Contest:
    """All contestants over one PostgreSQL, which take turns."""

    def __init__(self, stack: AsyncExitStack, options: argparse.Namespace) -> None:
        self._stack = stack
        self._seconds: float = options.seconds
        self._rounds: int = options.rounds
        self._connections: Sequence[int] = options.connections
        self._engines = 0
        self._runs: dict[Name, Run] = {}
        self.figures: dict[Name, list[Figure]] = {}
        self.probes: list[float] = []

    async def run(self) -> None:
        """Prepare all contestants and run the rounds."""
        folder = self._stack.enter_context(engine_folder())
        engine = EmbeddedPostgres(folder / "data", account=engine_account(), settings=SETTINGS)
        endpoint = await engine.start()
        self._stack.push_async_callback(engine.stop)
        self._engines = engine.pid
        await migrate(endpoint.owner_dsn)
        await double_entry.prepare(endpoint.owner_dsn, PEOPLE, UNITS, EARLIER)
        print(await disk(folder, endpoint.owner_dsn))
        ours = await self._stack.enter_async_context(books(endpoint, PEOPLE, UNITS))
        await self._ours(ours)
        another = await self._stack.enter_async_context(books(endpoint, PEOPLE, UNITS))
        for load in (PLAIN, HOLDS):
            self._add(PAIR, load, Pair(ours, another))
        settle_down()  # as in a gateway
        await analyse(endpoint)
        for kind in KINDS:
            await self._baselines(kind, endpoint.owner_dsn)
        self._copies(await self._stack.enter_async_context(Copy.of(endpoint, COPIED)))
        self.figures = {name: [] for name in self._runs}
        for _ in range(self._rounds):
            self.probes.append(fdatasync_rate(folder))
            for name, run in self._runs.items():
                self.figures[name].append(await run())
        await double_entry.check(endpoint.owner_dsn, UNITS)
        await check(endpoint)

    async def _ours(self, ours: Books) -> None:
        while (await self._measured(ours, Load(), 1.0))[1] < EARLIER:
            pass  # the baselines have as many transfers
        for load in (PLAIN, HOT, HOLDS, CROWD, ALONE):
            self._add(OURS, load, ours)

    async def _baselines(self, kind: str, dsn: str) -> None:
        """Add a baseline, each load with its best number of connections."""
        writers: dict[int, Writer] = {}
        for number in self._connections:
            over = KINDS[kind].over(dsn, number)
            writers[number] = await self._stack.enter_async_context(over)
        best: dict[str, int] = {}
        for load in BESIDE:
            rates: dict[int, float] = {}
            for number, writer in writers.items():
                await self._measured(writer, LOADS[load], 0.3)
                figure, _ = await self._measured(writer, LOADS[load], 1.0)
                rates[number] = figure.rate
            best[load] = max(rates, key=lambda number: rates[number])
            self._add(kind, load, writers[best[load]])
        print(f"{kind}: best with {best} of {self._connections} connections")
        self._add(kind, ALONE, writers[self._connections[0]])

    def _copies(self, copy: Copy) -> None:
        def runs(tables: str) -> Run:
            async def run() -> Figure:
                own, engines = cpu_seconds(os.getpid()), engines_seconds(self._engines)
                passed = await copy.write(tables)
                own, engines = self._used(own, engines, COPIED)
                return Figure(COPIED / passed, 0.0, 0.0, own, engines, COPIED)

            return run

        self._runs[COPY, ""] = runs(INDEXED)
        self._runs[COPY_REFERENCES, ""] = runs(REFERRING)

    def _add(self, who: str, load: str, writer: Writer) -> None:
        async def run() -> Figure:
            figure, _ = await self._measured(writer, LOADS[load], self._seconds)
            return figure

        self._runs[who, load] = run

    async def _measured(self, writer: Writer, load: Load, seconds: float) -> tuple[Figure, float]:
        """Measure a load; also return the number of the Ledger's commits since it started."""
        own, engines = cpu_seconds(os.getpid()), engines_seconds(self._engines)
        before = batches()
        latencies, passed = await load.put_on(writer, seconds)
        own, engines = self._used(own, engines, len(latencies))
        after = batches()
        batch = (after[0] - before[0]) / max(1.0, after[1] - before[1])
        times = percentiles(latencies)
        return Figure(len(latencies) / passed, *times, own, engines, batch), after[0]

    def _used(self, own: float, engines: float, transfers: int) -> tuple[float, float]:
        """Return the CPU µs per transfer of this process and of the engines.

        ``own`` and ``engines`` are the CPU seconds before the transfers.
        """
        own, engines = cpu_seconds(os.getpid()) - own, engines_seconds(self._engines) - engines
        return own * 1e6 / transfers, engines * 1e6 / transfers

    # -- results

    def measured(self, comparison: "Comparison") -> Goal:
        """Return the goal of a comparison with its figures."""
        what = comparison.what
        ours, theirs = (map(what, self.figures[of]) for of in (comparison.of, comparison.to))
        return comparison.goal.measured(ours, theirs)

    def ratio(self, of: Name, to: Name, what: Callable[[Figure], float]) -> float:
        """Return the median ratio of two contestants over the same rounds."""
        pairs = zip(self.figures[of], self.figures[to], strict=True)
        return median(what(one) / what(other) for one, other in pairs)

    def table(self) -> Table:
        heading = ("transfers", "per second", "p50 ms", "p99 ms", "CPU µs", "engines µs", "batch")
        table = Table(*heading)
        for (who, load), figures in self.figures.items():
            middle = map(median, zip(*map(attrs.astuple, figures), strict=True))
            figure = Figure(*middle)
            batch = f"{figure.batch:,.0f}" if who in (OURS, PAIR) else ""
            table.add(f"{who}, {load}" if load else who, *figure.cells, batch)
        return table


def batches() -> tuple[float, float]:
    """Return the commits and batches so far."""
    total, number = (REGISTRY.get_sample_value(f"{BATCH}_{name}") for name in ("sum", "count"))
    return total or 0.0, number or 0.0


def rate(figure: Figure) -> float:
    return figure.rate


def rows(figure: Figure) -> float:
    return figure.rate * ROWS_OF_TRANSFER


def p50(figure: Figure) -> float:
    return figure.p50


def p99(figure: Figure) -> float:
    return figure.p99


def cpu(figure: Figure) -> float:
    return figure.own + figure.engines


@attrs.frozen
class Comparison:
    """A goal, and the two contestants whose figures it compares."""

    goal: Goal
    of: Name
    to: Name
    what: Callable[[Figure], float] = rate


def rates(words: str, bound: float, of: Name, to: Name, *, is_minor: bool = False) -> Comparison:
    """Return a comparison of rates."""
    return Comparison(Goal(words, bound, "transfers/s", is_minor=is_minor), of, to)


MANY_AT_ONCE, WITH_HOLDS = (OURS, PLAIN), (OURS, HOLDS)
ROWS, ROWS_OF_CROWD = (
    Goal("rows ÷ COPY, 256 at once", 0.3, "rows/s"),
    Goal("rows ÷ COPY, 2,048 at once", 0.3, "rows/s", is_minor=True),
)
SLOWEST: Final = Goal("p99 ÷ interactive, 256 at once", 1 / 15, "ms", at_most=True)
LATENCY: Final = Goal("one transfer alone ÷ SQL function, p50", 1.5, "ms", at_most=True)
HOLDING = "holds with settlement (a job of one unit) ÷ interactive"
MAJOR: Final = (
    rates("transfers ÷ interactive, 256 at once", 25, MANY_AT_ONCE, (INTERACTIVE, PLAIN)),
    rates("transfers ÷ SQL function, 256 at once", 9, MANY_AT_ONCE, (FUNCTION, PLAIN)),
    rates(HOLDING, 18, WITH_HOLDS, (INTERACTIVE, HOLDS)),
    Comparison(LATENCY, (OURS, ALONE), (FUNCTION, ALONE), p50),
    Comparison(SLOWEST, MANY_AT_ONCE, (INTERACTIVE, PLAIN), p99),
    Comparison(ROWS, MANY_AT_ONCE, (COPY, ""), rows),
    rates("two Ledgers ÷ one, disjoint users", 1.3, (PAIR, PLAIN), MANY_AT_ONCE),
)
MINOR: Final = tuple(
    rates(words, bound, of, to, is_minor=True)
    for words, bound, of, to in (
        ("two Ledgers ÷ one, holds", 1.3, (PAIR, HOLDS), WITH_HOLDS),
        ("one hot user ÷ interactive", 30, (OURS, HOT), (INTERACTIVE, HOT)),
        ("one hot user ÷ 1,000 users", 0.95, (OURS, HOT), MANY_AT_ONCE),
        (f"transfers ÷ interactive, {SPREAD}", 12, MANY_AT_ONCE, (INTERACTIVE, SPREAD)),
        (f"transfers ÷ SQL function, {SPREAD}", 6, MANY_AT_ONCE, (FUNCTION, SPREAD)),
        (f"holds ÷ interactive, {SPREAD}", 12, WITH_HOLDS, (INTERACTIVE, HOLDS_SPREAD)),
        (f"holds ÷ SQL function, {SPREAD}", 6, WITH_HOLDS, (FUNCTION, HOLDS_SPREAD)),
    )
)
COMPARISONS: Final = (*MAJOR, *MINOR, Comparison(ROWS_OF_CROWD, (OURS, CROWD), (COPY, ""), rows))
GOALS: Final = tuple(each.goal for each in COMPARISONS)


async def measure(options: argparse.Namespace) -> list[Goal]:
    """Run the contest, print its table and return the goals."""
    async with AsyncExitStack() as stack:
        contest = Contest(stack, options)
        await contest.run()
    probes = f"fdatasync in the rounds: {median(contest.probes):,.0f}/s (median)"
    print(f"median of {options.rounds} rounds of {options.seconds} s; {probes}; {machine()}")
    contest.table().print()
    for kind in KINDS:
        found = contest.ratio((kind, PLAIN), (OURS, PLAIN), cpu)
        print(f"CPU per transfer, {kind} by the Ledger: {found:.1f}")
    return [contest.measured(each) for each in COMPARISONS]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    options = parse(parser, {"seconds": 0.3, "connections": (10,)})
    report(asyncio.run(measure(options)), options)
