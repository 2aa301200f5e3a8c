"""Polling for a condition in a test, with a limit instead of a guessed sleep."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")
# Seconds between two polls: a twentieth of the time passed, within these bounds. Each poll takes
# CPU time from the process that the test waits for, which may also have to answer it.
STEP_SECONDS, STEP_SECONDS_MOST = 0.01, 0.1
WITHIN_SECONDS = 120.0  # late enough that a busy machine does not fail a test


@overload
async def until(condition: Callable[[], Awaitable[T]], *, within: float = WITHIN_SECONDS) -> T: ...
@overload
async def until(condition: Callable[[], T], *, within: float = WITHIN_SECONDS) -> T: ...
async def until(condition: Callable[[], T | Awaitable[T]], *, within: float = WITHIN_SECONDS) -> T:
    """Poll ``condition`` until it is true and return its value; fail after ``within`` seconds."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return cast("T", value)
        passed = loop.time() - begun
        assert passed < within, f"not within {within} s: {inspect.getsource(condition).strip()}"
        await asyncio.sleep(min(max(passed / 20, STEP_SECONDS), STEP_SECONDS_MOST))
