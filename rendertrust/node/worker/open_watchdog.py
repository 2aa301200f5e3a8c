"""What a stranger delivered is opened with a word before it, and not for ever.

A file may end whoever opens it, or keep him for hours, and no head tells. Of the worker that dies
of one these words are left: what it was about to open, and what it had found by then. Then the file
is opened alone (``alone``), as the scene may have brought the worker near its end.
"""

import contextlib
import os
from collections.abc import Generator
from typing import Any

from .cpu_limit import at_most
from .ipc import Progress, Say

OPEN_SECONDS = 120.0  # of each processor
LARGE = 1 << 30  # bytes, unpacked; what is larger has longer
MADE_SECONDS = 5  # times as many, to make a picture of what was delivered
EVIDENCE, PICTURE, MAKING = "evidence", "picture", "making"


class OpenProgress(Progress):
    """The progress of a check. ``found`` is what the report has so far."""

    def __init__(self, say: Say, renders: int, order: dict[str, Any]) -> None:
        super().__init__(say, renders)
        self._seconds = float(order.get("open_seconds", OPEN_SECONDS))
        # Blender's own threads are as many as this process may have, whatever a render is given.
        self._processors = max(int(order.get("threads") or 1), len(os.sched_getaffinity(0)))
        self.found: dict[str, Any] = {}

    @contextlib.contextmanager
    def about(
        self, what: str, size: tuple[int, int], channels: int = 4, **told: Any
    ) -> Generator[None]:
        """Do what a file of so many pixels may make this worker die of: ``theirs``."""
        self._say("about", what=what, size=list(size), found=self.found, **told)
        share = max(size[0] * size[1] * channels * 4 / LARGE, 1.0)
        seconds = self._seconds * share * (MADE_SECONDS if what == MAKING else 1)
        with at_most(seconds, self._processors):
            yield
        self._say("past")


def channels_in(kinds: Any) -> int:
    """Of all passes of all view layers."""
    return sum(len(of) for bands in kinds.values() for of, _ in bands.values())
