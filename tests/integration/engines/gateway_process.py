"""Stand-in gateways as processes that a test starts, kills and looks at."""

import asyncio
import contextlib
import json
import os
import pwd
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import psutil

from supervisors.engines.engine_account import EngineAccount

GATEWAY = Path(__file__).with_name("gateway.py")
START_SECONDS = 90.0
ORDINARY_USER = "daemon"


class GatewayProcess:
    """``gateway.py`` running: what it said, and the processes that hang on it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: dict[str, Any] = {}

    @classmethod
    async def launch(
        cls, data: Path, *engines: str, within: float = 60.0, ordinary: bool = False
    ) -> "GatewayProcess":
        """Start it; with ``ordinary`` as a user who is not root, whoever runs the tests."""
        arguments = [sys.executable, str(GATEWAY), str(data), str(within), *engines]
        prefix = as_ordinary_user() if ordinary else []
        process = await asyncio.create_subprocess_exec(
            *prefix,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            cwd="/",
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(data.parent)},
        )
        return cls(process)

    async def listen(self) -> dict[str, Any]:
        """What it says once its engines are ready, or failed."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await self.process.stdout.readline()
        assert line, f"the gateway ended with {await self.process.wait()}"
        self.said = json.loads(line)
        return self.said

    def below(self) -> list[psutil.Process]:
        """Every process that it started, and theirs."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    async def kill(self) -> None:
        """SIGKILL: nothing of it gets to tidy up."""
        self.process.kill()
        await self.process.wait()
        self._close()

    async def stop(self) -> int:
        """End in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(START_SECONDS):
            code = await self.process.wait()
        self._close()
        return code

    def _close(self) -> None:
        # The transport ends with the process, and its pipes with it; do not leave that to chance.
        transport = getattr(self.process, "_transport")  # noqa: B009 - asyncio keeps it private
        transport.close()


def as_ordinary_user() -> list[str]:
    """A command prefix that makes root an ordinary user, who may still read our interpreter."""
    if os.geteuid() != 0:
        return []
    entry = pwd.getpwnam(ORDINARY_USER)
    account = EngineAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)
    prefix = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    if not account.can_run(Path(sys.executable)):
        prefix += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return prefix


def give_to_ordinary_user(folder: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(ORDINARY_USER)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one may end while it is looked at."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs any more."""
    return not alive(processes)
