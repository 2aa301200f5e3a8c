"""Deductions over HTTP: the gateway compared with FastAPI and one transaction per deduction.

    python -m bench.deduct [--rounds 5] [--requests 4000] [--concurrent 32]

Each of ``--concurrent`` users deducts the smallest amount, one request after the other, each with a
reference of its own. The baseline is FastAPI with uvicorn on asyncio, as such an API is first
written: an interactive transaction of bench/baselines/double_entry.py for each request, over the
best of four pools. Both use the gateway's PostgreSQL (fsync on), run in separate processes, and
take turns; this process is the load, over bare sockets. The goal is in ``GOALS``.
"""

import argparse
import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Final
from uuid import uuid4

import aiohttp
import asyncpg
import attrs

from bench.baselines import double_entry
from bench.contestant import Contestant
from bench.goals import Goal, parse, report
from bench.http import POOLS, fastapis
from bench.probe import Table, cpu_seconds, disk, engines_seconds, machine
from bench.wire import HttpLine, request
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.api_clients import Creator
from tests.support.engines import engine_folder
from tests.support.gateway_process import PATIENT, Gateway

PATH: Final = "/api/v1/credits/deduct"
UNITS, EARLIER = 1_000_000_000, 20_000
SETTINGS: Final = PATIENT | {
    "RENDERTRUST_LIMITS_WRITE": "100000000",
    "RENDERTRUST_CREDITS_STARTER": "100000",
    "RENDERTRUST_JWT_ACCESS_MINUTES": "1440",
}
OURS, FASTAPI = "gateway", "FastAPI, a transaction for each"
# The first implementation of this API is not kept; this baseline stands for it.
GOALS: Final = (
    Goal("deduct over HTTP, 32 at once ÷ FastAPI with interactive transactions", 40, "requests/s"),
)


@attrs.frozen
class Figure:
    """Results of a load: requests per second, and CPU µs per request of server and engines."""

    rate: float
    server: float
    engines: float


@attrs.frozen
class Load:
    """Users who deduct; ``gateway`` is the process whose engines serve all contestants."""

    gateway: int
    tokens: Sequence[str] = attrs.field(repr=False)
    requests: int

    async def put_on(self, at: Contestant) -> Figure:
        """Measure the requests, which all users send at once."""
        lines = [await HttpLine.open(at.url) for _ in self.tokens]
        await self._send(at, lines, 4)
        server, engines = cpu_seconds(at.pid), engines_seconds(self.gateway)
        each = max(1, self.requests // len(lines))
        begun = time.perf_counter()
        await self._send(at, lines, each)
        took, done = time.perf_counter() - begun, each * len(lines)
        used = cpu_seconds(at.pid) - server, engines_seconds(self.gateway) - engines
        for line in lines:
            line.close()
        return Figure(done / took, *(seconds * 1e6 / done for seconds in used))

    async def _send(self, at: Contestant, lines: Sequence[HttpLine], each: int) -> None:
        async def one(line: HttpLine, token: str) -> None:
            for asking in deductions(at.url, token, each):
                status, body = await line.ask(asking)
                assert status == 200, (status, body)

        users = zip(lines, self.tokens, strict=True)
        await asyncio.gather(*(one(line, token) for line, token in users))


def deductions(url: str, token: str, number: int) -> Iterator[bytes]:
    """Yield requests, each with a new reference."""
    for _ in range(number):
        body = {"amount": "0.0001", "reference_id": f"bench:{uuid4()}", "description": "bench"}
        yield request("POST", url + PATH, token, body)


async def prepare(owner_dsn: str, users: Sequence[str]) -> None:
    """Create the baseline's tables, and give an account to each of these users."""
    await double_entry.prepare(owner_dsn, len(users), UNITS, EARLIER)
    connection = await asyncpg.connect(owner_dsn)
    name = "UPDATE double_entry.accounts SET name = 'user:' || $2::text WHERE id = $1"
    await connection.executemany(name, list(enumerate(users)))
    await connection.close()


async def compare(stack: AsyncExitStack, options: argparse.Namespace) -> dict[str, list[Figure]]:
    """Return the figures of both contestants, round by round."""
    baseline = fastapis()[0]
    folder = stack.enter_context(engine_folder()) / "data"
    secret = secrets.token_urlsafe(48)
    gateway = Gateway(folder, **SETTINGS, RENDERTRUST_JWT_SECRET=secret)
    await gateway.start()
    stack.push_async_callback(gateway.stop)
    assert gateway.process is not None
    users: list[str] = []
    tokens: list[str] = []
    async with aiohttp.ClientSession() as http:
        for number in range(options.concurrent):
            creator = Creator(http, gateway.url, f"c{number}@example.org")
            await creator.register()
            _, found = await creator.call("GET", "/credits/balance")
            users.append(found["user_id"])
            tokens.append(creator.token)
    endpoint = kept_endpoint(folder)
    assert endpoint is not None
    print(await disk(folder, endpoint.owner_dsn))
    await prepare(endpoint.owner_dsn, users)
    load = Load(gateway.process.pid, tokens, options.requests)
    settings = {"BENCH_DSN": endpoint.owner_dsn, "BENCH_SECRET": secret}
    rates: dict[int, float] = {}
    for size in options.pools:
        async with baseline.serving(**settings, BENCH_POOL=str(size)) as at:
            rates[size] = (await load.put_on(at)).rate
    best = str(max(rates, key=lambda size: rates[size]))
    print(f"{FASTAPI}: best with a pool of {best}")
    other = await stack.enter_async_context(baseline.serving(**settings, BENCH_POOL=best))
    ours = Contestant(OURS, gateway.process.pid, gateway.url)
    figures: dict[str, list[Figure]] = {OURS: [], FASTAPI: []}
    for _ in range(options.rounds):
        for name, contestant in ((OURS, ours), (FASTAPI, other)):
            figures[name].append(await load.put_on(contestant))
    return figures


async def measure(options: argparse.Namespace) -> list[Goal]:
    """Run the benchmark, print its table and return the goals."""
    async with AsyncExitStack() as stack:
        figures = await compare(stack, options)
    print(f"median of {options.rounds} rounds of {options.requests} requests; {machine()}")
    table = Table(f"deductions, {options.concurrent} at once", "per second", "CPU µs", "engines µs")
    for name, found in figures.items():
        rate, *used = (median(column) for column in zip(*map(attrs.astuple, found), strict=True))
        table.add(name, f"{rate:,.0f}", *(f"{each:,.0f}" for each in used))
    table.print()
    rates = ([figure.rate for figure in figures[name]] for name in (OURS, FASTAPI))
    return [GOALS[0].measured(*rates)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--concurrent", type=int, default=32)
    parser.add_argument("--pools", type=int, nargs="+", default=POOLS)
    options = parse(parser, {"requests": 64, "concurrent": 4, "pools": (4,)})
    report(asyncio.run(measure(options)), options)
