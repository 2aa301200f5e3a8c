"""A real gateway in a separate process, which tests start, kill and start again."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from tests.support import programs
from tests.support.engines import engine_folder
from tests.support.free_ports import free_port
from tests.support.programs import Program
from tests.support.until import WITHIN_SECONDS, until

ROOT = programs.ROOT
# Gateways have no verifier, and all frames cost the same, unless a test asks otherwise.
UNVERIFIED = {
    "RENDERTRUST_VERIFICATION_ENABLED": "false",
    "RENDERTRUST_PRICING_FRAME_SECONDS": "0",
}
# Tests register more users per minute than the default limits allow.
PATIENT = {
    "RENDERTRUST_LIMITS_REGISTER": "10000",
    "RENDERTRUST_LIMITS_LOGIN": "10000",
    "RENDERTRUST_LIMITS_NODE": "10000",
}
# Generous limits, so that only a hang exceeds them even on a busy machine.
READY_WITHIN = 240.0
STOPPED_WITHIN = 120.0
COMMAND_WITHIN = 240.0


class Gateway:
    """A gateway process; ``start`` returns once it answers at ``url``, which stays the same."""

    root = ROOT  # the checkout whose code the gateway runs

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.settings = UNVERIFIED | settings
        self.process: Process | Program | None = None
        self.url = ""
        self.stderr: int | None = None  # a descriptor that replaces the log file
        self.port = free_port()

    async def start(self, **more: str) -> None:
        """Start the gateway and wait until it answers; ``more`` are settings of this run."""
        await self.launch(**more)
        await self.answers()

    async def launch(self, **more: str) -> None:
        """Start the process without waiting for an answer."""
        with self.log.open("ab") as err:
            self.process = await self.spawn(
                more, err.fileno() if self.stderr is None else self.stderr
            )

    async def spawn(self, more: Mapping[str, str], stderr: int) -> Process | Program:
        """Start the process with ``python -m rendertrust`` and return it."""
        return await asyncio.create_subprocess_exec(
            *self.command(),
            cwd=self.root,
            env={**os.environ, **self.settings, **more},
            stdout=PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    async def answers(self) -> None:
        """Wait until the process reports its URL, and set ``url``."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_WITHIN):
            line = await self.process.stdout.readline()
        assert line, f"the gateway ended: {self.log.read_text()[-3000:]}"
        self.url = json.loads(line)["url"]

    @property
    def log(self) -> Path:
        """The file that collects the stderr of all its processes."""
        return self.data.parent / f"{self.data.name}.log"

    async def ended(self, within: float = STOPPED_WITHIN) -> int:
        """Wait until the process ends; return its exit code, or minus the number of a signal."""
        assert self.process is not None
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def restart(self, **more: str) -> None:
        """Stop the gateway with SIGTERM and start it again."""
        await self.stop()
        await self.start(**more)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "rendertrust", *self.words()]

    def words(self) -> list[str]:
        return ["serve", "--json", "--data", str(self.data), "--port", str(self.port)]

    async def kill(self) -> None:
        """Send SIGKILL to the gateway alone; the tethers then end its engines."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def kill_group(self) -> None:
        """Send SIGKILL to the gateway and all its descendants."""
        assert self.process is not None
        for pid in (self.process.pid, *descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):  # ended with an earlier process
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOPPED_WITHIN):
            return await self.process.wait()

    async def fsck(self, within: float = COMMAND_WITHIN) -> tuple[int, str]:
        """Run ``rendertrust fsck`` on the gateway's data; return exit code and output."""
        return await self.run("fsck", within=within)

    async def run(
        self, *words: str, told: str = "", within: float = COMMAND_WITHIN
    ) -> tuple[int, str]:
        """Run a ``rendertrust`` command on the gateway's data; return exit code and output."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "rendertrust", *words, "--data", str(self.data)],
            cwd=self.root,
            env=os.environ | self.settings,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(within):
            output, _ = await process.communicate(told.encode())
        assert process.returncode is not None
        return process.returncode, output.decode()


class ForkedGateway(Gateway):
    """A gateway that is forked from a process with all imports done; see
    ``tests.support.programs``.
    """

    async def spawn(self, more: Mapping[str, str], stderr: int) -> Process | Program:
        env = {**os.environ, **self.settings, **more}
        return await programs.start(
            "rendertrust", *self.words(), env=env, stdout=PIPE, stderr=stderr
        )

    async def run(self, *words: str, told: str = "", within: float = 60) -> tuple[int, str]:
        process = await programs.start(
            *("rendertrust", *words, "--data", str(self.data)),
            env=os.environ | self.settings,
            told=told.encode(),
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(within):
            output, _ = await process.communicate()
        return await process.wait(), output.decode()


def running_gateway(
    folder: str = "data", **settings: str
) -> contextlib.AbstractAsyncContextManager[Gateway]:
    """Yield a gateway that has started; at the end stop it and fail if one of its processes is
    left.

    ``folder`` is the name of its data folder within a temporary folder.
    """
    return _running(Gateway, folder, settings)


def forked_gateway(
    folder: str = "data", **settings: str
) -> contextlib.AbstractAsyncContextManager[Gateway]:
    """Yield a gateway like ``running_gateway``, but forked instead of executed."""
    return _running(ForkedGateway, folder, settings)


@contextlib.asynccontextmanager
async def _running(
    kind: type[Gateway], folder: str, settings: dict[str, str]
) -> AsyncGenerator[Gateway]:
    with engine_folder() as base:
        gateway = kind(base / folder, **PATIENT | settings)
        gateway.data.parent.mkdir(parents=True, exist_ok=True)
        async with started(gateway):
            yield gateway


@contextlib.asynccontextmanager
async def started(gateway: Gateway) -> AsyncGenerator[None]:
    """Start the gateway; at the end stop it and fail if one of its processes is left."""
    try:
        await gateway.start()
        yield
    finally:
        await gateway.stop()
    await none_alive_in(gateway.data)


def command_of(pid: int) -> str:
    """Return state, parent and command line of a process; empty once it has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
    return f"{pid} {' '.join(state)} {words}"


def children_of() -> dict[int, list[int]]:
    """Return the children of every process of this machine, by parent."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # the process has just ended
        pid, parent = int(stat.parent.name), int(text.rsplit(")", 1)[1].split()[1])
        children.setdefault(parent, []).append(pid)
    return children


def descendants(pid: int) -> list[int]:
    """Return the ids of the process's children, their children, and so on."""
    tree, found, ahead = children_of(), [], [pid]
    while ahead:
        below = tree.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def alive_in(folder: Path) -> list[int]:
    """Return the processes whose command line names the folder, such as engines left running."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # the process has just ended
    return [pid for pid in found if pid != os.getpid()]


async def none_alive_in(folder: Path, *, within: float = WITHIN_SECONDS) -> None:
    """Wait until no process's command line names the folder; fail with those that are left."""
    try:
        await until(lambda: not alive_in(folder), within=within)
    except AssertionError as error:
        left = [command_of(pid) for pid in alive_in(folder)]
        raise AssertionError(f"left running after {within} s: {left}") from error
