"""Load of a benchmark: creators and nodes in one process, with a gateway in another."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from itertools import count

import aiohttp
import orjson

from bench.probe import Cost
from bench.wire import HttpLine, NodeLine, request
from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import Gateway
from tests.support.until import until

SETTINGS = {
    "RENDERTRUST_CREDITS_STARTER": "100000000",
    "RENDERTRUST_LIMITS_REGISTER": "100000",
    "RENDERTRUST_LIMITS_LOGIN": "100000",
    "RENDERTRUST_LIMITS_NODE": "100000",
}
UNLIMITED = {
    f"RENDERTRUST_LIMITS_{name}": "10000000" for name in ("OBJECT", "READ", "WRITE", "DISPATCH")
} | {"RENDERTRUST_JWT_ACCESS_MINUTES": "1440"}  # tokens that outlast the run, without new logins
JOB_TYPE = "cpu_benchmark"
JOB = {"job_type": JOB_TYPE, "payload_ref": "s3://elsewhere/input/scene.blend"}


@dataclass
class LoadTimes:
    """Times in seconds at which each job was submitted, dispatched to its node, and acked."""

    asked: dict[str, float] = field(default_factory=dict)
    came: dict[str, float] = field(default_factory=dict)
    acked: dict[str, float] = field(default_factory=dict)
    answered_ms: list[float] = field(default_factory=list)
    refused: int = 0

    def on_socket_ms(self) -> list[float]:
        both = self.asked.keys() & self.came.keys()
        return [(self.came[job] - self.asked[job]) * 1e3 for job in both]


class Crowd:
    """The creators and nodes of a gateway.

    With ``answers`` nodes return each result at once; otherwise they keep it until
    ``give_results``.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.seen = LoadTimes()
        self.answers = True
        self._kept: list[tuple[NodeLine, str]] = []
        self._nodes: list[NodeLine] = []
        self._creators: list[tuple[HttpLine, bytes]] = []

    async def connect_nodes(self, http: aiohttp.ClientSession, number: int, slots: int) -> None:
        for _ in range(number):
            node = PlainNode(http, self.gateway.url, (JOB_TYPE,))
            await node.register()
            await node.heartbeat()
            url = f"{self.gateway.url}/api/v1/relay/ws/{node.id}"
            line = await NodeLine.open(url, node.token, self._heard)
            line.say(orjson.dumps({"type": "hello", "version": "bench", "slots": slots}))
            self._nodes.append(line)

    async def register_creators(self, http: aiohttp.ClientSession, number: int) -> None:
        tokens: list[str] = []
        for n in range(number):
            creator = Creator(http, self.gateway.url, f"c{n}@example.org")
            await creator.register()
            tokens.append(creator.token)
        # Opened last, because an unused connection is closed after ten seconds.
        url = f"{self.gateway.url}/api/v1/jobs/dispatch"
        for token in tokens:
            asking = request("POST", url, token, JOB)
            self._creators.append((await HttpLine.open(url), asking))

    def _heard(self, node: NodeLine, text: bytes) -> None:
        frame = orjson.loads(text)
        kind = frame["type"]
        if kind == "job_dispatch":
            self.seen.came[frame["job_id"]] = time.perf_counter()
            if self.answers:
                self._give_result(node, frame["job_id"])
            else:
                self._kept.append((node, frame["job_id"]))
        elif kind == "ack":
            self.seen.acked[frame["job_id"]] = time.perf_counter()

    @staticmethod
    def _give_result(node: NodeLine, job: str) -> None:
        result = {"type": "job_result", "job_id": job, "unit": 0, "attempt": 1}
        result |= {"status": "completed", "result_ref": f"s3://elsewhere/{job}"}
        node.say(orjson.dumps(result))

    async def give_results(self) -> None:
        """Wait until the nodes have all jobs, return all results, and wait for the acks."""
        await until(lambda: self.seen.came.keys() >= self.seen.asked.keys(), within=30)
        kept, self._kept = self._kept, []
        for node, job in kept:
            self._give_result(node, job)
        await self.settle()

    async def _dispatch(self, line: HttpLine, asking: bytes) -> None:
        start = time.perf_counter()
        status, body = await line.ask(asking)
        if status == 503:
            self.seen.refused += 1  # every node's backlog is full
            return
        assert status == 200, (status, body)
        self.seen.asked[orjson.loads(body)["job_id"]] = start
        self.seen.answered_ms.append((time.perf_counter() - start) * 1e3)

    # -- loads; each method returns the seconds that its load took

    async def at_once(self, *, seconds: float = 3600.0, jobs: int = 1_000_000_000) -> float:
        """Closed loop: each creator submits jobs one after the other, for a time or a number."""
        self.seen = LoadTimes()
        start, numbers = time.perf_counter(), iter(range(jobs))

        async def one(line: HttpLine, asking: bytes) -> None:
            while time.perf_counter() - start < seconds and next(numbers, None) is not None:
                await self._dispatch(line, asking)

        await asyncio.gather(*(one(*creator) for creator in self._creators))
        return time.perf_counter() - start

    async def at_a_rate(self, seconds: float, rate: float) -> float:
        """Open loop: a job is due every 1/rate seconds, but skipped while all creators wait."""
        self.seen = LoadTimes()
        start, free = time.perf_counter(), list(self._creators)

        async def one(creator: tuple[HttpLine, bytes]) -> None:
            await self._dispatch(*creator)
            free.append(creator)

        async with asyncio.TaskGroup() as group:
            for number in count():
                due = start + number / rate
                if due - start >= seconds:
                    break
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if free:
                    group.create_task(one(free.pop(0)))
                else:
                    self.seen.refused += 1
        return time.perf_counter() - start

    async def settle(self) -> None:
        """Wait until every job of the last load is acknowledged."""
        await until(lambda: self.seen.acked.keys() >= self.seen.asked.keys(), within=30)

    def cost(self) -> Cost:
        assert self.gateway.process is not None
        return Cost.of(self.gateway.process.pid, os.getpid())

    async def batches(self, http: aiohttp.ClientSession) -> tuple[float, float]:
        """Return the commits and batches so far, from the gateway's metrics."""
        async with http.get(f"{self.gateway.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        name = "rendertrust_ledger_batch_size"
        return float(values.get(f"{name}_sum", 0)), float(values.get(f"{name}_count", 0))

    def close(self) -> None:
        for node in self._nodes:
            node.close()
        for line, _ in self._creators:
            line.close()
