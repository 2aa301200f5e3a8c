"""An event loop with simulated time, which passes only when nothing else is left to do."""

import asyncio
import functools
import random
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """A selector that advances simulated time instead of waiting."""

    loop: "SimulatedLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits, and no timer is set"
        self.loop.now += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Stock asyncio with simulated time; a seed shuffles the callbacks that are ready."""

    now = 0.0

    def __init__(self, seed: int | None = None) -> None:
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self._seeded = None if seed is None else random.Random(seed)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        ready: Any = getattr(self, "_ready")  # noqa: B009 - not in the type stubs
        if self._seeded is not None and len(ready) > 1:
            handles = list(ready)
            self._seeded.shuffle(handles)
            ready.clear()
            ready.extend(handles)
        super()._run_once()  # type: ignore[misc]  # not in the type stubs


def simulate(main: Coroutine[Any, Any, T], *, seed: int | None = None) -> T:
    """Run ``main`` to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(seed)) as runner:
        return runner.run(main)


def simulated(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Let an async test run in simulated time: it never waits, and a deadlock fails at once."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return simulate(test(*args, **kwargs))

    return run


async def in_time(awaited: Awaitable[T], *, within: float = 600.0) -> T:
    """Await the value; fail after ``within`` seconds of the loop's time, even if timers go on."""
    async with asyncio.timeout(within):
        return await awaited
