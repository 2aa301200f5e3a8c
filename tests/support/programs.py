"""Programs of this repository as processes that start quickly, because they are forked.

A server process imports the gateway, the command line and the node agent once and forks itself for
each program. Forking saves 1.7 seconds of CPU time at every start. A program has its own session,
process id, standard streams and environment, and can be killed and waited for as any other. Other
tests execute ``python -m rendertrust`` to check how it starts.
"""

# pyright: reportPrivateUsage=false
import asyncio
import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PRELOADED = ("web.composition_root", "web.process.main_loop", "web.http.listener")
PRELOADED_PACKAGES = ("rendertrust.cli", "rendertrust.client", "rendertrust.node", "web.commands")
PR_SET_PDEATHSIG = 1
REQUEST_BYTES_MAX = 1 << 17
PIPE_BYTES = 60_000  # fits into a pipe that nobody reads yet
_servers: list[socket.socket] = []


class Program:
    """A started program, with the part of ``asyncio.subprocess.Process`` that tests use."""

    def __init__(
        self,
        pid: int,
        ended: asyncio.Task[int],
        stdout: asyncio.StreamReader | None,
        stderr: asyncio.StreamReader | None,
    ) -> None:
        self.pid, self.stdout, self.stderr = pid, stdout, stderr
        self._ended = ended

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it; None while it runs."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def send_signal(self, number: signal.Signals) -> None:
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait until the program has ended; return its output on the streams that are pipes."""
        out, err = await asyncio.gather(_rest(self.stdout), _rest(self.stderr))
        await self.wait()
        return out, err


async def call(
    *words: str,
    env: Mapping[str, str],
    cwd: Path = ROOT,
    told: str = "",
    within: float = 240.0,
) -> tuple[int, str, str]:
    """Run ``rendertrust WORDS…`` to its end; return exit code, stdout and stderr."""
    program = await start(
        *("rendertrust", *words),
        env=env,
        cwd=cwd,
        told=told.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(within):
        out, err = await program.communicate()
    return await program.wait(), out.decode(), err.decode()


async def start(
    module: str,
    *words: str,
    env: Mapping[str, str],
    cwd: Path = ROOT,
    told: bytes = b"",
    without: Sequence[str] = (),
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
) -> Program:
    """Start ``python -m MODULE WORDS…`` with ``told`` as its stdin.

    ``stdout`` and ``stderr`` are as for ``subprocess``. Importing a module named in ``without``
    fails as if the module were not installed.
    """
    assert len(told) <= PIPE_BYTES
    request = {
        "module": module,
        "words": words,
        "env": dict(env),
        "cwd": str(cwd),
        "without": list(without),
    }
    ours, its = socket.socketpair()
    with contextlib.ExitStack() as closing:
        closing.callback(its.close)
        stdin, end = os.pipe()
        closing.callback(os.close, stdin)
        os.write(end, told)
        os.close(end)
        out, stdout_reader = await _stream(stdout, closing)
        if stderr == subprocess.STDOUT:
            err, stderr_reader = out, None
        else:
            err, stderr_reader = await _stream(stderr, closing)
        message = json.dumps(request).encode()
        assert len(message) < REQUEST_BYTES_MAX
        socket.send_fds(_server(), [message], [its.fileno(), stdin, out, err])
    reader, writer = await asyncio.open_connection(sock=ours)
    pid = int(await reader.readline())
    ended = asyncio.ensure_future(_status(reader, writer))
    return Program(pid, ended, stdout_reader, stderr_reader)


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    try:
        return int(await reader.readline())
    finally:
        writer.close()


async def _stream(
    given: int, closing: contextlib.ExitStack
) -> tuple[int, asyncio.StreamReader | None]:
    """Return the descriptor for the program, and the reader of its output if it is a pipe."""
    if given == subprocess.DEVNULL:
        nothing = os.open(os.devnull, os.O_RDWR)
        closing.callback(os.close, nothing)
        return nothing, None
    if given != subprocess.PIPE:
        return given, None
    end, its = os.pipe()
    closing.callback(os.close, its)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(end, "rb")
    )
    return its, reader


async def _rest(reader: asyncio.StreamReader | None) -> bytes:
    return b"" if reader is None else await reader.read()


def _server() -> socket.socket:
    """Return the connection to this process's fork server; start the server at the first call."""
    if not _servers:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = (sys.executable, "-m", "tests.support.programs", str(its.fileno()))
        process = subprocess.Popen(words, cwd=ROOT, pass_fds=(its.fileno(),))
        its.close()
        _servers.append(ours)
        atexit.register(_end, ours, process)
    return _servers[0]


def _end(connection: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    connection.close()
    process.wait()


# -- in the server


def serve(control: socket.socket) -> Mapping[str, Any] | None:
    """Fork for each request; return the request in the child, and None when the connection ends."""
    watched = selectors.DefaultSelector()
    watched.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            if key.fileobj is not control:
                watched.unregister(key.fileobj)
                _tell_end(key.fd, *key.data)
                continue
            message, descriptors, _, _ = socket.recv_fds(control, REQUEST_BYTES_MAX, 4)
            if not message:
                return None
            client, *streams = descriptors
            pid = os.fork()
            if pid == 0:
                watched.close()
                control.close()
                _take(streams)
                request: Mapping[str, Any] = json.loads(message)
                return request
            for descriptor in streams:
                os.close(descriptor)
            os.write(client, f"{pid}\n".encode())
            watched.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, client))


def _tell_end(handle: int, pid: int, client: int) -> None:
    os.close(handle)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        os.write(client, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os.close(client)


def _take(streams: list[int]) -> None:
    """Make the descriptors this process's standard streams; close the server's other descriptors.

    The system kills the program when the server ends, so a killed test run leaves no program
    behind.
    """
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(len(streams), 1 << 16)


def become(request: Mapping[str, Any]) -> int:
    """Run the requested program in this process and return its exit code."""
    from actors.kernel import fail_point

    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    fail_point._plans = fail_point.plans_of(os.environ)  # otherwise read only at import
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.modules.update(dict.fromkeys(request["without"]))
    sys.argv[1:] = request["words"]
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def leave(code: int) -> None:
    """End the process without the interpreter's finalisation, which is slow."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def preload() -> None:
    """Import the modules of all programs, including modules that a program imports only on use."""
    for name in PRELOADED:
        importlib.import_module(name)
    for name in PRELOADED_PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.iter_modules(package.__path__, f"{name}."):
            if not found.ispkg:
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    preload()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        leave(become(asked))
