"""Stand-in gateways as processes that a test starts, kills and inspects."""

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
    """A running ``gateway.py``: what it printed, and its descendant processes."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: dict[str, Any] = {}

    @classmethod
    async def launch(
        cls, data: Path, *engines: str, within: float = 60.0, ordinary: bool = False
    ) -> "GatewayProcess":
        """Start a stand-in gateway; with ``ordinary``, run it as a user other than root, even if
        the tests run as root.
        """
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
        """Wait for the line that says whether the engines are ready, and return it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await self.process.stdout.readline()
        assert line, f"the gateway ended with {await self.process.wait()}"
        self.said = json.loads(line)
        return self.said

    def below(self) -> list[psutil.Process]:
        """Return all descendant processes of the gateway."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    async def kill(self) -> None:
        """Send SIGKILL, so that the gateway cannot clean up."""
        self.process.kill()
        await self.process.wait()
        self._close()

    async def stop(self) -> int:
        """Let the gateway stop in order, and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(START_SECONDS):
            code = await self.process.wait()
        self._close()
        return code

    def _close(self) -> None:
        # The transport and its pipes end with the process; close them now, at a known time.
        transport = getattr(self.process, "_transport")  # noqa: B009 - asyncio keeps it private
        transport.close()


def as_ordinary_user() -> list[str]:
    """Return a command prefix that turns root into an ordinary user, who may still read this
    interpreter.
    """
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
    """Return the processes that still run; a process may end during the call."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    """Return True if none of the processes runs any more."""
    return not alive(processes)
