"""Growth of a gateway's memory while complete jobs go through it.

    python -m bench.soak [--minutes 60] [--warm 10] [--creators 16] [--nodes 10] [--kib 20]

The gateway runs in a separate process on embedded engines; this process plays creators and nodes. A
creator uploads a scene, submits it, asks until it is complete and downloads the result, with a new
connection for each request; a node fetches the scene and uploads the result. Each minute the jobs
so far and the resident memory of the gateway are printed. Goal: at the end the memory is at most 5
% larger than after ``--warm`` minutes, when every bounded buffer is full (the console keeps ten
minutes). Otherwise the exit code is 1.
"""

import argparse
import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import attrs
from yarl import URL

from bench.crowd import JOB_TYPE, SETTINGS, UNLIMITED
from bench.farm import rss_mib
from bench.probe import machine
from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import running_gateway

GROWTH_MOST: Final = 1.05
LOOK_SECONDS: Final = 0.05


@attrs.define
class Soak:
    """A run of the benchmark; ``done`` counts complete lives of jobs."""

    url: str
    size: int
    done: int = 0
    failed: int = 0

    async def create(self, number: int) -> None:
        """Play one creator until cancelled."""
        async with aiohttp.ClientSession() as http:
            creator = Creator(http, self.url, f"soak{number}@example.org")
            await creator.register()
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http:
            creator.http = http
            while True:
                await self._live(creator)

    async def _live(self, creator: Creator) -> None:
        scene = await creator.upload(os.urandom(self.size))
        order = {"job_type": JOB_TYPE, "payload_ref": scene, "queue": True}
        status, answer = await creator.call("POST", "/jobs/dispatch", order)
        if status not in {200, 202}:
            self.failed += 1
            await asyncio.sleep(1.0)
            return
        job = str(answer["job_id"])
        while (found := (await creator.job(job))["status"]) not in {"COMPLETED", "FAILED"}:
            await asyncio.sleep(LOOK_SECONDS)
        if found == "COMPLETED":
            await creator.result(job)
        self.done += found == "COMPLETED"
        self.failed += found != "COMPLETED"

    async def work(self, http: aiohttp.ClientSession) -> None:
        """Play one node until cancelled."""
        node = PlainNode(http, self.url, (JOB_TYPE,))
        await node.register()
        await node.heartbeat()
        await node.connect()
        await node.say("hello", version="bench", slots=4)
        assert node.socket is not None
        async with asyncio.TaskGroup() as group:
            async for message in node.socket:
                frame = message.json()
                if frame["type"] == "job_dispatch":
                    group.create_task(self._render(node, frame))

    async def _render(self, node: PlainNode, frame: Mapping[str, Any]) -> None:
        for given in frame.get("inputs", ()):
            async with node.http.get(URL(given["url"], encoded=True)) as answer:
                await answer.read()
        result, output = os.urandom(self.size), frame["output"]
        where, headers = URL(output["url"], encoded=True), output["headers"]
        async with node.http.put(where, data=result, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        told = {name: frame[name] for name in ("job_id", "unit", "attempt")}
        told |= {"result_ref": output["key"], "sha256": hashlib.sha256(result).hexdigest()}
        await node.say("job_result", status="completed", size=len(result), **told)


async def watch(soak: Soak, pid: int, minutes: int, warm: int) -> bool:
    """Print a line each minute; return True if the goal is met."""
    begun, base, now = time.monotonic(), 0.0, 0.0
    for minute in range(1, minutes + 1):
        await asyncio.sleep(begun + 60 * minute - time.monotonic())
        now = rss_mib(pid)
        base = now if minute == warm else base
        print(f"{minute:3d} min  {soak.done:8,} jobs  {now:6.1f} MiB", flush=True)
    grown = now / base
    verdict = "met" if grown <= GROWTH_MOST else "MISSED"
    print(f"{soak.failed} failed; {machine()}")
    print(f"{grown - 1:+.1%} since minute {warm}, goal {GROWTH_MOST - 1:.0%}: {verdict}")
    return grown <= GROWTH_MOST


async def main(options: argparse.Namespace) -> bool:
    settings = {**SETTINGS, **UNLIMITED}
    many = aiohttp.TCPConnector(limit=0)
    async with (
        running_gateway(**settings) as gateway,
        aiohttp.ClientSession(connector=many) as http,
    ):
        assert gateway.process is not None
        soak = Soak(gateway.url, options.kib << 10)
        crowd = [asyncio.ensure_future(soak.work(http)) for _ in range(options.nodes)]
        crowd += [asyncio.ensure_future(soak.create(n)) for n in range(options.creators)]
        watching = asyncio.ensure_future(
            watch(soak, gateway.process.pid, options.minutes, options.warm)
        )
        await asyncio.wait((watching, *crowd), return_when=asyncio.FIRST_COMPLETED)
        for task in crowd:
            if not task.cancel():
                task.result()  # raises its error
        await asyncio.wait(crowd)
        return await watching


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--warm", type=int, default=10)
    parser.add_argument("--creators", type=int, default=16)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--kib", type=int, default=20)
    sys.exit(not asyncio.run(main(parser.parse_args())))
