"""Time until a gateway with many open jobs and entries is ready again, after a stop and a kill.

    python -m bench.restart [--entries 1000000] [--open 10000] [--ended 100000] [--rounds 3]

The times run from the start of the process to three events: it prints that it serves; all its parts
are ready; it answers a dispatch, for which the Scheduler must have read all open jobs. Goal: ready
in less than 5 s. The table also has the longest answer of ``/health`` until then and for as long
again, because the backlog is read once more. At the end fsck checks the books. A large backlog:

    python -m bench.restart --open 150000 --entries 400000 --ended 0 --rounds 1
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import aiohttp

from bench.crowd import JOB, SETTINGS
from bench.probe import Table, fdatasync_rate, machine
from bench.volume import fill
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway, alive_in
from tests.support.until import until

READY_SECONDS = 600.0


async def start_and_time(gateway: Gateway, creator: Creator) -> list[float]:
    """Start the gateway; return the three times and the longest answer of ``/health``."""
    begun = time.perf_counter()
    await gateway.start()
    times = [time.perf_counter() - begun]
    looking = asyncio.create_task(longest_answer(creator.http, gateway.url))

    async def is_ready() -> bool:
        async with creator.http.get(f"{gateway.url}/api/v1/health/ready") as answer:
            return bool((await answer.json())["status"] == "ready")

    await until(is_ready, within=READY_SECONDS)
    times.append(time.perf_counter() - begun)
    status, answer = await creator.call("POST", "/jobs/dispatch", JOB)
    assert status in (400, 402), answer  # no node can do the job, or no credits pay for it
    times.append(time.perf_counter() - begun)
    await asyncio.sleep(max(times[-1], 10.0))
    looking.cancel()
    return [*times, await looking]


async def longest_answer(http: aiohttp.ClientSession, url: str) -> float:
    """Ask for ``/health`` until cancelled; return the longest time of an answer."""
    found = 0.0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            asked = time.perf_counter()
            async with http.get(f"{url}/health") as answer:
                assert answer.status == 200
            found = max(found, time.perf_counter() - asked)
            await asyncio.sleep(0.02)
    return found


async def measure(options: argparse.Namespace, gateway: Gateway, folder: Path) -> Table:
    rows: dict[str, list[list[float]]] = {"after a stop": [], "after SIGKILL": []}
    async with aiohttp.ClientSession() as http:
        await gateway.start()
        endpoint = kept_endpoint(folder)
        assert endpoint is not None
        began = time.perf_counter()
        sizes = {"entries": options.entries, "open_jobs": options.open, "ended_jobs": options.ended}
        await fill(endpoint.owner_dsn, **sizes)
        print(f"filled in {time.perf_counter() - began:.0f} s")
        creator = Creator(http, gateway.url, "restart@example.org")
        await creator.register()
        for _ in range(options.rounds):
            await gateway.stop()
            rows["after a stop"].append(await start_and_time(gateway, creator))
            await gateway.kill()
            rows["after SIGKILL"].append(await start_and_time(gateway, creator))
        code, words = await gateway.fsck(within=900)
        print(f"fsck: {words.strip()} ({code})")
    heading = ("says that it serves", "is ready", "answers a dispatch", "longest /health")
    table = Table("seconds until it", *heading)
    for label, rounds in rows.items():
        table.add(label, *(f"{median(times):.2f}" for times in zip(*rounds, strict=True)))
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--ended", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "data"
        os.chmod(name, 0o711)  # noqa: PTH101 - engines of root run as somebody else
        print(f"fdatasync here: {fdatasync_rate(Path(name)):,.0f}/s; PostgreSQL's fsync is on")
        gateway = Gateway(folder, **(SETTINGS | {"RENDERTRUST_CREDITS_STARTER": "0"}))
        try:
            table = await measure(options, gateway, folder)
        finally:
            await gateway.stop()
            await until(lambda: not alive_in(folder), within=30)
        print(f"{options.open:,} open jobs, {options.entries:,} entries; {machine()}")
        table.print()


if __name__ == "__main__":
    asyncio.run(main())
