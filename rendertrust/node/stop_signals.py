"""Handling of the system's stop signals."""

import asyncio
import contextlib
import signal
from collections.abc import Generator


@contextlib.contextmanager
def heard(stop: asyncio.Event) -> Generator[None, None, None]:
    """Let SIGTERM and SIGINT set ``stop``, in the main thread of a system that has them."""
    loop = asyncio.get_running_loop()
    taken: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
