"""A real gateway in its own process, on embedded engines: started, killed and started again."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READY_WITHIN = 90.0
STOPPED_WITHIN = 30.0


class Gateway:
    """``start`` returns when it answers; ``url`` is its address, the same after a restart."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.settings = settings
        self.process: Process | None = None
        self.url = ""
        self.port = 0

    async def start(self) -> None:
        log = self.data.parent / f"{self.data.name}.log"
        with log.open("ab") as err:
            self.process = await asyncio.create_subprocess_exec(
                *self.command(),
                cwd=ROOT,
                env=os.environ | self.settings,
                stdout=PIPE,
                stderr=err,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_WITHIN):
            line = await self.process.stdout.readline()
        assert line, f"the gateway ended: {log.read_text()[-3000:]}"
        self.url = json.loads(line)["url"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def command(self) -> list[str]:
        words = ["serve", "--json", "--data", str(self.data)]
        words += ["--port", str(self.port)] if self.port else []  # a restart takes the same
        return [sys.executable, "-m", "rendertrust", *words]

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

    async def fsck(self) -> tuple[int, str]:
        """What ``rendertrust fsck`` says of this gateway's data: exit code and output."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "rendertrust", "fsck", "--data", str(self.data)],
            cwd=ROOT,
            env=os.environ | self.settings,
            stdout=PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


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
