"""The client processes, controlled by the process that kills the gateway."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Final

import attrs
import orjson

from tests.support.gateway_process import ROOT
from tests.support.until import until

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
# Generous limits, so that only a hang exceeds them even on a busy machine.
COME_SECONDS: Final = 600.0
ENOUGH_SECONDS: Final = 600.0
PAUSE_SECONDS: Final = 900.0
END_SECONDS: Final = 30.0


@attrs.define
class ClientProcess:
    """A client process, its ``journal``, and the last state that it reported.

    ``verifier`` is its node that checks results, if the gateway's settings name it. ``wrong`` is
    set when it has paused, and says what went wrong.
    """

    process: Process
    journal: Path
    counted: int = 0
    is_ready: bool = False
    verifier: str = ""
    wrong: list[str] | None = None

    async def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.wrong = None
        self.process.stdin.write(f"{word}\n".encode())
        await self.process.stdin.drain()

    async def listen(self) -> None:
        """Read the client's reports until it ends, so that its pipe never fills up."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            word = orjson.loads(line)
            self.counted = word.get("counted", self.counted)
            self.is_ready = self.is_ready or "ready" in word
            self.verifier = word.get("verifier", self.verifier)
            self.wrong = word.get("wrong", self.wrong)
        raise ClientEnded(f"a client ended with {await self.process.wait()}")


class ClientEnded(Exception):
    """A client process ended before it was asked to end."""


@attrs.define
class Clients:
    """All client processes."""

    outsiders: list[ClientProcess]
    listening: Sequence[asyncio.Future[None]]

    @property
    def counted(self) -> int:
        """Number of acknowledgements on disk."""
        return sum(outsider.counted for outsider in self.outsiders)

    @property
    def journals(self) -> list[Path]:
        return [outsider.journal for outsider in self.outsiders]

    async def go(self) -> None:
        for outsider in self.outsiders:
            await outsider.tell("go")

    async def acknowledged(self, number: int) -> None:
        """Wait until ``number`` more acknowledgements are on disk."""
        enough = self.counted + number
        await self.reach(lambda: self.counted >= enough, ENOUGH_SECONDS)

    async def reach(self, condition: Callable[[], bool], within: float) -> None:
        """Wait until the condition holds; raise ClientEnded if a client ends meanwhile."""

        def holds() -> bool:
            for listening in self.listening:
                if listening.done():
                    listening.result()
            return condition()

        await until(holds, within=within)

    async def pause(self) -> list[str]:
        """Wait until all requests in progress are answered; return what went wrong."""
        for outsider in self.outsiders:
            await outsider.tell("pause")
        await self.reach(lambda: all(o.wrong is not None for o in self.outsiders), PAUSE_SECONDS)
        return [text for outsider in self.outsiders for text in outsider.wrong or []]


@contextlib.asynccontextmanager
async def running_clients(
    url: str, folder: Path, seed: str, clients: int
) -> AsyncGenerator[Clients]:
    """Start clients, which register their users and wait for ``go``; end them after the block."""
    outsiders = [await _outsider(url, folder, seed, "abcdefgh"[n]) for n in range(clients)]
    listening = [asyncio.ensure_future(outsider.listen()) for outsider in outsiders]
    try:
        found = Clients(outsiders, listening)
        await found.reach(lambda: all(o.is_ready for o in outsiders), COME_SECONDS)
        yield found
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        for outsider in outsiders:
            await _end(outsider.process)


async def _outsider(url: str, folder: Path, seed: str, name: str) -> ClientProcess:
    journal = folder / f"journal-{name}.jsonl"
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.kills.client", url, str(journal)],
        *["--name", name, "--seed", seed],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES_MAX,
    )
    return ClientProcess(process, journal)


async def _end(process: Process) -> None:
    """Close the client's standard input, which ends it; kill it if it does not end."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
