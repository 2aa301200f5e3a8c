"""Dispatches per second through a real gateway, and how soon the frame is on the node's socket.

    python -m bench.dispatch [--seconds 5] [--nodes 10] [--concurrent 64] [--rate 200]

The gateway runs in its own process on embedded engines (fsync on); creators and nodes live in this
one. Every node takes each frame and answers with a result at once, so whole lives of jobs are run.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeAlias

import aiohttp

from bench.probe import Table, cpu_seconds, fdatasync_rate
from tests.acceptance.gateway import Gateway
from tests.acceptance.people import Creator, PlainNode

Load: TypeAlias = "Callable[[Seen], Awaitable[float]]"
SETTINGS = {
    "RENDERTRUST_CREDITS_STARTER": "100000000",
    "RENDERTRUST_LIMITS_REGISTER": "100000",
    "RENDERTRUST_LIMITS_LOGIN": "100000",
    "RENDERTRUST_LIMITS_NODE": "100000",
}


@dataclass
class Seen:
    """When each job was asked for, and when its frame came."""

    asked: dict[str, float] = field(default_factory=dict)
    came: dict[str, float] = field(default_factory=dict)
    answered: list[float] = field(default_factory=list)

    def on_socket_ms(self) -> list[float]:
        both = self.asked.keys() & self.came.keys()
        return [(self.came[job] - self.asked[job]) * 1e3 for job in both]


async def serve(node: PlainNode, seen: Seen) -> None:
    """Take frames and answer them; the ack needs no answer."""
    assert node.socket is not None
    async for message in node.socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            continue
        frame: dict[str, Any] = message.json()
        if frame["type"] == "job_dispatch":
            seen.came[frame["job_id"]] = time.perf_counter()
            reference = f"s3://elsewhere/{frame['job_id']}"
            await node.say(
                "job_result", job_id=frame["job_id"], status="completed", result_ref=reference
            )


async def dispatch(creator: Creator, seen: Seen) -> None:
    start = time.perf_counter()
    status, answer = await creator.dispatch("cpu_benchmark")
    if status == 503:
        return  # every node's backlog is full: the next one will do
    assert status == 200, answer
    seen.asked[answer["job_id"]] = start
    seen.answered.append((time.perf_counter() - start) * 1e3)


async def as_fast_as_it_goes(creators: list[Creator], seconds: float, seen: Seen) -> float:
    """Each creator dispatches one after the other; answers how long it took."""
    end = time.perf_counter() + seconds

    async def one(creator: Creator) -> None:
        while time.perf_counter() < end:
            await dispatch(creator, seen)

    start = time.perf_counter()
    await asyncio.gather(*map(one, creators))
    return time.perf_counter() - start


async def at_a_rate(creators: list[Creator], seconds: float, rate: float, seen: Seen) -> float:
    """Open loop: a dispatch is due every 1/rate seconds, whatever became of the last."""
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in count():
            due = start + number / rate
            if due - start >= seconds:
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(dispatch(creators[number % len(creators)], seen))
    return time.perf_counter() - start


def percentiles(values: list[float]) -> tuple[str, str]:
    cuts = quantiles(values, n=100)
    return f"{cuts[49]:.1f}", f"{cuts[98]:.1f}"


async def ledger_batches(gateway: Gateway, http: aiohttp.ClientSession) -> tuple[float, float]:
    """Commits and batches so far, from the gateway's own metrics."""
    async with http.get(f"{gateway.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    name = "rendertrust_ledger_batch_size"
    return float(values.get(f"{name}_sum", 0)), float(values.get(f"{name}_count", 0))


@dataclass
class Bench:
    """One gateway under load."""

    gateway: Gateway
    http: aiohttp.ClientSession
    table: Table
    seen: Seen = field(default_factory=Seen)

    async def nodes(self, number: int) -> list[asyncio.Task[None]]:
        """Connected nodes, and the tasks that read their sockets."""
        nodes = [PlainNode(self.http, self.gateway.url, ("cpu_benchmark",)) for _ in range(number)]
        for node in nodes:
            await node.register()
            await node.heartbeat()
            await node.connect()
        return [asyncio.create_task(serve(node, self.seen)) for node in nodes]

    async def creators(self, number: int) -> list[Creator]:
        url = self.gateway.url
        people = [Creator(self.http, url, f"c{n}@example.org") for n in range(number)]
        for creator in people:
            await creator.register()
        return people

    async def report(self, label: str, load: Load) -> None:
        """Run a load and add its row."""
        assert self.gateway.process is not None
        seen, pid = self.seen, self.gateway.process.pid
        seen.asked, seen.came, seen.answered = {}, {}, []
        cpu, before = cpu_seconds(pid), await ledger_batches(self.gateway, self.http)
        took = await load(seen)
        cpu, after = cpu_seconds(pid) - cpu, await ledger_batches(self.gateway, self.http)
        done = len(seen.answered)
        batch = (after[0] - before[0]) / max(1.0, after[1] - before[1])
        figures = (f"{done / took:,.0f}", f"{cpu / done * 1e6:,.0f}", f"{batch:.1f}")
        latencies = (*percentiles(seen.answered), *percentiles(seen.on_socket_ms()))
        self.table.add(label, *figures, *latencies)


async def measure(options: argparse.Namespace, bench: Bench) -> None:
    readers = await bench.nodes(options.nodes)
    creators = await bench.creators(options.concurrent)
    seconds, rate = options.seconds, options.rate
    await as_fast_as_it_goes(creators, 1.0, Seen())  # warm
    await bench.report("closed loop", lambda s: as_fast_as_it_goes(creators, seconds, s))
    await bench.report(f"{rate:g}/s", lambda s: at_a_rate(creators, seconds, rate, s))
    for reader in readers:
        reader.cancel()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--concurrent", type=int, default=64)
    parser.add_argument("--rate", type=float, default=200.0)
    options = parser.parse_args()
    table = Table(
        *("load", "dispatches/s", "CPU µs each", "batch"),
        *("answer p50 ms", "p99", "on socket p50 ms", "p99"),
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101 - engines of root run as somebody else
        print(f"fdatasync here: {fdatasync_rate(Path(folder)):,.0f}/s; PostgreSQL's fsync is on")
        print(f"{options.nodes} nodes, {options.concurrent} creators, {options.seconds} s each")
        gateway = Gateway(Path(folder) / "data", **SETTINGS)
        await gateway.start()
        try:
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector) as http:
                await measure(options, Bench(gateway, http, table))
        finally:
            await gateway.stop()
    table.print()


if __name__ == "__main__":
    asyncio.run(main())
