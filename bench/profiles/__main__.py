"""Flame graphs of the gateway's process under load, recorded by py-spy.

    python -m bench.profiles FOLDER [--seconds 10] [--rate 200] [--only NAME …] [--py-spy FILE]

Writes one SVG for each load to bench/profiles/FOLDER: ``health``, ``balance`` and ``deduct`` by 32
clients at once, ``dispatch`` by 32 creators to nodes that keep their jobs, and ``result``, when the
nodes return the results of all these jobs. A sample counts if a thread runs Python then. py-spy is
not among the locked packages: ``pip install py-spy`` installs it. It needs the right to trace
processes (root, or the system's ptrace_scope of 0).
"""

import argparse
import asyncio
import os
import re
import shutil
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import escape
from itertools import repeat
from pathlib import Path
from typing import Final

import aiohttp
import attrs

from bench.crowd import SETTINGS, UNLIMITED, Crowd
from bench.deduct import deductions
from bench.dispatch import owner_dsn
from bench.volume import fill
from bench.wire import HttpLine, request
from tests.support.api_clients import Creator
from tests.support.engines import engine_folder
from tests.support.gateway_process import ROOT, Gateway

HERE: Final = Path(__file__).resolve().parent
CLIENTS, NODES, SLOTS = 32, 64, 256
NAMES: Final = ("health", "balance", "deduct", "dispatch", "result")
BEGUN: Final = b"Sampling process"  # py-spy says this once it is attached
TITLE: Final = re.compile(r'(<text id="title"[^>]*>)[^<]*(</text>)')
NO_LIMITS: Final = SETTINGS | UNLIMITED | {"RENDERTRUST_LIMITS_PROBE": "100000000"}


@attrs.frozen
class Recorder:
    """py-spy, which samples one process ``rate`` times a second."""

    program: str
    pid: int
    rate: int

    @asynccontextmanager
    async def recording(self, file: Path, title: str) -> AsyncGenerator[None]:
        """Write the flame graph of the block to a file."""
        words = ("record", "--gil", "--function", "--rate", str(self.rate), "--output", str(file))
        process = await asyncio.create_subprocess_exec(
            *(self.program, *words, "--pid", str(self.pid), "--duration", "3600"),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )
        assert process.stdout is not None
        said = b""
        while BEGUN not in said:
            read = await process.stdout.read(1000)
            assert read, f"py-spy does not start: {said.decode()}"
            said += read
        try:
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            await process.communicate()
        name_graph(file, title)


def name_graph(file: Path, title: str) -> None:
    """Give a graph its title, and remove the checkout's folder from it."""
    graph = TITLE.sub(rf"\g<1>{escape(title)}\g<2>", file.read_text())
    file.write_text(graph.replace(f"{ROOT}/", ""))


@attrs.frozen
class Loads:
    """The loads of one gateway; ``result`` returns what ``dispatch`` has left."""

    gateway: Gateway
    crowd: Crowd
    tokens: list[str]
    seconds: float

    async def run(self, name: str, recorder: Recorder, file: Path) -> None:
        """Put a load on the gateway and record it."""
        title = f"{name}, {CLIENTS} at once" if name != "result" else "results, as they come"
        if name in ("dispatch", "result"):
            self.crowd.answers = False
            if name == "result":
                await self._dispatch()
            async with recorder.recording(file, title):
                if name == "dispatch":
                    await self._dispatch()
                else:
                    await self.crowd.give_results()
            await self.crowd.give_results()
            return
        async with recorder.recording(file, title):
            await self._ask(self._requests(name))

    async def _dispatch(self) -> None:
        """Submit jobs for some time, at most as many as the nodes have slots."""
        await self.crowd.at_once(seconds=self.seconds, jobs=NODES * SLOTS)

    def _requests(self, name: str) -> Callable[[str], Iterator[bytes]]:
        url = self.gateway.url
        if name == "deduct":
            return lambda token: deductions(url, token, sys.maxsize)
        path = {"health": "/health", "balance": "/api/v1/credits/balance"}[name]
        return lambda token: repeat(request("GET", url + path, token))

    async def _ask(self, requests: Callable[[str], Iterator[bytes]]) -> None:
        """Send requests for some time, one after the other for each client."""
        until = time.perf_counter() + self.seconds

        async def one(token: str) -> None:
            line = await HttpLine.open(self.gateway.url)
            for asking in requests(token):
                status, body = await line.ask(asking)
                assert status == 200, (status, body)
                if time.perf_counter() >= until:
                    break
            line.close()

        await asyncio.gather(*map(one, self.tokens))


async def loads(stack: AsyncExitStack, seconds: float) -> Loads:
    """Start a gateway with clients and nodes, and with the tables of some earlier work."""
    folder = stack.enter_context(engine_folder()) / "data"
    http = await stack.enter_async_context(aiohttp.ClientSession())
    gateway = Gateway(folder, **NO_LIMITS)
    await gateway.start()
    stack.push_async_callback(gateway.stop)
    await fill(owner_dsn(folder), entries=40_000, open_jobs=0, ended_jobs=20_000)
    crowd = Crowd(gateway)
    stack.callback(crowd.close)
    await crowd.connect_nodes(http, NODES, SLOTS)
    tokens: list[str] = []
    for number in range(CLIENTS):
        client = Creator(http, gateway.url, f"client{number}@example.org")
        await client.register()
        tokens.append(client.token)
    await crowd.register_creators(http, CLIENTS)
    await crowd.at_once(jobs=500)  # warm-up
    await crowd.settle()
    return Loads(gateway, crowd, tokens, seconds)


async def main(options: argparse.Namespace) -> None:
    program = options.py_spy or shutil.which("py-spy", path=search_path())
    if program is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    folder = HERE / options.folder
    folder.mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        load = await loads(stack, options.seconds)
        assert load.gateway.process is not None
        recorder = Recorder(program, load.gateway.process.pid, options.rate)
        for name in options.only:
            file = folder / f"{name}.svg"
            await load.run(name, recorder, file)
            print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB", flush=True)


def search_path() -> str:
    """Return PATH with the folder of this Python's programs first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="such as before or after")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--rate", type=int, default=200, help="samples per second")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--py-spy", metavar="FILE", help="the program, if it is not on the PATH")
    asyncio.run(main(parser.parse_args()))
