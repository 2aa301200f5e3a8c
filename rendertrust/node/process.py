"""A child process that speaks JSON lines: read to its end, bounded, and surely dead afterwards."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import orjson

LINE_BYTES_MAX: Final = 64 * 1024
TAIL_BYTES_MAX: Final = 4 * 1024
_CHUNK: Final = 16 * 1024


@attrs.frozen(kw_only=True)
class Ending:
    """How a process ended.

    ``code`` as in ``subprocess`` (negative: a signal), None when it was killed at its deadline;
    ``last`` is its last JSON line; ``tail`` the end of its standard error.
    """

    code: int | None
    last: Mapping[str, Any]
    tail: str

    @property
    def signal_name(self) -> str | None:
        """The signal that ended it, also where a wrapper says so by 128 + number."""
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
) -> Ending:
    """Run ``command``; each JSON object it prints goes to ``hear``. At most ``within`` seconds.

    However this ends, cancelled too, the process and its group are dead by then. Raises OSError
    when it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    )
    code: int | None = None
    tail = bytearray()
    heard: list[Mapping[str, Any]] = [{}]

    def hear_and_keep(line: Mapping[str, Any]) -> None:
        heard[0] = line
        hear(line)

    try:
        async with asyncio.timeout(within), asyncio.TaskGroup() as readers:
            readers.create_task(_read_lines(process.stdout, hear_and_keep))
            readers.create_task(_read_tail(process.stderr, tail))
            code = await process.wait()
    except TimeoutError:
        code = None
    finally:
        await _end(process)
    return Ending(code=code, last=heard[0], tail=tail.decode("utf-8", "replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _read_lines(
    stream: asyncio.StreamReader | None, hear: Callable[[Mapping[str, Any]], None]
) -> None:
    assert stream is not None
    buffer = bytearray()
    while chunk := await stream.read(_CHUNK):
        buffer += chunk
        *lines, rest = buffer.split(b"\n")
        buffer = bytearray(rest[:LINE_BYTES_MAX])  # what has no end is noise, not a line
        for line in lines:
            if (members := _json_object(bytes(line))) is not None:
                hear(members)


async def _read_tail(stream: asyncio.StreamReader | None, tail: bytearray) -> None:
    assert stream is not None
    while chunk := await stream.read(_CHUNK):
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
