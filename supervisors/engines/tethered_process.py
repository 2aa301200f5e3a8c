"""One engine process behind its tether, as seen by the gateway."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from supervisors.engines.engine_folder import EngineFolder
from supervisors.engines.errors import EngineError

TETHER = Path(__file__).with_name("tether.py")
LAUNCH_SECONDS = 20.0
SLACK_SECONDS = 3.0

StopSteps = tuple[tuple[int, float], ...]


@frozen
class Command:
    """A program, its arguments, and signals to stop it, each with seconds of patience.

    ``death``: the one signal that the program gets if its tether is killed. ``leavings``: files
    outside the program's folder that the tether removes when the program has ended; their names
    contain no colons. ``becomes_user``: the program starts with the gateway's account, and itself
    switches to the folder's account.
    """

    arguments: Sequence[str | Path]
    stop: StopSteps
    death: int = signal.SIGKILL
    leavings: Sequence[Path] = ()
    becomes_user: bool = False

    @property
    def name(self) -> str:
        """Return the name of the program."""
        return Path(self.arguments[0]).name

    @property
    def patience(self) -> float:
        """Return the seconds after which the tether has certainly ended the program."""
        return sum(grace for _, grace in self.stop) + SLACK_SECONDS


class Tethered:
    """A running engine. The engine ends by ``stop``, by itself, or together with this process."""

    def __init__(self, process: Process, command: Command, pid: int) -> None:
        self._process = process
        self._command = command
        self.pid = pid

    @classmethod
    async def launch(cls, folder: EngineFolder, command: Command, lock: int) -> "Tethered":
        """Start the engine; all its processes inherit ``lock``. Raises EngineError."""
        process = await spawn(folder, command, lock)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(LAUNCH_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError as error:
            await cls(process, command, 0).stop()
            said = f"{command.name} did not start within {LAUNCH_SECONDS:g} s"
            raise EngineError(f"{said}: {folder.log_tail()}") from error
        except BaseException:
            await cls(process, command, 0).stop()
            raise
        if not line:
            await process.wait()
            raise EngineError(f"{command.arguments[0]} cannot be run: {folder.log_tail()}")
        return cls(process, command, int(line))

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def exited(self) -> int:
        """Wait for the engine's end; return the exit code, or 128 + n after signal n."""
        return await self._process.wait()

    async def stop(self) -> int:
        """Stop the engine with its own signals, each with its patience, then with SIGKILL."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(self._command.patience):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()


async def spawn(folder: EngineFolder, command: Command, lock: int) -> Process:
    stop = ",".join(f"{number:d}:{grace:g}" for number, grace in command.stop)
    account = None if command.becomes_user else folder.account
    owner = account.owner if account else "-"
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(TETHER),
            str(lock),
            stop,
            str(int(command.death)),
            owner,
            ":".join(str(path) for path in command.leavings),
            *(str(argument) for argument in command.arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            pass_fds=[lock],
            cwd="/",
            env=environment(folder),
            # Ctrl-C at the terminal is for the gateway, which then stops its engines in order.
            start_new_session=True,
        )
    finally:
        os.close(log)


def environment(folder: EngineFolder) -> dict[str, str]:
    """Return the engine's environment, which takes nothing from the caller's environment."""
    home = str(folder.path)
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": home, "TMPDIR": home}


async def run_once(folder: EngineFolder, command: Command, lock: int, *, within: float) -> None:
    """Run a program to its end in the same way as an engine.

    Raises EngineError unless the program exits with 0 within ``within`` seconds.
    """
    tethered = await Tethered.launch(folder, command, lock)
    try:
        async with asyncio.timeout(within):
            code = await tethered.exited()
    except TimeoutError as error:
        await tethered.stop()
        said = f"{command.name} did not end within {within:g} s"
        raise EngineError(f"{said}: {folder.log_tail()}") from error
    except BaseException:
        await tethered.stop()
        raise
    if code != 0:
        raise EngineError(f"{command.name} ended with {code}: {folder.log_tail()}")
