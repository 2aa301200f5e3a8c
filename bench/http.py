"""Cost of a request to the gateway, compared with bare aiohttp and FastAPI with uvicorn.

    python -m bench.http [--rounds 5] [--requests 2000] [--no-fastapi]

Three routes: ``/health``, which needs no token; a route of bench/known.py, which needs a token and
reads nothing; ``GET /credits/balance``, which reads from the gateway's PostgreSQL. All contestants
run in turns in separate processes; this process is the load, over bare sockets. FastAPI has a
separate environment, which ``scripts/environment.py bench`` makes from ``scripts/locks`` at the
first call. Contestants with a pool use the best of four sizes, found before the rounds.

Then eight clients log in at once, to measure the longest stall of the loop. The goals are in
``GOALS``.
"""

import argparse
import asyncio
import secrets
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import repeat
from statistics import median
from typing import Final

import aiohttp
import attrs

from bench import known
from bench.contestant import Baseline, Contestant
from bench.goals import Goal, parse, report
from bench.login import stall
from bench.probe import Table, cpu_seconds, disk, engines_seconds, machine
from bench.wire import HttpLine, request
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.api_clients import Creator
from tests.support.engines import engine_folder
from tests.support.gateway_process import ROOT, Gateway

HEALTH, KNOWN, BALANCE = "/health", known.PATH, "/api/v1/credits/balance"
POOLS: Final = (2, 4, 8, 16)
SETTINGS = {
    "RENDERTRUST_LIMITS_PROBE": "100000000",
    "RENDERTRUST_LIMITS_READ": "100000000",
    "RENDERTRUST_CREDITS_STARTER": "100",
}
BARE = Baseline("bare aiohttp", "bare_aiohttp.py")
AT_ONCE: Final = (1, 32)
STALL: Final = Goal(
    *("eight logins at once, longest stall of the loop", 25, "ms"),
    at_most=True,
    is_ratio=False,
    is_minor=True,
)
# The gateway's route and bare aiohttp's beside it. Bare aiohttp reads the balance by one query for
# each request, over its own pool; its bare handler is the floor of any request.
COMPARED: Final = {
    (BALANCE, BALANCE): "balance ÷ bare aiohttp's with its own asyncpg pool, CPU",
    (BALANCE, HEALTH): "balance ÷ bare aiohttp's bare handler, CPU",
    (KNOWN, HEALTH): "request with a token ÷ bare handler, CPU",
}


def goal_of(path: str, words: str, concurrent: int) -> Goal:
    """Return the goal of a route; those of the balance at 32 at once are not minor."""
    at_once = "one at a time" if concurrent == 1 else f"{concurrent} at once"
    is_minor = path != BALANCE or concurrent == 1
    return Goal(f"{words}, {at_once}", 1.5, "µs", at_most=True, is_minor=is_minor)


GOALS: Final = (
    *(goal_of(pair[0], words, each) for pair, words in COMPARED.items() for each in AT_ONCE),
    STALL,
)


class KnownGateway(Gateway):
    """The gateway with the additional route of bench/known.py."""

    def command(self) -> list[str]:
        return [word.replace("rendertrust", "bench.known") for word in super().command()]


def fastapis() -> list[Baseline]:
    """Return FastAPI on both event loops; make its environment if it is missing."""
    making = [sys.executable, "scripts/environment.py", "bench"]
    made = subprocess.run(making, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    python = f"{made.stdout.strip()}/bin/python"
    return [
        Baseline(f"FastAPI + uvicorn, {loop}", "fastapi_app.py", python, [loop])
        for loop in ("asyncio", "uvloop")
    ]


@attrs.frozen
class Figure:
    """Results of a burst: requests per second, and CPU µs per request of server and engines."""

    rate: float
    server: float
    engines: float


@attrs.define
class Field:
    """The contestants of the benchmark, and their figures round by round."""

    gateway: int  # process id of the gateway whose engines answer all reads
    token: str = attrs.field(repr=False)
    requests: int
    seen: defaultdict[tuple[str, str, int], list[Figure]] = attrs.field(
        factory=lambda: defaultdict(list)
    )

    async def burst(self, at: Contestant, path: str, concurrent: int) -> Figure:
        asking = request("GET", at.url + path, self.token)
        lines = [await HttpLine.open(at.url) for _ in range(concurrent)]
        await send(lines, repeat(asking, 4 * concurrent))
        server, engines, start = cpu_seconds(at.pid), engines_seconds(self.gateway), time.time()
        await send(lines, repeat(asking, self.requests))
        took = time.time() - start
        used = cpu_seconds(at.pid) - server, engines_seconds(self.gateway) - engines
        for line in lines:
            line.close()
        return Figure(self.requests / took, *(seconds * 1e6 / self.requests for seconds in used))

    async def note(self, at: Contestant, path: str, concurrent: int) -> None:
        self.seen[at.name, path, concurrent].append(await self.burst(at, path, concurrent))

    def costs(self, name: str, path: str, concurrent: int) -> list[float]:
        """Return the CPU µs per request, round by round."""
        return [figure.server for figure in self.seen[name, path, concurrent]]

    def ratio(self, name: str, path: str, concurrent: int) -> float:
        """Return the CPU time per request relative to the bare handler's in the same rounds."""
        bare = self.seen[BARE.name, HEALTH, concurrent]
        pairs = zip(self.seen[name, path, concurrent], bare, strict=True)
        return median(its.server / other.server for its, other in pairs)

    def table(self) -> Table:
        table = Table(
            *("route, by whom", "at once", "requests/s", "CPU µs", "engines µs", "to bare handler")
        )
        for (name, path, concurrent), figures in sorted(self.seen.items(), key=in_order):
            rate = median(figure.rate for figure in figures)
            server = median(figure.server for figure in figures)
            engines = median(figure.engines for figure in figures)
            cells = [f"{rate:,.0f}", f"{server:.1f}", f"{engines:.1f}"]
            ratio = self.ratio(name, path, concurrent)
            table.add(f"{path.rpartition('/')[2]}, {name}", str(concurrent), *cells, f"{ratio:.2f}")
        return table


def in_order(item: tuple[tuple[str, str, int], object]) -> tuple[int, int]:
    """Return a key that sorts by route and by the number of concurrent requests."""
    _, path, concurrent = item[0]
    return (HEALTH, KNOWN, BALANCE).index(path), concurrent


async def send(lines: Sequence[HttpLine], requests: Iterator[bytes]) -> None:
    """Send the requests, one at a time on each connection; all must return 200."""

    async def one(line: HttpLine) -> None:
        for asking in requests:
            status, body = await line.ask(asking)
            assert status == 200, (status, body)

    await asyncio.gather(*(one(line) for line in lines))


async def best_pool(
    field: Field, baseline: Baseline, settings: dict[str, str], sizes: Sequence[int]
) -> str:
    """Return the pool size at which a read costs the baseline the least CPU."""
    costs: dict[int, float] = {}
    for size in sizes:
        async with baseline.serving(**settings, BENCH_POOL=str(size)) as contestant:
            figures = [await field.burst(contestant, BALANCE, 32) for _ in range(3)]
        costs[size] = median(figure.server for figure in figures)
    return str(min(costs, key=lambda size: costs[size]))


async def compare(stack: AsyncExitStack, options: argparse.Namespace) -> Field:
    folder = stack.enter_context(engine_folder()) / "data"
    secret = secrets.token_urlsafe(48)
    gateway = KnownGateway(folder, **SETTINGS, RENDERTRUST_JWT_SECRET=secret)
    await gateway.start()
    stack.push_async_callback(gateway.stop)
    assert gateway.process is not None
    async with aiohttp.ClientSession() as http:
        creator = Creator(http, gateway.url, "reader@example.org")
        await creator.register()
    endpoint = kept_endpoint(folder)
    assert endpoint is not None
    print(await disk(folder, endpoint.owner_dsn))
    field = Field(gateway.process.pid, creator.token, options.requests)
    contestants = [Contestant("gateway", gateway.process.pid, gateway.url)]
    settings = {"BENCH_DSN": endpoint.app_dsn, "BENCH_SECRET": secret}
    for baseline in [BARE, *([] if options.no_fastapi else fastapis())]:
        size = await best_pool(field, baseline, settings, options.pools)
        print(f"{baseline.name}: best with a pool of {size}")
        serving = baseline.serving(**settings, BENCH_POOL=size)
        contestants.append(await stack.enter_async_context(serving))
    for _ in range(options.rounds):
        for path in (HEALTH, KNOWN, BALANCE):
            for concurrent in AT_ONCE:
                for contestant in contestants:
                    await field.note(contestant, path, concurrent)
    return field


async def measure(options: argparse.Namespace) -> list[Goal]:
    """Run the benchmark, print its table and return the goals."""
    async with AsyncExitStack() as stack:
        field = await compare(stack, options)
    print(f"median of {options.rounds} rounds of {options.requests} requests; {machine()}")
    field.table().print()
    pairs = [
        (field.costs("gateway", ours, concurrent), field.costs(BARE.name, theirs, concurrent))
        for ours, theirs in COMPARED
        for concurrent in AT_ONCE
    ]
    found = [goal.measured(*pair) for goal, pair in zip(GOALS[:-1], pairs, strict=True)]
    return [*found, STALL.measured([(await stall())[0] for _ in range(options.rounds)])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--pools", type=int, nargs="+", default=POOLS)
    parser.add_argument("--no-fastapi", action="store_true", help="without its environment")
    options = parse(parser, {"requests": 100, "pools": (4,), "no_fastapi": True})
    report(asyncio.run(measure(options)), options)
