"""An event loop in a background thread, for blocking calls."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

Reply = TypeVar("Reply")
Element = TypeVar("Element")


class LoopThread:
    """Thread with an event loop. The thread runs coroutines while callers wait, until ``close``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rendertrust-client", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Reply]) -> Reply:
        """Run a coroutine in the loop, and return its result.

        Raises RuntimeError after ``close``.
        """
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in the caller also ends the coroutine
            raise

    def each(self, elements: AsyncIterator[Element]) -> Iterator[Element]:
        """Yield the elements of an async iterator; each element is fetched when it is requested."""
        ended = object()
        while (element := self.run(_next(elements, ended))) is not ended:
            yield element  # type: ignore[misc]

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``last`` and end the loop. A second call does nothing."""
        if self._loop.is_closed():
            return
        self.run(last())
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(elements: AsyncIterator[Element], ended: object) -> Element | object:
    return await anext(elements, ended)
