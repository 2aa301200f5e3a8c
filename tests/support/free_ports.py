"""Local ports for servers that tests start, kill and start again at the same address."""

import contextlib
import fcntl
import os
import socket
import tempfile
from itertools import count
from pathlib import Path

# Lower than the ports that engines choose and that systems give to outgoing connections, and higher
# than 10080, the highest port that browsers refuse to open.
LOWEST, SPAN = 11_000, 5_000
NUMBERS = count(1)


def free_port() -> int:
    """Return an unused port that no other test run gets while this process lives."""
    for number in NUMBERS:
        port = LOWEST + (os.getpid() * 37 + number) % SPAN
        if claimed(port) and unused(port):
            return port
    raise AssertionError("no local port is free")


def held_port() -> socket.socket:
    """Return a bound socket that does not listen and reserves its local port until it is closed.

    Meanwhile only servers that use ``reuse_port`` can bind the port, and the system does not give
    the port to outgoing connections.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


def claimed(port: int) -> bool:
    """Lock the port for this process; return False if another process has the lock."""
    folder = Path(tempfile.gettempdir()) / f"rendertrust-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    claim = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # the system releases the lock when this process ends
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        return False
    return True


def unused(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
