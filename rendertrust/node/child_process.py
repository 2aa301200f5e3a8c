"""Child processes that print JSON lines, with limits on their time and output."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import orjson

from rendertrust.node.resource_monitor import LimitExceeded, ResourceMonitor

LINE_BYTES_MAX: Final = 64 * 1024
TAIL_BYTES_MAX: Final = 4 * 1024
LAST_WORDS_SECONDS: Final = 5.0  # time for reading the pipes after the process has ended
WORDS_MAX: Final = 500  # characters of a program's last words
_CHUNK: Final = 16 * 1024
# These would let a program see the modules of this environment.
_LEFT_OUT: Final = frozenset(("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"))


@attrs.frozen(kw_only=True)
class ProcessExit:
    """The end of a process.

    ``code``: the exit code as in ``subprocess`` (negative: a signal); None if the process was
    killed at its deadline. ``last``: the last JSON line. ``tail``: the end of standard error.
    ``excess``: the exceeded limit for which the process was killed, if any. ``vram``: the most
    graphics memory that it took, in bytes; None if it was not measured.
    """

    code: int | None
    last: Mapping[str, Any]
    tail: str
    excess: LimitExceeded | None = None
    vram: int | None = None

    @property
    def signal_name(self) -> str | None:
        """Return the name of the signal that ended the process.

        A wrapper may report a signal as 128 + number.
        """
        if self.code is None or 0 <= self.code <= 128:
            return None
        number = -self.code if self.code < 0 else self.code - 128
        with contextlib.suppress(ValueError):
            return signal.Signals(number).name
        return None


async def converse(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    within: float,
    hear: Callable[[Mapping[str, Any]], None],
    overhear: Callable[[bytes], None] = lambda _: None,
    watch: ResourceMonitor | None = None,
    orders: int | None = None,
    started: Callable[[int], None] = lambda _: None,
) -> ProcessExit:
    """Run ``command``; pass each JSON object that the process prints to ``hear``.

    Standard error goes to ``overhear``. The process is killed after ``within`` seconds, or when
    ``watch`` reports an exceeded limit. ``orders``: a descriptor for standard input, which this
    function closes. ``started`` gets the process id. When the function returns or is cancelled, the
    process group is killed. Raises OSError if the process cannot be started.
    """
    async with _Pipe() as out, _Pipe() as err:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL if orders is None else orders,
                stdout=out.far_end,
                stderr=err.far_end,
                env=dict(environment),
                start_new_session=True,
            )
        finally:
            out.close_far_end()
            err.close_far_end()
            if orders is not None:
                os.close(orders)
        started(process.pid)
        talk = _Conversation(process, hear, overhear, watch)
        try:
            async with asyncio.timeout(within):
                await talk.listen(out.reader, err.reader)
        except TimeoutError:
            return talk.ending(None)
        finally:
            await _end(process)
    return talk.ending(process.returncode)


async def run_program(command: Sequence[str], within: float) -> ProcessExit:
    """Run a program that does not see this environment's modules, at most ``within`` seconds."""
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    try:
        return await converse(command, environment=environment, within=within, hear=lambda _: None)
    except OSError as fault:
        return ProcessExit(code=127, last={}, tail=f"{command[0]}: {fault.strerror}")


def fault_of(ended: ProcessExit) -> str | None:
    """Return why a program failed, from its last words; None if it did not."""
    if ended.code == 0:
        return None
    if ended.code is None:
        return "it did not end in time"
    lines = [line.strip() for line in ended.tail.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [f"it ended with {ended.code}"])[-1][:WORDS_MAX]


class _Pipe:
    """A pipe to the child process.

    With asyncio's own pipes, a process's exit is reported only after the pipes are read.
    """

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self._near_end, self.far_end = os.pipe()
        self._transport: asyncio.ReadTransport | None = None

    async def __aenter__(self) -> "_Pipe":
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.reader), os.fdopen(self._near_end, "rb", 0)
        )
        return self

    def close_far_end(self) -> None:
        """Close the child's end of the pipe."""
        os.close(self.far_end)

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()


@attrs.define
class _Conversation:
    """The output of one process, and the monitor that may kill the process."""

    process: asyncio.subprocess.Process
    hear: Callable[[Mapping[str, Any]], None]
    overhear: Callable[[bytes], None]
    watch: ResourceMonitor | None
    last: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    tail: bytearray = attrs.field(factory=bytearray)
    excess: LimitExceeded | None = None

    async def listen(self, out: asyncio.StreamReader, err: asyncio.StreamReader) -> None:
        """Read the output until the process has ended."""
        async with asyncio.TaskGroup() as tasks:
            readers = (
                tasks.create_task(_read_lines(out, self._keep)),
                tasks.create_task(_read_tail(err, self.tail, self.overhear)),
            )
            watching = tasks.create_task(self._end_at_excess())
            await self.process.wait()
            watching.cancel()
            # Wait no longer: a process that was left behind may keep the pipes open.
            _, late = await asyncio.wait(readers, timeout=LAST_WORDS_SECONDS)
            for reader in late:
                reader.cancel()

    def ending(self, code: int | None) -> ProcessExit:
        """Return a ProcessExit with this code and the output so far."""
        tail = self.tail.decode("utf-8", "replace")
        return ProcessExit(code=code, last=self.last, tail=tail, excess=self.excess)

    def _keep(self, line: Mapping[str, Any]) -> None:
        self.last = line
        self.hear(line)

    async def _end_at_excess(self) -> None:
        if self.watch is not None:
            self.excess = await self.watch.until_excess(self.process.pid)
            _kill(self.process)


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _read_lines(
    stream: asyncio.StreamReader, hear: Callable[[Mapping[str, Any]], None]
) -> None:
    buffer = bytearray()
    while chunk := await stream.read(_CHUNK):
        buffer += chunk
        *lines, rest = buffer.split(b"\n")
        buffer = bytearray(rest[:LINE_BYTES_MAX])  # too long lines are cut, and then ignored
        for line in lines:
            if (members := _json_object(bytes(line))) is not None:
                hear(members)


async def _read_tail(
    stream: asyncio.StreamReader, tail: bytearray, overhear: Callable[[bytes], None]
) -> None:
    while chunk := await stream.read(_CHUNK):
        overhear(chunk)
        tail += chunk
        del tail[:-TAIL_BYTES_MAX]


def _json_object(line: bytes) -> Mapping[str, Any] | None:
    if not line.startswith(b"{") or len(line) > LINE_BYTES_MAX:
        return None
    try:
        members: Mapping[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return members
