"""Ports of the loopback for what tests start, kill and start again at the same address."""

import contextlib
import fcntl
import os
import socket
import tempfile
from itertools import count
from pathlib import Path

# Below those that engines choose and that systems give to outgoing connections.
LOWEST, SPAN = 10_000, 6_000
NUMBERS = count(1)


def free_port() -> int:
    """Nobody's, and while this process lives no other run of tests gets it, used or not."""
    for number in NUMBERS:
        port = LOWEST + (os.getpid() * 37 + number) % SPAN
        if claimed(port) and unused(port):
            return port
    raise AssertionError("there are always more numbers")


def held_port() -> socket.socket:
    """A socket that listens to nobody and keeps its port of the loopback until it is closed.

    Servers that are started with ``reuse_port`` may come and go there meanwhile; nobody else can
    take it, not even the system for an outgoing connection.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


def claimed(port: int) -> bool:
    """Take the port's lock, unless another process has it; the system gives it back."""
    folder = Path(tempfile.gettempdir()) / f"rendertrust-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    claim = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until this process ends
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
