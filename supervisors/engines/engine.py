"""Base class of embedded engines: start under a tether, readiness, ordered stop."""

import asyncio
import math
import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

from supervisors.engines.engine_account import EngineAccount
from supervisors.engines.engine_folder import EngineFolder
from supervisors.engines.errors import EngineError
from supervisors.engines.tethered_process import Command, Tethered

E = TypeVar("E")

RETRY_SECONDS = 0.25
POLL_SECONDS = 0.02


class Engine(ABC, Generic[E]):
    """One engine with an endpoint of type ``E``. An engine may be started again after its end."""

    name: str
    # Seconds in which the first process must become ready; each further process gets twice the
    # time of the previous one.
    attempt_seconds: float = math.inf
    # Seconds for which a start is retried, as the remains of a killed engine can prevent a start
    # for some seconds.
    recovery_seconds: float = 10.0

    def __init__(self, data: Path, *, account: EngineAccount | None) -> None:
        self.folder = EngineFolder(data, self.name, account)
        self._running: Tethered | None = None

    @property
    def pid(self) -> int:
        """The engine's process id; 0 while it does not run."""
        return self._running.pid if self._running else 0

    async def start(self, *, within: float = 60.0) -> E:
        """Start the engine, and wait until its process, a child of this process, answers.

        Raises FolderBusy while another gateway's engine holds the folder. Raises EngineError, with
        the end of the engine's log, if the engine is not ready within ``within`` seconds.
        """
        assert self._running is None, f"{self.name} runs"
        deadline = time.monotonic() + within
        await asyncio.to_thread(self.folder.make)
        lock = await self.folder.lock(within=within)
        try:
            await self.prepare(lock)
            return await self._start_until(deadline, lock)
        finally:
            # From here on only the engine's processes hold the lock.
            os.close(lock)

    async def _start_until(self, deadline: float, lock: int) -> E:
        recovery = min(deadline, time.monotonic() + self.recovery_seconds)
        patience = self.attempt_seconds
        while True:
            endpoint = await self._start_once(deadline, patience, lock)
            if endpoint is not None:
                return endpoint
            if time.monotonic() >= recovery:
                raise EngineError(f"{self.name} does not start: {self.folder.log_tail()}")
            patience *= 2
            await asyncio.sleep(RETRY_SECONDS)

    async def _start_once(self, deadline: float, patience: float, lock: int) -> E | None:
        """Return the endpoint; None if the process ended or was too slow."""
        give_up = time.monotonic() + patience
        running = await Tethered.launch(self.folder, await self.command(), lock)
        try:
            while running.returncode is None and time.monotonic() < give_up:
                endpoint = await self.ready(running.pid)
                if endpoint is not None:
                    self._running = running
                    return endpoint
                if time.monotonic() >= deadline:
                    raise EngineError(f"{self.name} is not ready: {self.folder.log_tail()}")
                await asyncio.sleep(POLL_SECONDS)
        finally:
            if self._running is not running:
                await running.stop()
        return None

    async def exited(self) -> int:
        """Wait until the engine has ended; return its exit code."""
        assert self._running is not None, f"{self.name} does not run"
        return await self._running.exited()

    async def stop(self) -> None:
        """Stop the engine with its signals in order; no effect if the engine does not run."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()

    @abstractmethod
    async def prepare(self, lock: int) -> None:
        """Prepare programs and secrets, and initialise the engine's data if there are none.

        Called once per start, with the folder locked.
        """

    @abstractmethod
    async def command(self) -> Command:
        """Clean up after an old process, choose ports, and return the command.

        Called for each process that is started.
        """

    @abstractmethod
    async def ready(self, pid: int) -> E | None:
        """Return the endpoint if the process ``pid`` answers; otherwise None."""
