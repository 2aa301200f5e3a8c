"""Servers that a benchmark compares with the gateway, each in a separate process."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from bench.wire import HttpLine, request
from tests.support.free_ports import free_port
from tests.support.gateway_process import ROOT
from tests.support.until import until

BASELINES = Path("bench") / "baselines"


@attrs.frozen
class Contestant:
    """A running server; ``pid`` is the process whose CPU time counts."""

    name: str
    pid: int
    url: str


@attrs.frozen
class Baseline:
    """A server to start; ``python`` is the interpreter of the environment that the server needs."""

    name: str
    file: str
    python: str = sys.executable
    words: Sequence[str] = ()

    @asynccontextmanager
    async def serving(self, **settings: str) -> AsyncGenerator[Contestant]:
        """Run the server until the block ends; ``settings`` are added to its environment."""
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *(self.python, str(BASELINES / self.file), str(port), *self.words),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | settings,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            await until(lambda: is_answering(url, process), within=30)
            yield Contestant(self.name, process.pid, url)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def is_answering(url: str, process: Process) -> bool:
    """Return True once the server answers."""
    assert process.returncode is None, "the server has ended"
    try:
        line = await HttpLine.open(url)
    except OSError:
        return False
    status, _ = await line.ask(request("GET", f"{url}/health", ""))
    line.close()
    return status == 200
