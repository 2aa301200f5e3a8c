"""Work beside Blender: one thing at a time, in a thread, whose words the main thread hears.

Blender's data belong to the main thread. So a thread only says what has changed, as names and
values of the ``State``; a timer of Blender's hears it. Where nobody draws (``blender -b``) there
are no timers, and whoever wants to know calls ``hear``.
"""

import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Hear = Callable[[Mapping[str, Any]], None]


class Tell(Protocol):
    """Says what the panel is to show."""

    def __call__(self, **told: Any) -> None:
        """Members of the ``State`` by name."""


Work = Callable[[Tell], None]


class Background:
    """At most one thread; ``member`` of the State says what it does, or nothing."""

    def __init__(self, member: str) -> None:
        self.member = member
        self._told: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Something is being done; what was said at its end may not have been heard."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, doing: str, work: Work) -> None:
        """Do ``work``; RuntimeError where something else is being done."""
        if self.is_busy:
            raise RuntimeError("Something else is being done")
        self.tell(error="", **{self.member: doing})
        self._thread = threading.Thread(target=self._run, args=(work,), name=doing, daemon=True)
        self._thread.start()

    def tell(self, **told: Any) -> None:
        """From any thread."""
        self._told.put(told)

    def hear(self, ear: Hear) -> None:
        """In the main thread: all that was said since."""
        while not self._told.empty():
            ear(self._told.get())

    def wait(self, within: float) -> None:
        """Until nothing is being done, or ``within`` s are over."""
        if self._thread is not None:
            self._thread.join(within)

    def _run(self, work: Work) -> None:
        try:
            work(self.tell)
        except Exception as fault:  # a thread that ends without a word leaves the panel waiting
            if not _is_for_people(fault):
                traceback.print_exc()
            self.tell(error=str(fault) or type(fault).__name__)
        finally:
            self.tell(**{self.member: ""})


def _is_for_people(fault: Exception) -> bool:
    """Its text says what happened and what to do."""
    from rendertrust.client import RenderTrustError

    return isinstance(fault, RenderTrustError | OSError | ValueError)
