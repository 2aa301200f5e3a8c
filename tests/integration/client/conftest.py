"""Fixtures with a gateway double, and with the real program in separate processes."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from pytest_aiohttp import AiohttpServer

from rendertrust.cli.credentials import CredentialsFile
from rendertrust.client import AsyncClient, Retries, Tokens
from tests.integration.client.double import GatewayDouble
from tests.integration.client.log_double import LogDouble
from tests.support import programs
from tests.support.programs import ROOT

ENDED_WITHIN = 60.0
FAST = Retries(times=3, first=0.001, most=0.002)
GOOD = Tokens("access-1", "refresh-1")


def client_of(gateway: GatewayDouble, tokens: Tokens | None = GOOD) -> AsyncClient:
    return AsyncClient(gateway.url, tokens=tokens, retries=FAST)


@attrs.frozen
class Finished:
    """The exit of a program: its code and its output."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@attrs.frozen
class Program:
    """The program ``rendertrust`` with a state folder of its own."""

    url: str
    home: Path
    variables: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONPATH": str(ROOT),
            "RENDERTRUST_URL": self.url,
            **self.variables,
        }

    async def start(self, *words: str, typed: str = "", **variables: str) -> programs.Program:
        """Start the program without waiting for its end; ``typed`` is its whole stdin."""
        return await programs.start(
            *("rendertrust", *words),
            cwd=self.home,
            env=self.environment() | variables,
            told=typed.encode(),
            stdout=PIPE,
            stderr=PIPE,
        )

    async def run(self, *words: str, typed: str = "", **variables: str) -> Finished:
        return await ended(await self.start(*words, typed=typed, **variables))

    async def execute(self, *words: str, **variables: str) -> Finished:
        """Run the program in a new Python process, which imports everything again."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "rendertrust", *words],
            cwd=self.home,
            env=self.environment() | variables,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        return await ended(process)

    async def log_in(self) -> None:
        """Store Jane's login where ``rendertrust login`` keeps it, without starting the program."""
        keeper = CredentialsFile(self.credentials).keeper(self.url, "jane@example.com")
        async with AsyncClient(self.url, keeper=keeper) as client:
            await client.login("jane@example.com", "correct horse")

    @property
    def credentials(self) -> Path:
        return self.home / "state" / "rendertrust" / "credentials.json"


async def ended(process: Process | programs.Program) -> Finished:
    """Wait for the process and return its exit and output; kill a process that takes too long."""
    try:
        async with asyncio.timeout(ENDED_WITHIN):
            out, err = await process.communicate()
            code = await process.wait()
    except TimeoutError:
        process.kill()
        raise
    return Finished(code, out.decode(), err.decode())


@pytest.fixture
async def gateway(aiohttp_server: AiohttpServer) -> GatewayDouble:
    double = GatewayDouble()
    double.server = await aiohttp_server(double.app())
    return double


@pytest.fixture
async def log(aiohttp_server: AiohttpServer) -> LogDouble:
    double = LogDouble()
    double.server = await aiohttp_server(double.app())
    return double


@pytest.fixture
async def client(gateway: GatewayDouble) -> AsyncIterator[AsyncClient]:
    async with client_of(gateway) as client:
        yield client


@pytest.fixture
async def program(gateway: GatewayDouble, tmp_path: Path) -> Program:
    return Program(gateway.url, tmp_path)


@pytest.fixture
async def jane(program: Program) -> Program:
    """Return the program with a user logged in."""
    await program.log_in()
    return program


@pytest.fixture
def blend(tmp_path: Path) -> Path:
    """Write a file that looks like a scene and spans several pieces."""
    path = tmp_path / "scene.blend"
    path.write_bytes(b"BLENDER-v405" + bytes(3 << 20))
    return path
