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

Goals: L1, at least 25 times the rate of interactive transactions and nine times that of functions;
18 times that of interactive transactions with holds (12 and 6 times if the platform's account is
spread). L2, with one hot user at least 30 times the rate of interactive transactions, and 0.95 of
the rate with 1,000 users. L3, at least 0.3 of the rows that COPY writes into a table with the same
indexes. L4, p99 at most a fifteenth of that of interactive transactions; a single transfer takes
at most 1.5 times as long as with a function. L5, two Ledgers over one database at least 1.3 times
as fast as one.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
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
        for number in CONNECTIONS:
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
        print(f"{kind}: best with {best} of {CONNECTIONS} connections")
        self._add(kind, ALONE, writers[CONNECTIONS[0]])

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


def p99(figure: Figure) -> float:
    return figure.p99


def cpu(figure: Figure) -> float:
    return figure.own + figure.engines


@attrs.frozen
class Goal:
    """A goal: ``of`` relative to ``to`` is at least ``bound``; with ``most``, at most ``bound``."""

    name: str
    of: Name
    to: Name
    bound: float
    what: Callable[[Figure], float] = rate
    most: bool = False

    def told(self, contest: Contest) -> str:
        found = contest.ratio(self.of, self.to, self.what)
        met = found <= self.bound if self.most else found >= self.bound
        missed = "" if met else f", MISSED by {abs(found / self.bound - 1):.0%}"
        word = "at most" if self.most else "at least"
        return f"{self.name}: {found:.3g}, goal {word} {self.bound:.3g}{missed or ', met'}"


def goals() -> list[Goal]:
    """Return the goals L1 to L5."""
    found: list[Goal] = []
    bounds: dict[tuple[str, int], tuple[float, float | None]]
    bounds = {(PLAIN, 1): (25, 9), (SPREAD, 16): (12, 6), (HOLDS, 1): (18, None)}
    bounds[HOLDS_SPREAD, 16] = (12, 6)
    for (load, platforms), pair in bounds.items():
        ours = (OURS, HOLDS if LOADS[load].hold else PLAIN)
        for kind, bound in zip(KINDS, pair, strict=True):
            one = ", 1 platform account" if platforms == 1 else ""
            if bound is not None:
                words = f"L1 rate by that of {kind}, {load}{one}"
                found.append(Goal(words, ours, (kind, load), bound))
    others = {
        ("L2 rate by that of interactive, hot user", (OURS, HOT), (INTERACTIVE, HOT)): 30,
        ("L2 rate with a hot user by that of 1,000", (OURS, HOT), (OURS, PLAIN)): 0.95,
        ("L3 rows by those of COPY", (OURS, PLAIN), (COPY, "")): 0.3,
        ("L3 rows by those of COPY, 2,048 at once", (OURS, CROWD), (COPY, "")): 0.3,
        ("L5 two Ledgers by one, 1,000 users", (PAIR, PLAIN), (OURS, PLAIN)): 1.3,
        ("L5 two Ledgers by one, holds", (PAIR, HOLDS), (OURS, HOLDS)): 1.3,
    }
    found += [Goal(*names, bound) for names, bound in others.items()]
    slowest = ("L4 p99 by that of interactive", (OURS, PLAIN), (INTERACTIVE, PLAIN))
    alone = ("L4 time by that of function, one at a time", (FUNCTION, ALONE), (OURS, ALONE))
    found.append(Goal(*slowest, 1 / 15, p99, most=True))
    found.append(Goal(*alone, 1.5, most=True))
    return found


async def main(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        contest = Contest(stack, options)
        await contest.run()
    probes = f"fdatasync in the rounds: {median(contest.probes):,.0f}/s (median)"
    print(f"median of {options.rounds} rounds of {options.seconds} s; {probes}; {machine()}")
    contest.table().print()
    ours = contest.figures[OURS, PLAIN]
    print(f"rows the Ledger inserts per second: {ROWS_OF_TRANSFER * median(map(rate, ours)):,.0f}")
    for goal in goals():
        print(goal.told(contest))
    for kind in KINDS:
        found = contest.ratio((kind, PLAIN), (OURS, PLAIN), cpu)
        print(f"CPU per transfer, {kind} by the Ledger: {found:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    asyncio.run(main(parser.parse_args()))
