"""Two gateways over one database: how often both claim the same unit.

    python -m bench.gateways [--nodes 100] [--units 4000] [--users 4] [--slots 4]

Each gateway runs in a separate process; both share the engines (fsync on). Half of the nodes
connect to each gateway and return each result at once. The output has the units acknowledged per
second, and for each gateway the units that it assigned and the claims that it lost.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from bench.crowd import SETTINGS
from bench.farm import Farm, connect, submit
from bench.probe import Table, fdatasync_rate, machine
from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import EmbeddedPostgres
from supervisors.engines.seaweedfs import EmbeddedObjects
from supervisors.engines.valkey import EmbeddedValkey
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway, started

NAMES = ("rendertrust_dispatches_total", "rendertrust_claims_lost_total")
HEARD_SECONDS = 8.0  # after this time each gateway knows the other


@asynccontextmanager
async def engines(data: Path) -> AsyncGenerator[dict[str, str]]:
    """Run engines until the block ends; yield the settings of gateways that share them."""
    account = engine_account()
    postgres = EmbeddedPostgres(data, account=account)
    valkey = EmbeddedValkey(data, account=account)
    objects = EmbeddedObjects(data, account=account)
    database, bus, store = await postgres.start(), await valkey.start(), await objects.start()
    try:
        yield {
            "RENDERTRUST_DATABASE_URL": database.app_dsn,
            "RENDERTRUST_DATABASE_OWNER_URL": database.owner_dsn,
            "RENDERTRUST_REDIS_URL": bus.url,
            "RENDERTRUST_OBJECTS_URL": store.url,
            "RENDERTRUST_OBJECTS_ACCESS_KEY": store.access_key,
            "RENDERTRUST_OBJECTS_SECRET_KEY": store.secret_key,
            "RENDERTRUST_JWT_SECRET": "a secret that both of them sign tokens with",
            "RENDERTRUST_PROOF_KEY": "5e" * 32,
        }
    finally:
        for engine in (objects, valkey, postgres):
            await engine.stop()


@asynccontextmanager
async def running(count: int, **settings: str) -> AsyncGenerator[list[Gateway]]:
    """Run ``count`` gateways in separate processes with shared engines."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        os.chmod(folder, 0o711)  # noqa: PTH101 - engines of root run as somebody else
        print(f"fdatasync here: {fdatasync_rate(folder):,.0f}/s; PostgreSQL's fsync is on")
        shared = await stack.enter_async_context(engines(folder / "shared"))
        gateways = [Gateway(folder / f"{n + 1}", **settings, **shared) for n in range(count)]
        for gateway in gateways:
            await stack.enter_async_context(started(gateway))
        yield gateways


async def counted(http: aiohttp.ClientSession, gateway: Gateway) -> list[int]:
    async with http.get(f"{gateway.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return [int(float(values.get(name, 0))) for name in NAMES]


async def run(
    http: aiohttp.ClientSession, gateways: list[Gateway], options: argparse.Namespace
) -> Table:
    farm = Farm(each=options.units // options.users)
    creators = [Creator(http, gateways[0].url, f"c{n}@example.org") for n in range(options.users)]
    for creator in creators:
        await creator.register()
    half = argparse.Namespace(nodes=options.nodes // 2, slots=options.slots)
    lines = [line for each in gateways for line in await connect(http, each, farm, half)]
    await asyncio.sleep(HEARD_SECONDS)
    farm.begun, wanted = time.perf_counter(), farm.each * options.users
    await submit(farm, creators)
    while len(farm.acked) < wanted:
        await asyncio.sleep(0.25)
    for line in lines:
        line.close()
    table = Table("", "")
    table.add("units", f"{wanted:,}: {wanted / farm.acked[-1]:,.0f}/s")
    for number, gateway in enumerate(gateways):
        assigned, lost = await counted(http, gateway)
        table.add(f"gateway {number + 1}: assigned, lost", f"{assigned:,}, {lost:,}")
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--units", type=int, default=4_000)
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--slots", type=int, default=4)
    options = parser.parse_args()
    async with running(2, **SETTINGS) as gateways, aiohttp.ClientSession() as http:
        table = await run(http, gateways, options)
        print(f"{options.nodes} nodes of {options.slots} slots, {options.users} users; {machine()}")
        table.print()


if __name__ == "__main__":
    asyncio.run(main())
