"""A small process between the gateway and one engine, so that no engine outlives its gateway.

Run, with the standard library alone, as ``python -I -S tether.py LOCK STOP DEATH OWNER LEAVINGS
PROGRAM ARGUMENTS…``

LOCK: an inherited descriptor that holds the lock on the engine's folder. The engine inherits the
descriptor, too, so the folder stays locked until the engine's last process has ended. STOP: signals
that end the engine, each with the seconds until the next signal, such as ``2:20,3:6``; at last
SIGKILL. DEATH: the one signal that the engine gets if the tether itself is killed. OWNER:
``uid:gid`` to switch to, or ``-``. LEAVINGS: files, separated by colons, that the engine may leave
outside its folder and that are removed after its end.

Standard input is a pipe whose other end only the gateway holds. When the pipe closes, because the
gateway has ended in whatever way, the engine is stopped. The engine's process id is written to
standard output. Standard error, opened for appending, is the log of tether and engine.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType

LOG_BYTES_MAX = 16 * 1024 * 1024
LOG_LOOK_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

Steps = list[tuple[int, float]]


def become(owner: str, death_signal: int) -> Callable[[], None]:
    """Return the function that the engine's process runs before it executes the engine."""
    tether = os.getpid()
    libc = ctypes.CDLL(None)

    def drop() -> None:
        if owner != "-":
            uid, gid = (int(part) for part in owner.split(":"))
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.umask(0o077)
        if sys.platform == "linux":
            # If the tether is killed, the engine gets this signal. Set after the change of user,
            # which would clear the setting.
            libc.prctl(PR_SET_PDEATHSIG, death_signal)
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if os.getppid() != tether:
                os._exit(1)

    return drop


def shorten_log() -> None:
    """Empty the log if the log has become too long."""
    if os.fstat(2).st_size > LOG_BYTES_MAX:
        os.ftruncate(2, 0)


def watch(engine: "subprocess.Popen[bytes]", steps: Steps) -> None:
    """Wait until the gateway closes the pipe, then stop the engine with the signals in order."""
    while True:
        readable, _, _ = select.select([0], [], [], LOG_LOOK_SECONDS)
        if readable and not os.read(0, 64):
            break
        shorten_log()
    for number, grace in steps:
        engine.send_signal(number)
        try:
            engine.wait(grace)
        except subprocess.TimeoutExpired:
            continue
        return
    engine.kill()


def main(lock: int, stop: str, death: int, owner: str, command: list[str]) -> int:
    """Start the engine, forward signals, and end with the engine's exit code."""
    pairs = (step.split(":") for step in stop.split(","))
    steps = [(int(number), float(grace)) for number, grace in pairs]
    # Nothing is written to this pipe. The engine's standard input ends with the tether, which a
    # process that the death signal did not reach can notice.
    until_end, _ = os.pipe()
    engine = subprocess.Popen(
        command,
        stdin=until_end,
        stdout=2,
        pass_fds=[lock],
        # The tether has only one thread at this point.
        preexec_fn=become(owner, death),  # noqa: PLW1509
    )

    def forward(_number: int, _frame: FrameType | None) -> None:
        engine.send_signal(steps[0][0])

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)
    threading.Thread(target=watch, args=(engine, steps), daemon=True).start()
    # A gateway that has ended has also closed the input pipe, so ``watch`` stops the engine.
    with contextlib.suppress(OSError):
        os.write(1, b"%d\n" % engine.pid)
    code = engine.wait()
    return code if code >= 0 else 128 - code


def remove(leavings: str) -> None:
    for path in filter(None, leavings.split(":")):
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - pathlib is slow to import


if __name__ == "__main__":
    code = main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[6:])
    remove(sys.argv[5])
    sys.exit(code)
