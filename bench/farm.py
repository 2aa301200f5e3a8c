"""A whole farm: units of jobs of many frames through one gateway, over sockets, to the last ack.

    python -m bench.farm [--nodes 1000] [--units 100000] [--users 20] [--slots 4]

The gateway runs in a separate process on embedded engines (fsync on); this process plays creators
and nodes over bare sockets. Each user submits jobs of up to 5,000 ``echo`` frames. Nodes return
each result at once, so a waiting node is idle. The output:

* units acknowledged per second over the whole run, CPU µs per unit of the gateway and its engines;
* flatness: the rate in the last third beside that in the first (goal: at least 0.9);
* how long a node waits from its result to the ack, and to its next frame;
* the units done for each user when the first user has all results: about equal (fair shares);
* memory of the gateway: when all nodes are connected, at the most, and at the end.

``bench.dispatch``, ``bench.life`` and ``bench.sessions`` measure single steps. Here all steps run
together: no step's cost may grow with the backlog.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import orjson

from bench.crowd import SETTINGS
from bench.probe import Cost, Table, fdatasync_rate, machine, percentiles
from bench.wire import NodeLine
from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import Gateway
from tests.support.until import until

FRAMES_MOST = 5_000
WITHIN = 3_600.0


@dataclass
class Farm:
    """Observations of the nodes; ``acked`` has the seconds from the first job to each ack."""

    owners: dict[str, str] = field(default_factory=dict[str, str])  # job -> user
    acked: list[float] = field(default_factory=list[float])
    done: Counter[str] = field(default_factory=Counter[str])  # by user
    shares: Counter[str] | None = None  # units done by user when the first user had all results
    each: int = 0  # units of each user
    to_ack_ms: list[float] = field(default_factory=list[float])
    to_next_ms: list[float] = field(default_factory=list[float])
    begun: float = 0.0
    _given: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])
    _idle: dict[int, list[float]] = field(default_factory=dict[int, list[float]])

    def heard(self, node: NodeLine, text: bytes) -> None:
        frame = orjson.loads(text)
        if frame["type"] == "job_dispatch":
            self._work(node, frame)
        elif frame["type"] == "ack":
            self._acknowledged(frame)

    def _work(self, node: NodeLine, frame: dict[str, object]) -> None:
        now = time.perf_counter()
        idle = self._idle.setdefault(id(node), [])
        if idle:
            self.to_next_ms.append((now - idle.pop(0)) * 1e3)
        job, unit = str(frame["job_id"]), int(str(frame["unit"]))
        result = {"type": "job_result", "job_id": job, "unit": unit, "attempt": frame["attempt"]}
        result |= {"status": "completed", "result_ref": f"s3://elsewhere/{job}/{unit}"}
        node.say(orjson.dumps(result))
        self._given[job, unit] = now
        idle.append(now)

    def _acknowledged(self, frame: dict[str, object]) -> None:
        now = time.perf_counter()
        job, unit = str(frame["job_id"]), int(str(frame["unit"]))
        given = self._given.pop((job, unit), None)
        if given is None:
            return
        self.to_ack_ms.append((now - given) * 1e3)
        self.acked.append(now - self.begun)
        user = self.owners.get(job, "")
        self.done[user] += 1
        if self.shares is None and self.done[user] >= self.each:
            self.shares = Counter(self.done)

    def flatness(self) -> float:
        """Return the rate in the last third of all units relative to the first third."""
        third = len(self.acked) // 3
        first = self.acked[third] - self.acked[0]
        last = self.acked[-1] - self.acked[-third - 1]
        return first / max(last, 1e-9)


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


async def connect(
    http: aiohttp.ClientSession, gateway: Gateway, farm: Farm, options: argparse.Namespace
) -> list[NodeLine]:
    lines: list[NodeLine] = []

    async def one() -> None:
        node = PlainNode(http, gateway.url, ("echo",))
        await node.register()
        await node.heartbeat()
        url = f"{gateway.url}/api/v1/relay/ws/{node.id}"
        line = await NodeLine.open(url, node.token, farm.heard)
        line.say(orjson.dumps({"type": "hello", "version": "bench", "slots": options.slots}))
        lines.append(line)

    for start in range(0, options.nodes, 16):
        await asyncio.gather(*(one() for _ in range(min(16, options.nodes - start))))
    return lines


async def submit(farm: Farm, creators: list[Creator]) -> None:
    """Submit each user's jobs, alternating between users."""
    for begin in range(0, farm.each, FRAMES_MOST):
        frames = min(FRAMES_MOST, farm.each - begin)
        body = {"job_type": "echo", "payload_ref": "s3://elsewhere/a.blend", "queue": True}
        body["frames"] = f"1-{frames}"
        for creator in creators:
            key = f"{creator.email}/{begin}"
            job = await until(partial(submit_once, creator, key, body), within=WITHIN)
            assert job is not None
            farm.owners[job] = creator.email


async def submit_once(creator: Creator, key: str, body: Mapping[str, object]) -> str | None:
    """Submit a job once per ``key`` and return it; None while the gateway is overloaded."""
    headers = {"Idempotency-Key": key}
    status, found = await creator.call("POST", "/jobs/dispatch", {**body}, **headers)
    assert status in (200, 202, 503), found
    return None if status == 503 else str(found["job_id"])


async def run(
    http: aiohttp.ClientSession, gateway: Gateway, options: argparse.Namespace
) -> tuple[Farm, Table]:
    assert gateway.process is not None
    pid = gateway.process.pid
    farm = Farm(each=options.units // options.users)
    creators = [
        Creator(http, gateway.url, f"c{number}@example.org") for number in range(options.users)
    ]
    for creator in creators:
        await creator.register()
    lines = await connect(http, gateway, farm, options)
    await asyncio.sleep(1.0)
    memory, cost = [rss_mib(pid)], Cost.of(pid, os.getpid())
    farm.begun = time.perf_counter()
    wanted = farm.each * options.users
    async with asyncio.TaskGroup() as group:
        group.create_task(submit(farm, creators))
        while len(farm.acked) < wanted:
            await asyncio.sleep(0.5)
            memory.append(rss_mib(pid))
            assert time.perf_counter() - farm.begun < WITHIN, f"{len(farm.acked)} of {wanted}"
    used = Cost.of(pid, os.getpid()).since(cost, wanted)
    for line in lines:
        line.close()
    return farm, table_of(farm, wanted, used, memory)


def table_of(farm: Farm, wanted: int, used: tuple[float, ...], memory: list[float]) -> Table:
    table = Table("", "")
    took = farm.acked[-1]
    table.add("units", f"{wanted:,} in {took:,.1f} s: {wanted / took:,.0f}/s")
    table.add("CPU µs of a unit: gateway, engines, load", ", ".join(f"{v:,.0f}" for v in used))
    table.add("last third beside first", f"{farm.flatness():.2f}")
    p50, p99 = percentiles(farm.to_ack_ms)
    table.add("result to ack ms, p50 and p99", f"{p50:,.1f}, {p99:,.1f}")
    p50, p99 = percentiles(farm.to_next_ms)
    table.add("result to next frame ms, p50 and p99", f"{p50:,.1f}, {p99:,.1f}")
    shares = sorted((farm.shares or farm.done).values())
    table.add("least and most of a user, when the first had all", f"{shares[0]:,}, {shares[-1]:,}")
    said = f"{memory[0]:,.0f}, {max(memory):,.0f}, {memory[-1]:,.0f}"
    table.add("memory MiB: connected, most, end", said)
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--slots", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)  # noqa: PTH101 - engines of root run as somebody else
        print(f"fdatasync here: {fdatasync_rate(folder):,.0f}/s; PostgreSQL's fsync is on")
        async with aiohttp.ClientSession() as http:
            gateway = Gateway(folder / "farm", **SETTINGS)
            await gateway.start()
            try:
                _, table = await run(http, gateway, options)
            finally:
                await gateway.stop()
        print(f"{options.nodes} nodes of {options.slots} slots, {options.users} users; {machine()}")
        table.print()


if __name__ == "__main__":
    asyncio.run(main())
