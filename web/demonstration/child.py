"""The demo's child processes: the gateway and the nodes."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
LOG_TAIL_BYTES = 2_000
SAYS = "rendertrust: "


class ChildFailed(Exception):
    """A child process ended early; the text names the process and has its last message."""


def die_with_parent() -> None:
    """Run between fork and exec: the kernel kills the child if the demo dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def output_of(*words: str) -> tuple[int, str]:
    """Run ``rendertrust WORDS`` to its end; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rendertrust", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=die_with_parent,
    )
    printed, _ = await process.communicate()
    return await process.wait(), printed.decode(errors="replace").strip()


class Child:
    """``rendertrust WORDS`` in its own process; its messages go to a log file."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *words: str, settings: Mapping[str, str]) -> None:
        with self.log.open("ab" if self._process is not None else "wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "rendertrust", *words),
                env=os.environ | settings,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # Ctrl-C reaches only the demo, which stops the children in order
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    async def first_line(self, within: float) -> str:
        """Return the line that the child prints when it is ready. Raises ChildFailed."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ChildFailed(f"The {self.name} was not ready within {within:.0f} s") from None
        if not line:
            raise ChildFailed(f"The {self.name} did not start: {self.last_words()}; see {self.log}")
        return line.decode()

    async def ended(self) -> int:
        """Wait for the child's end and return its exit code; its output is discarded."""
        assert self._process is not None
        assert self._process.stdout is not None
        while await self._process.stdout.read(65_536):
            pass
        return await self._process.wait()

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if the child does not end in time."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.ended()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def kill(self) -> None:
        """Send SIGKILL without warning."""
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def last_words(self) -> str:
        """Return the child's last message, which says why it ended; without one, the end of its
        log.
        """
        text = self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        own = [line for line in text.splitlines() if line.startswith(SAYS)]
        return own[-1].removeprefix(SAYS) if own else f"\n{text}"
