"""Cost of a node's session: memory, CPU while idle, and pushed relay frames.

    python -m bench.sessions [--sessions 10000] [--seconds 60] [--rounds 5] [--pushed 1000]

First a gateway in a separate process (embedded engines, fsync on) is measured without nodes, and
after each of ``--rounds`` equal shares of the sessions has come, so that the last are compared with
the first. Then the gateway is left idle except for pings, for as many equal parts of ``--seconds``.

Then the gateway pushes relay frames to ``--pushed`` sessions, compared with bare aiohttp that makes
and sends the same relay frames (bench/baselines/bare_sockets.py). Both run in separate processes,
in turns, with new sockets in each round. The goals are in ``GOALS``.
"""

import argparse
import asyncio
import os
import resource
import secrets
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import attrs
import orjson

from bench.goals import Goal, parse, report
from bench.probe import Table, cpu_seconds, disk, engines_seconds, machine
from bench.wire import NodeLine
from sql.migrate import migrate
from supervisors.engines.engine_account import engine_account
from supervisors.engines.offline_postgres import kept_endpoint
from supervisors.engines.postgres import EmbeddedPostgres
from supervisors.engines.system_clock import SystemClock, SystemRandom
from tests.support.engines import engine_folder
from tests.support.gateway_process import ROOT, Gateway
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from web.identity.tokens import Tokens, TokenType

KIB: Final = 1024
RSS: Final = Goal("memory of an idle session", 24, "KiB", at_most=True, is_ratio=False)
IDLE: Final = Goal("CPU of 10,000 idle sessions", 5, "% of a core", at_most=True, is_ratio=False)
PUSH: Final = Goal("CPU of a relay frame ÷ bare aiohttp", 1.25, "µs", at_most=True, is_minor=True)
GOALS: Final = (RSS, IDLE, PUSH)
FILES_BESIDE: Final = 500  # files besides sockets: pipes of engines, logs and libraries
AT_ONCE: Final = 50  # concurrent handshakes
QUIET_SECONDS: Final = 5.0  # time for answers to hellos, and for garbage collection
FRAMES: Final = 8  # relay frames to each session in a round; a node has as many slots
HELLO: Final = orjson.dumps({"type": "hello", "version": "bench", "slots": FRAMES})
LIMITS: Final = {
    "RENDERTRUST_LIMITS_PROBE": "100000000",
    "RENDERTRUST_LIMITS_SOCKET": "1000000",
    "RENDERTRUST_SERVER_SOCKETS_PER_ADDRESS": "1000000",
    "RENDERTRUST_SERVER_CONNECTIONS_PER_ADDRESS": "1000000",
    "RENDERTRUST_SERVER_CONNECTIONS": "1000000",
}
NODE_ROWS = """
INSERT INTO nodes (id, name, public_key, capabilities, status, seen_at)
SELECT id, 'bench', decode(md5(id::text) || md5(id::text), 'hex'), '{cpu_benchmark}', 'HEALTHY',
       now()
FROM unnest($1::uuid[]) AS n (id)
"""


def files_for(sessions: int) -> int:
    """Raise the limit of open files if possible; return how many of these sessions it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sessions + FILES_BESIDE
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < wanted:
        sessions = soft - FILES_BESIDE
        print(f"The limit of open files (ulimit -Hn) of {hard} allows {sessions:,} sessions.")
    return sessions


@attrs.frozen
class Nodes:
    """Nodes that a gateway knows, with their tokens."""

    ids: Sequence[UUID]
    tokens: Sequence[str] = attrs.field(repr=False)

    @classmethod
    async def known(cls, number: int, owner_dsn: str, secret: Mapping[str, Any]) -> "Nodes":
        """Insert nodes into the database; ``secret`` has the gateway's JWT settings."""
        ids = [uuid4() for _ in range(number)]
        connection = await asyncpg.connect(owner_dsn)
        await connection.execute(NODE_ROWS, ids)
        await connection.close()
        issuer = Tokens(settings_for_tests(**secret).jwt, SystemClock(), SystemRandom())
        return cls(ids, [issuer.issue(TokenType.NODE, id_, uuid4())[0] for id_ in ids])


class Lines:
    """Sockets of nodes; ``heard`` counts the units that arrived."""

    def __init__(self, url: str, nodes: Nodes) -> None:
        self._url = url
        self._nodes = nodes
        self._open: list[NodeLine] = []
        self.heard = 0
        self.welcomed = 0

    async def connect(self, up_to: int) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with room:
                line = await until(lambda: self._opened(number), within=30)
                assert line is not None
                line.say(HELLO)
                self._open.append(line)

        await asyncio.gather(*(one(number) for number in range(len(self._open), up_to)))

    async def _opened(self, number: int) -> NodeLine | None:
        """Open a node's socket; None if it is refused because the database is slow."""
        url = f"{self._url}/api/v1/relay/ws/{self._nodes.ids[number]}"
        try:
            return await NodeLine.open(url, self._nodes.tokens[number], self._hear)
        except ConnectionRefusedError:
            return None

    def _hear(self, line: NodeLine, text: bytes) -> None:
        self.heard += b'"job_dispatch"' in text
        self.welcomed += b'"welcome"' in text

    def close(self) -> None:
        for line in self._open:
            line.close()
        self._open.clear()


# -- memory and idle sessions


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def sockets_of(http: aiohttp.ClientSession, url: str) -> int:
    """Return the number of open sockets from the gateway's metrics."""
    async with http.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return int(float(next(line for line in lines if line.startswith("rendertrust_sockets "))[20:]))


async def memory(options: argparse.Namespace) -> list[Goal]:
    secret = secrets.token_urlsafe(48)
    with engine_folder() as folder:
        gateway = Gateway(folder / "data", **LIMITS, RENDERTRUST_JWT_SECRET=secret)
        await gateway.start()
        try:
            async with aiohttp.ClientSession() as http:
                return await grow(gateway, http, secret, options)
        finally:
            await gateway.stop()


async def grow(
    gateway: Gateway, http: aiohttp.ClientSession, secret: str, options: argparse.Namespace
) -> list[Goal]:
    endpoint = kept_endpoint(gateway.data)
    assert endpoint is not None
    assert gateway.process is not None
    print(await disk(gateway.data, endpoint.owner_dsn))
    pid, total = gateway.process.pid, files_for(options.sessions)
    jwt = {"jwt": {"secret": secret}}
    lines = Lines(gateway.url, await Nodes.known(total, endpoint.owner_dsn, jwt))

    async def settled(number: int) -> tuple[int, int]:
        """Wait until about ``number`` sockets are open; return their number and the memory."""

        async def are_open() -> bool:
            return abs(await sockets_of(http, gateway.url) - number) <= number // 100

        await until(are_open, within=60)
        await asyncio.sleep(QUIET_SECONDS)
        return await sockets_of(http, gateway.url), resident(pid)

    await lines.connect(min(200, total))  # allocates what the gateway needs only once
    lines.close()
    sizes = [await settled(0)]
    for share in range(1, options.rounds + 1):
        number = total * share // options.rounds
        await lines.connect(number)
        sizes.append(await settled(number))
    each = memory_of(sizes)
    shares = [await idle(pid, options.seconds / options.rounds) for _ in range(options.rounds)]
    print(f"{sizes[-1][0]:,} sessions were idle for {options.seconds:g} s")
    lines.close()
    return [RSS.measured(each), IDLE.measured(shares)]


def memory_of(sizes: Sequence[tuple[int, int]]) -> list[float]:
    """Print the memory for each number of sessions; return the KiB for each that came."""
    table = Table("sessions", "RSS MiB", "KiB for each that came")
    table.add(f"{sizes[0][0]:,}", f"{sizes[0][1] / KIB / KIB:.1f}", "")
    each: list[float] = []
    for (fewer, before), (more, after) in pairwise(sizes):
        each.append((after - before) / KIB / (more - fewer))
        table.add(f"{more:,}", f"{after / KIB / KIB:.1f}", f"{each[-1]:.1f}")
    table.print()
    return each


async def idle(pid: int, seconds: float) -> float:
    """Return the CPU of a gateway whose sessions are idle except for pings, in % of a core."""
    used, engines, began = cpu_seconds(pid), engines_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    passed = time.perf_counter() - began
    share = (cpu_seconds(pid) - used) / passed
    engines = (engines_seconds(pid) - engines) / passed
    print(f"idle sessions: {share:.1%} of a core, the engines {engines:.1%}")
    return share * 100


# -- pushing


@attrs.frozen
class Pusher:
    """A process that pushes relay frames on request."""

    name: str
    process: asyncio.subprocess.Process
    url: str

    def push(self, frames: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"%d\n" % frames)


@asynccontextmanager
async def pushing(name: str, module: str, **settings: str) -> AsyncGenerator[Pusher]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        env=os.environ | settings,
        stdin=pipe,
        stdout=pipe,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        assert url, f"{name} does not start"
        yield Pusher(name, process, url)
    finally:
        process.stdin.close()
        await process.wait()


async def burst(pusher: Pusher, nodes: Nodes, sessions: int) -> tuple[float, float]:
    """Return relay frames per second and CPU µs per relay frame, over new sockets."""
    lines = Lines(pusher.url, nodes)
    await lines.connect(sessions)
    if pusher.name == OURS:
        await until(lambda: lines.welcomed >= sessions, within=60)
    frames, pid = FRAMES * sessions, pusher.process.pid
    used, began = cpu_seconds(pid), time.perf_counter()
    pusher.push(FRAMES)
    await until(lambda: lines.heard == frames, within=60)
    took, spent = time.perf_counter() - began, cpu_seconds(pid) - used
    lines.close()
    return frames / took, spent * 1e6 / frames


OURS, BARE = "gateway", "bare aiohttp"


async def frames(options: argparse.Namespace) -> list[Goal]:
    with engine_folder() as folder:
        engine = EmbeddedPostgres(folder / "data", account=engine_account())
        endpoint = await engine.start()
        try:
            await migrate(endpoint.owner_dsn)
            nodes = await Nodes.known(options.pushed, endpoint.owner_dsn, {})
            dsns = {"BENCH_OWNER_DSN": endpoint.owner_dsn, "BENCH_DSN": endpoint.app_dsn}
            async with (
                pushing(OURS, "bench.pushing", **dsns) as ours,
                pushing(BARE, "bench.baselines.bare_sockets") as bare,
            ):
                return await compare([ours, bare], nodes, options)
        finally:
            await engine.stop()


async def compare(
    pushers: Sequence[Pusher], nodes: Nodes, options: argparse.Namespace
) -> list[Goal]:
    seen: dict[str, list[tuple[float, float]]] = {pusher.name: [] for pusher in pushers}
    for pusher in pushers:
        await burst(pusher, nodes, options.pushed)  # warm-up
    for _ in range(options.rounds):
        for pusher in pushers:
            seen[pusher.name].append(await burst(pusher, nodes, options.pushed))
    table = Table(f"frames to {options.pushed:,} sessions", "per second", "CPU µs")
    for name, figures in seen.items():
        rate, cpu = (median(column) for column in zip(*figures, strict=True))
        table.add(name, f"{rate:,.0f}", f"{cpu:.1f}")
    table.print()
    ours, bare = ([cpu for _, cpu in seen[name]] for name in (OURS, BARE))
    return [PUSH.measured(ours, bare)]


async def measure(options: argparse.Namespace) -> list[Goal]:
    """Run the benchmark, print its tables and return the goals."""
    print(machine())
    found: list[Goal] = []
    if options.sessions:
        found += await memory(options)
    if options.pushed:
        found += await frames(options)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000, help="0: no memory, no idleness")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pushed", type=int, default=1_000, help="sessions; 0: no frames")
    options = parse(parser, {"sessions": 100, "seconds": 2.0, "pushed": 20})
    report(asyncio.run(measure(options)), options)
