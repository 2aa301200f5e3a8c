"""A real gateway in a process of its own: started, killed and started again."""

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
from tests.support.until import until

ROOT = programs.ROOT
# Those who want a verifier switch it on.
UNVERIFIED = {"RENDERTRUST_VERIFICATION_ENABLED": "false"}
# Tests register more people in a minute than anybody should.
PATIENT = {
    "RENDERTRUST_LIMITS_REGISTER": "10000",
    "RENDERTRUST_LIMITS_LOGIN": "10000",
    "RENDERTRUST_LIMITS_NODE": "10000",
}
# Only a hang takes longer, on however busy a machine.
READY_WITHIN = 240.0
STOPPED_WITHIN = 120.0
COMMAND_WITHIN = 240.0


class Gateway:
    """``start`` returns when it answers; ``url`` is its address, the same after a restart."""

    root = ROOT  # where its code is

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.settings = UNVERIFIED | settings
        self.process: Process | Program | None = None
        self.url = ""
        self.stderr: int | None = None  # where it goes instead of the log
        self.port = free_port()

    async def start(self, **more: str) -> None:
        """``more`` settings are for this one life."""
        await self.launch(**more)
        await self.answers()

    async def launch(self, **more: str) -> None:
        """Only begin to start: nobody answers yet."""
        with self.log.open("ab") as err:
            self.process = await self.spawn(
                more, err.fileno() if self.stderr is None else self.stderr
            )

    async def spawn(self, more: Mapping[str, str], stderr: int) -> Process | Program:
        """Its process, as ``python -m rendertrust`` starts it."""
        return await asyncio.create_subprocess_exec(
            *self.command(),
            cwd=self.root,
            env={**os.environ, **self.settings, **more},
            stdout=PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    async def answers(self) -> None:
        """Wait until what was launched answers."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_WITHIN):
            line = await self.process.stdout.readline()
        assert line, f"the gateway ended: {self.log.read_text()[-3000:]}"
        self.url = json.loads(line)["url"]

    @property
    def log(self) -> Path:
        """What it said on stderr, in all its lives."""
        return self.data.parent / f"{self.data.name}.log"

    async def ended(self, within: float = STOPPED_WITHIN) -> int:
        """Wait until it has ended by itself; its exit code, minus n after signal n."""
        assert self.process is not None
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def restart(self, **more: str) -> None:
        """An orderly stop and a start."""
        await self.stop()
        await self.start(**more)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "rendertrust", *self.words()]

    def words(self) -> list[str]:
        return ["serve", "--json", "--data", str(self.data), "--port", str(self.port)]

    async def kill(self) -> None:
        """SIGKILL to the gateway alone; its engines are the tethers' business."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def kill_group(self) -> None:
        """SIGKILL to the gateway and whatever it started, at once."""
        assert self.process is not None
        for pid in (self.process.pid, *descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):  # one takes others along
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOPPED_WITHIN):
            return await self.process.wait()

    async def fsck(self, within: float = COMMAND_WITHIN) -> tuple[int, str]:
        """What ``rendertrust fsck`` says of this gateway's data: exit code and output."""
        return await self.run("fsck", within=within)

    async def run(
        self, *words: str, told: str = "", within: float = COMMAND_WITHIN
    ) -> tuple[int, str]:
        """A command upon this gateway's data: exit code and output."""
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
    """A gateway whose process need not import it first; see ``tests.support.programs``."""

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
    """A gateway that has just started; afterwards nothing of it may be left running.

    ``folder``: its data folder, under one of its own.
    """
    return _running(Gateway, folder, settings)


def forked_gateway(
    folder: str = "data", **settings: str
) -> contextlib.AbstractAsyncContextManager[Gateway]:
    """The same, forked."""
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
    """Stopped afterwards; then nothing of it may be left running."""
    try:
        await gateway.start()
        yield
    finally:
        await gateway.stop()
    try:
        await until(lambda: not alive_in(gateway.data))
    except AssertionError as error:
        left = [command_of(pid) for pid in alive_in(gateway.data)]
        raise AssertionError(f"left running: {left}") from error


def command_of(pid: int) -> str:
    """Return state, parent and command line of a process; empty once it has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
    return f"{pid} {' '.join(state)} {words}"


def children_of() -> dict[int, list[int]]:
    """Parent to children, of every process of this machine."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # it has just ended
        pid, parent = int(stat.parent.name), int(text.rsplit(")", 1)[1].split()[1])
        children.setdefault(parent, []).append(pid)
    return children


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    tree, found, ahead = children_of(), [], [pid]
    while ahead:
        below = tree.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def alive_in(folder: Path) -> list[int]:
    """Processes whose command line names the folder: what is left of its engines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has just ended
    return [pid for pid in found if pid != os.getpid()]
