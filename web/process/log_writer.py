"""The writer of log lines: a bounded queue and a thread, so that a stuck stderr blocks nothing.

The writer is not a child of the tree, because lines are logged before the tree starts and after it
stops.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

LINES_MAX: Final = 10_000
BATCH_MAX: Final = 200
GATHER_SECONDS: Final = (
    0.1  # lines that can wait are written together, as waking a thread is expensive
)
STDERR: Final = 2
LAST_LINES_SECONDS: Final = 1.0  # at the end of the process, for lines that are still queued
Line = Callable[[], bytes]


class LogWriter:
    """A queue of log lines and the thread that writes them. ``put`` never blocks: lines beyond the
    limit are dropped, counted, and reported in the log later.

    Before ``start`` and after ``close``, lines are written at once, by the calling thread. Callers
    put a function, which makes the line, newline included, when it is written.
    """

    def __init__(
        self,
        *,
        descriptor: int | None = None,
        lines_max: int = LINES_MAX,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._descriptor = descriptor
        self._lines_max = lines_max
        self._gather_seconds = gather_seconds
        self._queue: deque[Line] = deque()
        self._queued = threading.Event()
        self._hurried = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.dropped = 0
        self._told = 0  # number of drops that the log has reported

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self._thread is None:
            self._closing = False
            self._descriptor = STDERR if self._descriptor is None else self._descriptor
            self._thread = threading.Thread(target=self._work, name="log", daemon=True)
            self._thread.start()

    def put(self, line: Line, *, hurry: bool = True) -> None:
        """Queue a line; without ``hurry`` the line may wait a moment, to be written together with
        other lines.
        """
        if self._thread is None:
            self._write(line())
        elif len(self._queue) >= self._lines_max:
            self.dropped += 1
        else:
            self._queue.append(line)
            if not self._queued.is_set():
                self._queued.set()
            if hurry and not self._hurried.is_set():
                self._hurried.set()

    def close(self, *, within: float) -> None:
        """Write what is queued, for at most ``within`` seconds.

        If the thread is stuck by then, lines that are put later are queued, and may be lost.
        """
        if self._thread is not None:
            self._closing = True
            self._queued.set()
            self._hurried.set()
            self._thread.join(within)
            if not self._thread.is_alive():
                self._thread = None

    def _work(self) -> None:
        while not (self._closing and not self._queue):
            self._queued.wait()
            self._hurried.wait(self._gather_seconds)
            self._hurried.clear()
            self._queued.clear()
            while self._queue:
                count = min(BATCH_MAX, len(self._queue))
                batch = [self._queue.popleft()() for _ in range(count)]
                self._write(b"".join(batch) + self._drops())

    def _drops(self) -> bytes:
        """Return a line about lines that were dropped since the last such line."""
        lost = self.dropped - self._told
        if not lost:
            return b""
        self._told += lost
        return b'{"event":"log lines were dropped","level":"warning","count":%d}\n' % lost

    def _write(self, data: bytes) -> None:
        try:
            if self._descriptor is None:
                sys.stderr.write(data.decode())
                return
            while (
                data
                # not through sys.stderr, whose lock a stuck thread may hold: the exit would block
            ):
                data = data[os.write(self._descriptor, data) :]
        except (OSError, ValueError):  # the reader of stderr is gone
            self.dropped += data.count(b"\n") or 1


LINES: Final = LogWriter()
