"""Latency and memory of a gateway under several kinds of hostile clients at once.

    python -m bench.hostile [--minutes 10] [--nodes 1000] [--drips 200] [--floods 60]
        [--strangers 30]

The gateway runs in a separate process on embedded engines, with production's limits except for
registration. The following clients run in separate processes at different loopback addresses:

* well-behaved nodes, which say hello, answer pings, send heartbeats, and do units of some seconds;
* slow clients, which send headers and bodies a few bytes at a time, and reconnect if cut off;
* nodes that flood the gateway, each in another way, and reconnect when cut off;
* nodes that connect with an invalid Host header, and reconnect when refused;
* clients that send one body after another, each expensive to parse;
* a client that requests ``/health`` at a steady rate; delays count from the time a request is due.

Goals: p99 of ``/health`` is below 200 ms over at least 5,000 samples, and no answer takes above a
second. RSS at the end is at most 1.1 times that after the first minute. No well-behaved node is cut
off, no unit fails, and no body is answered with 5xx.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.probe import Cost, Table, machine, percentiles
from bench.wire import CONTINUATION, PING, PONG, TEXT, HttpLine, NodeLine, frame, request
from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import ROOT, Gateway

P99_MS, LONGEST_MS, SAMPLES, GROWTH = 200.0, 1_000.0, 5_000, 1.1
WORK_SECONDS, UNITS_OF_A_JOB = 20.0, 5_000
SENDERS, REST_SECONDS = 4, 0.25  # clients that send bodies, each with a pause after an answer
PROBES_PER_SECOND = 50.0
# Probing connections, which take turns: one late answer does not delay the next requests.
PROBES_AT_ONCE = 20
DRIP_SECONDS, LIFE_SECONDS = 0.5, 15.0
SETTINGS: Final = {
    "RENDERTRUST_CREDITS_STARTER": "100000000",
    "RENDERTRUST_SERVER_CONNECTIONS_PER_ADDRESS": "500",
    "RENDERTRUST_SERVER_SOCKETS_PER_ADDRESS": "2000",
    "RENDERTRUST_LIMITS_PROBE": "6000",
    "RENDERTRUST_LIMITS_SOCKET": "3000",
    "RENDERTRUST_LIMITS_READ": "3000",
    "RENDERTRUST_LIMITS_WRITE": "1200",
    "RENDERTRUST_LIMITS_NODE": "100000",  # all nodes register before the run begins
}
HEAD = b"POST /api/v1/nodes/verify HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
DRIPS: Final = (b"GET /health HTTP/1.1\r\nHost: bench\r\n", HEAD + b"Content-Length: 1000\r\n\r\n")
# Kind and payload of each WebSocket frame of a flood; the fragments belong to an endless message.
FLOODS: Final = (
    (TEXT, b'{"type": "pong"}'),
    (TEXT, b'{"type": "job_status", "job_id": "none", "status": "running"}'),
    (TEXT, b'{"type": "' + b"x" * 4000 + b'"}'),
    (PING, b"x" * 100),
    (PONG, b""),
    (CONTINUATION, b""),
)
FRAMES_AT_ONCE = 500
HOSTS: Final = ("h:99999", "[....]:80", "[1:2]", "a b/c@d", "h:")
VERIFY, QUOTE = "/api/v1/nodes/verify", "/api/v1/jobs/quote"
MANY_KEYS: Final = b",".join(b'"%x":1' % number for number in range(8_000))
IDEA: Final = {"job_type": "bench", "payload_ref": "s3://elsewhere/a.blend"}
BODIES: Final[tuple[tuple[str, object], ...]] = (
    (VERIFY, b'{"a":[' + b"[]," * 70 + b'"' + b'\\"' * 32_000),
    (VERIFY, b'{"z":1,' + MANY_KEYS + b',"z":2}'),
    (VERIFY, b"{" + MANY_KEYS + b',"z":1,"z":2}'),
    (VERIFY, b"{" + MANY_KEYS + b"}"),
    (VERIFY, b'{"' + b"k" * 20_000 + b'":[' + b'"\\u0000",' * 5_000 + b"1]}"),
    (QUOTE, IDEA | {"frames": ",".join(["1-99999"] * 240)}),
    (
        QUOTE,
        IDEA | {"frames": "1-99999", "tiles": "6x8", "params": {"width": 640, "height": 480}},
    ),
)


def address(group: int, number: int) -> str:
    """Return a loopback address for a group of clients that share it."""
    return f"127.0.{group}.{1 + number % 10}"


# -- nodes that keep to the rules


class GoodNode(NodeLine):
    """A well-behaved node; the class counts lost connections and received units."""

    lost = 0
    units = 0

    def connection_lost(self, exc: Exception | None) -> None:
        GoodNode.lost += 1


async def be_nodes(url: str, known: list[list[str]], seconds: float) -> dict[str, Any]:
    lines = [
        await GoodNode.open(f"{url}/api/v1/relay/ws/{node}", token, _works, address(2, number))
        for number, (node, token) in enumerate(known)
    ]
    for line in lines:
        line.say(b'{"type": "hello", "version": "bench", "slots": 1}')
    print("ready", flush=True)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(LIFE_SECONDS, left))
        for line in lines:
            line.say(b'{"type": "pong"}')
    return {"nodes": len(lines), "lost": GoodNode.lost, "units": GoodNode.units}


def _works(node: NodeLine, text: bytes) -> None:
    """Return the result of a unit some seconds after the unit has arrived."""
    frame = json.loads(text)
    if frame["type"] != "job_dispatch":
        return
    GoodNode.units += 1
    named = {name: frame[name] for name in ("job_id", "unit", "attempt")}
    place = f"s3://elsewhere/{frame['job_id']}/{frame['unit']}"
    result = {"type": "job_result", **named, "status": "completed", "result_ref": place}
    asyncio.get_running_loop().call_later(WORK_SECONDS, node.say, json.dumps(result).encode())


def _deaf(_: NodeLine, __: bytes) -> None:
    """Ignore the gateway's relay frames."""


# -- slow clients


async def drip(url: str, number: int, end: float, seen: Counter[str]) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    head = DRIPS[number % 2]
    while time.monotonic() < end:
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection(
            host, int(port), local_addr=(address(3, number), 0)
        )
        last = asyncio.ensure_future(_all_of(reader))
        writer.write(head)
        while not last.done() and time.monotonic() < end:
            writer.write(b"x")
            await asyncio.wait((last,), timeout=DRIP_SECONDS)
        if last.done():
            seen["cut"] += 1
            lasted = time.monotonic() - begun
            seen["longest_ms"] = max(seen["longest_ms"], round(lasted * 1000))
        last.cancel()
        writer.transport.abort()


async def _all_of(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read()
    except ConnectionError:
        return


async def be_drips(url: str, number: int, seconds: float) -> dict[str, Any]:
    end, seen = time.monotonic() + seconds, Counter[str]()
    print("ready", flush=True)
    await asyncio.gather(*(drip(url, n, end, seen) for n in range(number)))
    return dict(seen)


# -- nodes that flood


class Flood(NodeLine):
    """A flooding node that notices when the gateway cuts it off or tells it to wait."""

    def __init__(self, upgrade: bytes, heard: Callable[[NodeLine, bytes], None]) -> None:
        super().__init__(upgrade, heard)
        self.cut = asyncio.Event()
        self.may_write = asyncio.Event()
        self.may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.cut.set()
        self.may_write.set()
        if not self.opened.done():
            self.opened.set_exception(ConnectionResetError("cut"))

    def say_many(self, payload: bytes, kind: int) -> None:
        """Write the same relay frame many times at once."""
        self._transport.write(frame(payload, kind) * FRAMES_AT_ONCE)

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()


async def flood(url: str, known: list[str], number: int, end: float, seen: Counter[str]) -> None:
    node, token = known
    kind, payload = FLOODS[number % len(FLOODS)]
    target, source = f"{url}/api/v1/relay/ws/{node}", address(4, number)
    while time.monotonic() < end:
        try:
            line = await Flood.open(target, token, _deaf, source)
        except OSError:
            seen["refused"] += 1  # 429: a flooding client must wait
            await asyncio.sleep(0.5)
            continue
        if kind == CONTINUATION:
            line.say(b"x", TEXT & 0x7F)
        while not line.cut.is_set() and time.monotonic() < end:
            line.say_many(payload, kind)
            seen["frames"] += FRAMES_AT_ONCE
            await asyncio.sleep(0)
            await line.may_write.wait()
        seen["cut"] += line.cut.is_set()
        line.close()


async def be_floods(url: str, known: list[list[str]], seconds: float) -> dict[str, Any]:
    end, seen = time.monotonic() + seconds, Counter[str]()
    print("ready", flush=True)
    await asyncio.gather(
        *(flood(url, node, number, end, seen) for number, node in enumerate(known))
    )
    return dict(seen)


# -- nodes with an invalid Host header


async def estrange(url: str, known: list[str], number: int, end: float, seen: Counter[str]) -> None:
    node, token = known
    target, host = f"{url}/api/v1/relay/ws/{node}", HOSTS[number % len(HOSTS)]
    while time.monotonic() < end:
        try:
            line = await Flood.open(target, token, _deaf, address(5, number), host)
        except OSError:
            seen["refused"] += 1
            await asyncio.sleep(0.5)
            continue
        seen["accepted"] += 1
        line.say(b'{"type": "hello", "version": "bench", "slots": 4}')
        while not line.cut.is_set() and time.monotonic() < end:
            with suppress(TimeoutError):
                async with asyncio.timeout(LIFE_SECONDS):
                    await line.cut.wait()
            line.say(b'{"type": "pong"}')
        line.close()


async def be_strangers(url: str, known: list[list[str]], seconds: float) -> dict[str, Any]:
    end, seen = time.monotonic() + seconds, Counter[str]()
    print("ready", flush=True)
    await asyncio.gather(
        *(estrange(url, node, number, end, seen) for number, node in enumerate(known))
    )
    return dict(seen)


# -- clients with expensive bodies


async def send_bodies(url: str, token: str, end: float, seen: Counter[str]) -> None:
    line = await HttpLine.open(url)
    while time.monotonic() < end:
        for path, body in BODIES:
            try:
                status, answer = await line.ask(request("POST", url + path, token, body))
            except ConnectionError:
                line = await HttpLine.open(url)
                continue
            seen[f"{status // 100}xx"] += 1
            if status >= 500:
                print(f"{path} was answered with {answer!r}", file=sys.stderr)
            await asyncio.sleep(REST_SECONDS)
    line.close()


async def be_bodies(url: str, token: str, seconds: float) -> dict[str, Any]:
    end, seen = time.monotonic() + seconds, Counter[str]()
    print("ready", flush=True)
    await asyncio.gather(*(send_bodies(url, token, end, seen) for _ in range(SENDERS)))
    return dict(seen)


# -- the client that asks for /health


async def be_probe(url: str, seconds: float) -> dict[str, Any]:
    target, begun = f"{url}/health", time.monotonic()
    asking, took, wrong = request("GET", target, "none"), list[float](), list[int]()
    lines = [await HttpLine.open(target) for _ in range(PROBES_AT_ONCE)]

    async def ask(first: int) -> None:
        for number in range(first, int(seconds * PROBES_PER_SECOND), PROBES_AT_ONCE):
            due = begun + number / PROBES_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            status, _ = await lines[first].ask(asking)
            took.append((time.monotonic() - due) * 1e3)
            wrong.append(status != 200)

    print("ready", flush=True)
    await asyncio.gather(*(ask(first) for first in range(PROBES_AT_ONCE)))
    return {"took": took, "wrong": sum(wrong)}


ROLES: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
    "nodes": be_nodes,
    "drips": be_drips,
    "floods": be_floods,
    "strangers": be_strangers,
    "bodies": be_bodies,
    "probe": be_probe,
}


@dataclass
class Role:
    """A process of this module that plays a role."""

    name: str
    process: Process

    @classmethod
    async def start(cls, name: str, *words: Any) -> "Role":
        """Start the process and wait until it is ready; tokens are passed on stdin only."""
        command = (sys.executable, "-m", "bench.hostile", "--role", name)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=PIPE, stdout=PIPE, limit=64 * 1024 * 1024
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(words).encode() + b"\n")
        await process.stdin.drain()
        assert await process.stdout.readline() == b"ready\n", f"{name} did not begin"
        return cls(name, process)

    async def end(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(await self.process.stdout.readline())
        await self.process.wait()
        return found


def play(name: str) -> None:
    """Play a role in this process."""
    words = json.loads(sys.stdin.readline())
    if name != "probe":
        os.nice(10)  # in reality the clients run on other machines
    found = asyncio.run(ROLES[name](*words))
    print(json.dumps(found), flush=True)


# -- the whole benchmark


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("a process has memory")


async def register_nodes(
    http: aiohttp.ClientSession, url: str, number: int
) -> list[tuple[str, str]]:
    """Register nodes and return their ids and tokens."""
    found: list[tuple[str, str]] = []
    for _ in range(number):
        node = PlainNode(http, url, ("bench",))
        await node.register()
        found.append((node.id, node.token))
    return found


async def run(options: argparse.Namespace, folder: Path) -> int:
    gateway = Gateway(folder / "data", **SETTINGS)
    await gateway.start()
    try:
        return await among_hostile(options, gateway)
    finally:
        await gateway.stop()


async def among_hostile(options: argparse.Namespace, gateway: Gateway) -> int:
    assert gateway.process is not None
    pid, seconds = gateway.process.pid, options.minutes * 60.0
    async with aiohttp.ClientSession() as http:
        nodes = await register_nodes(http, gateway.url, options.nodes)
        floods = await register_nodes(http, gateway.url, options.floods)
        strangers = await register_nodes(http, gateway.url, options.strangers)
        creator = Creator(http, gateway.url, "creator@example.org")
        await creator.register()
        jobs = await submit_jobs(creator, seconds * options.nodes / WORK_SECONDS)
    roles = [await Role.start("nodes", gateway.url, nodes, seconds)]
    roles.append(await Role.start("drips", gateway.url, options.drips, seconds))
    roles.append(await Role.start("floods", gateway.url, floods, seconds))
    roles.append(await Role.start("strangers", gateway.url, strangers, seconds))
    roles.append(await Role.start("bodies", gateway.url, creator.token, seconds))
    roles.append(await Role.start("probe", gateway.url, seconds))
    before = Cost.of(pid, os.getpid())
    await asyncio.sleep(60)
    first = rss_mib(pid)
    ending = asyncio.gather(*(role.end() for role in roles))
    last = first
    while not ending.done():
        last = rss_mib(pid)
        await asyncio.wait((ending,), timeout=1.0)
    cpu = Cost.of(pid, os.getpid()).gateway - before.gateway
    found = await ending
    async with aiohttp.ClientSession() as http:
        creator.http = http
        failed = sum([(await creator.job(job))["failed"] for job in jobs])
    return report(found, (first, last), cpu, await lag_ms(gateway.url), failed)


async def submit_jobs(creator: Creator, units: float) -> list[str]:
    """Submit jobs with at least ``units`` units, and return the jobs' ids."""
    found: list[str] = []
    while len(found) * UNITS_OF_A_JOB < units + UNITS_OF_A_JOB:
        status, job = await creator.dispatch("bench", frames=f"1-{UNITS_OF_A_JOB}", queue=True)
        assert status in (200, 202), job
        found.append(job["job_id"])
    return found


async def lag_ms(url: str) -> float:
    """Return the 99th percentile of the loop's lag, from the gateway's histogram."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    rows = [line for line in lines if line.startswith("rendertrust_loop_lag_seconds_bucket")]
    buckets = [(float(row.split('"')[1]), float(row.split()[1])) for row in rows]
    return next(most for most, count in buckets if count >= 0.99 * buckets[-1][1]) * 1e3


def report(
    found: list[dict[str, Any]], rss: tuple[float, float], cpu: float, lag: float, failed: int
) -> int:
    """Print the table; return 1 if a goal was missed."""
    first, last = rss
    nodes, drips, floods, strangers, bodies, probe = found
    took = probe["took"]
    p50, p99 = percentiles(took)
    table = Table("what", "figure")
    table.add("/health samples", str(len(took)))
    table.add("/health p50, p99, longest (ms)", f"{p50:.1f}, {p99:.1f}, {max(took):.1f}")
    table.add("loop lag of the gateway, p99 below (ms)", f"{lag:.0f}")
    table.add("/health not 200", str(probe["wrong"]))
    table.add("RSS after a minute, at the end (MiB)", f"{first:.1f}, {last:.1f}")
    table.add("CPU seconds of the gateway", f"{cpu:.1f}")
    table.add("nodes that keep to the rules, lost", f"{nodes['nodes']}, {nodes['lost']}")
    table.add("units given to them, and failed of all", f"{nodes['units']}, {failed}")
    table.add("dripping clients cut", str(drips.get("cut", 0)))
    table.add("  after so long at most (ms)", str(drips.get("longest_ms", 0)))
    table.add("floods: frames, cut, refused", _few(floods, "frames", "cut", "refused"))
    table.add("nodes whose Host is none: accepted, refused", _few(strangers, "accepted", "refused"))
    table.add("bodies answered 2xx, 4xx, 5xx", _few(bodies, "2xx", "4xx", "5xx"))
    table.print()
    goals = {
        f"p99 below {P99_MS:.0f} ms over {SAMPLES} samples": p99 < P99_MS and len(took) >= SAMPLES,
        f"no sample above {LONGEST_MS:.0f} ms": max(took) <= LONGEST_MS,
        f"RSS at the end {last / first:.3f} of that after a minute, at most {GROWTH}": last
        <= GROWTH * first,
        "no node that keeps to the rules is cut": nodes["lost"] == 0,
        "every answer of /health is 200": probe["wrong"] == 0,
        "no unit fails": failed == 0,
        "no body is answered with 5xx": bodies.get("5xx", 0) == 0,
    }
    for goal, met in goals.items():
        print(f"{'met   ' if met else 'MISSED'}  {goal}")
    return 0 if all(goals.values()) else 1


def _few(found: dict[str, int], *names: str) -> str:
    return ", ".join(str(found.get(name, 0)) for name in names)


def main() -> int:
    parser = argparse.ArgumentParser(description="A gateway among hostile clients.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--drips", type=int, default=200)
    parser.add_argument("--floods", type=int, default=60)
    parser.add_argument("--strangers", type=int, default=30)
    parser.add_argument("--role", choices=sorted(ROLES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        play(options.role)
        return 0
    if options.minutes < 1.5:
        parser.error("--minutes must be 1.5 at least: memory is compared with the first minute's")
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        print(f"{machine()}; {options.minutes:g} minutes", flush=True)
        return asyncio.run(run(options, folder))


if __name__ == "__main__":
    raise SystemExit(main())
