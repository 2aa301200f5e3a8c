"""Announcement and time limit of each operation that opens an untrusted file.

A file may crash or hang any program that opens it, and the header does not show this danger. If the
worker dies, its last announcement names the file, and has the report so far. The file is then
opened without the scene (``isolated_open``), because the scene may be the real cause.
"""

import contextlib
import os
from collections.abc import Generator
from typing import Any

from ..ipc import Progress, Say
from ..resource_limits import at_most

OPEN_SECONDS = 120.0  # seconds of processor time, for each processor
LARGE = 1 << 30  # decoded bytes; a larger file gets more time
MADE_SECONDS = 5  # factor for rebuilding a picture from delivered passes
EVIDENCE, PICTURE, MAKING, SHEET = "evidence", "picture", "making", "sheet"


class OpenProgress(Progress):
    """Progress of a check. ``found``: the report so far."""

    def __init__(self, say: Say, renders: int, order: dict[str, Any]) -> None:
        super().__init__(say, renders)
        self._seconds = float(order.get("open_seconds", OPEN_SECONDS))
        # Blender decodes with all processors of this process, regardless of the render's thread
        # limit.
        self._processors = max(int(order.get("threads") or 1), len(os.sched_getaffinity(0)))
        self.found: dict[str, Any] = {}

    def doubt(self) -> None:
        """Announce that the result differs so far, so the rest of the check may take longer."""
        self._say("doubt")

    @contextlib.contextmanager
    def about(
        self, what: str, size: tuple[int, int], channels: int = 4, **told: Any
    ) -> Generator[None]:
        """Announce an operation on an untrusted file of this size, and limit its time."""
        self._say("about", what=what, size=list(size), found=self.found, **told)
        share = max(size[0] * size[1] * channels * 4 / LARGE, 1.0)
        seconds = self._seconds * share * (MADE_SECONDS if what == MAKING else 1)
        with at_most(seconds, self._processors):
            yield
        self._say("past")
