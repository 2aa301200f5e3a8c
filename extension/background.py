"""Background work in a single thread, with results passed to Blender's main thread.

Only the main thread may use Blender's data. A thread therefore reports changes as names and values
of the ``State``, and a Blender timer applies them. Without a window (``blender -b``) there are no
timers; callers must call ``hear`` instead.
"""

import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Hear = Callable[[Mapping[str, Any]], None]


class Tell(Protocol):
    """Callback that reports changes for the panel."""

    def __call__(self, **told: Any) -> None:
        """Report new values of the ``State`` by name."""


Work = Callable[[Tell], None]


class Background:
    """Runner of at most one thread.

    ``member`` names the text in the State about the running work.
    """

    def __init__(self, member: str) -> None:
        self.member = member
        self._told: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Return True if work is running.

        After the end of the work, reports may still have to be applied.
        """
        return self._thread is not None and self._thread.is_alive()

    def start(self, doing: str, work: Work) -> None:
        """Start ``work``; raise RuntimeError if other work is running."""
        if self.is_busy:
            raise RuntimeError("Wait until the running task has ended")
        self.tell(error="", **{self.member: doing})
        self._thread = threading.Thread(target=self._run, args=(work,), name=doing, daemon=True)
        self._thread.start()

    def tell(self, **told: Any) -> None:
        """Queue a report of changed values of the ``State``, from any thread."""
        self._told.put(told)

    def hear(self, ear: Hear) -> None:
        """Apply all reports so far, in the main thread."""
        while not self._told.empty():
            ear(self._told.get())

    def wait(self, within: float) -> None:
        """Wait until the work is done, or for ``within`` seconds."""
        if self._thread is not None:
            self._thread.join(within)

    def _run(self, work: Work) -> None:
        try:
            work(self.tell)
        except Exception as fault:  # without a report the panel would wait forever
            if not _is_for_people(fault):
                traceback.print_exc()
            self.tell(error=str(fault) or type(fault).__name__)
        finally:
            self.tell(**{self.member: ""})


def _is_for_people(fault: Exception) -> bool:
    """Return True if the error's text is written for people."""
    from rendertrust.client import RenderTrustError

    return isinstance(fault, RenderTrustError | OSError | ValueError)
