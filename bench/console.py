"""Cost of 100 open consoles at 200 events a second.

    python -m bench.console [--consoles 100] [--events 200] [--seconds 20] [--rounds 3]

The gateway runs in a separate process with 100 nodes, each owned by another creator. Each event
changes a node, so every update has something new. The cases take turns: no console; all admins on
the overview; half of the admins on the page of actors; twenty creators on their own overviews
beside the admins; a hundred creators without admins, who share no reads; and twenty admins'
browsers with five windows each and one stream per browser. Goal: less than 10 % of a core for all
consoles, beyond the cost of the events.
"""

import argparse
import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from statistics import median
from typing import Final
from uuid import uuid4

import aiohttp
import asyncpg
import attrs
from redis import asyncio as aioredis

from bench.probe import Table, cpu_seconds, machine
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.gateway_process import Gateway, running_gateway

PASSWORD: Final = "securepassword123"
NODES, ADMINS, CREATORS = 100, 10, 20  # CREATORS: creators beside the admins
SETTLE_SECONDS: Final = 3.0
OVERVIEW, ACTORS = "/console", "/console/actors"
WINDOWS = (OVERVIEW, ACTORS, "/console/jobs", "/console/fleet", "/console/ledger")
OWN = {"Sec-Fetch-Site": "same-origin"}
ROWS: Final = """
INSERT INTO nodes (id, name, public_key, capabilities, status, seen_at, owner_id)
SELECT n.id, 'bench', decode(md5(n.id::text) || md5(n.id::text), 'hex'), '{echo}', 'HEALTHY',
       now(), u.id
FROM unnest($1::uuid[]) WITH ORDINALITY AS n (id, place)
JOIN (SELECT id, row_number() OVER (ORDER BY created_at) AS place, count(*) OVER () AS number
      FROM users WHERE role = 'user') u ON u.place = 1 + n.place % u.number
"""
CHANGE: Final = """
UPDATE nodes SET status = CASE status WHEN 'HEALTHY' THEN 'UNHEALTHY' ELSE 'HEALTHY' END,
                 seen_at = now() WHERE id = $1
"""


@attrs.frozen
class Figure:
    """Results of one turn: the gateway's share of a core, and what all consoles got per second."""

    core: float
    frames: float
    bytes: float


@attrs.define
class Got:
    frames: int = 0
    bytes: int = 0


class Stage:
    """A gateway, connections to its database and Redis, and session cookies of users."""

    def __init__(self, gateway: Gateway, rows: asyncpg.Connection, bus: aioredis.Redis) -> None:
        self.gateway, self.rows, self.bus = gateway, rows, bus
        self.nodes = [uuid4() for _ in range(NODES)]
        self.admins: list[str] = []
        self.creators: list[str] = []

    async def people(self, number: int) -> None:
        """Register and log in the admins and ``number`` creators, and add the nodes."""
        self.admins = [await self._cookie("admin") for _ in range(ADMINS)]
        self.creators = [await self._cookie("user") for _ in range(number)]
        await self.rows.execute(ROWS, self.nodes)

    async def _cookie(self, role: str) -> str:
        url, email = self.gateway.url, f"{secrets.token_hex(6)}@example.org"
        async with aiohttp.ClientSession() as http:
            await Creator(http, url, email).register()
            endpoint = kept_endpoint(self.gateway.data)
            assert endpoint is not None
            change = f"UPDATE users SET role = '{role}' WHERE email = '{email}'"
            await execute(endpoint.owner_dsn, change)
            form = {"email": email, "password": PASSWORD}
            own = {"Sec-Fetch-Site": "same-origin"}
            there = f"{url}/console/sign-in"
            async with http.post(there, data=form, headers=own, allow_redirects=False) as answer:
                return answer.headers["Set-Cookie"].partition(";")[0]

    def consoles(self, kind: str, number: int) -> list[tuple[str, str]]:
        """Return for each browser its cookie and the paths of its windows, one per line."""
        if kind == "five windows each":
            browsers = range(number // len(WINDOWS))
            return [(self.admins[n % ADMINS], "\n".join(WINDOWS)) for n in browsers]
        admins = [(self.admins[n % ADMINS], OVERVIEW) for n in range(number)]
        if kind == "half at the actors":
            return [(who, ACTORS if n % 2 else path) for n, (who, path) in enumerate(admins)]
        if kind == "20 creators among them":
            return [*admins[CREATORS:], *((who, OVERVIEW) for who in self.creators[:CREATORS])]
        if kind == "each at one's own":
            return [(who, OVERVIEW) for who in self.creators[:number]]
        return admins if kind == "all at the overview" else []

    async def events(self, rate: int) -> None:
        """Publish events until cancelled; each changes a node and goes over the bus."""
        begun, number = time.monotonic(), 0
        while True:
            await self.rows.execute(CHANGE, self.nodes[number * 7 % NODES])
            await self.bus.publish("jobs", b"[]")
            number += 1
            ahead = begun + number / rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)


async def look(http: aiohttp.ClientSession, url: str, who: tuple[str, str], got: Got) -> None:
    """Read a browser's stream until cancelled; ``who`` is its cookie and its windows' addresses."""
    cookie, addresses = who
    headers = {"Cookie": cookie, **OWN}
    async with http.post(f"{url}/console/live", data=addresses, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        async for chunk in answer.content.iter_any():
            got.frames += chunk.count(b"event: here")
            got.bytes += len(chunk)


async def turn(stage: Stage, kind: str, options: argparse.Namespace) -> Figure:
    """Run one turn: wait until the load has settled, then measure."""
    got, process = Got(), stage.gateway.process
    assert process is not None
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        tasks = [asyncio.create_task(stage.events(options.events))]
        tasks += [
            asyncio.create_task(look(http, stage.gateway.url, who, got))
            for who in stage.consoles(kind, options.consoles)
        ]
        await asyncio.sleep(SETTLE_SECONDS)
        begun, used = time.monotonic(), cpu_seconds(process.pid)
        frames, size = got.frames, got.bytes
        await asyncio.sleep(options.seconds)
        passed = time.monotonic() - begun
        core = (cpu_seconds(process.pid) - used) / passed
        assert not any(task.done() for task in tasks), "a console or the events ended"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return Figure(core, (got.frames - frames) / passed, (got.bytes - size) / passed)


@asynccontextmanager
async def on_stage(creators: int) -> AsyncGenerator[Stage]:
    async with running_gateway() as gateway:
        endpoint = kept_endpoint(gateway.data)
        assert endpoint is not None
        rows = await asyncpg.connect(endpoint.owner_dsn)
        text = (gateway.data / "valkey" / "valkey.conf").read_text()
        found = dict(re.findall(r'^(unixsocket|requirepass) "?([^"\n]+)"?$', text, re.MULTILINE))
        bus = aioredis.Redis(unix_socket_path=found["unixsocket"], password=found["requirepass"])
        stage = Stage(gateway, rows, bus)
        await stage.people(creators)
        yield stage
        await bus.aclose()
        await rows.close()


async def run(options: argparse.Namespace) -> None:
    kinds = (
        *("nobody", "all at the overview", "half at the actors"),
        *("20 creators among them", "each at one's own", "five windows each"),
    )
    found: dict[str, list[Figure]] = {kind: [] for kind in kinds}
    async with on_stage(max(CREATORS, options.consoles)) as stage:
        for _ in range(options.rounds):
            for kind in kinds:
                found[kind].append(await turn(stage, kind, options))
    alone = median(figure.core for figure in found["nobody"])
    table = Table("consoles", "% of a core", "for the consoles", "frames/s", "KiB/s")
    for kind, figures in found.items():
        core = median(figure.core for figure in figures)
        table.add(
            kind,
            f"{core * 100:.1f}",
            f"{(core - alone) * 100:.1f}",
            f"{median(figure.frames for figure in figures):.0f}",
            f"{median(figure.bytes for figure in figures) / 1024:.0f}",
        )
    print(f"{options.consoles} consoles, {options.events} events a second; {machine()}")
    table.print()


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--consoles", type=int, default=100)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
