"""Waiting for a condition in a test: bounded, and without guessing how long things take."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")
# Looks come closely at first; then a twentieth of what has passed lies between them: each may cost
# an answer of a gateway, and whoever is waited for needs the processor.
STEP_SECONDS, STEP_SECONDS_MOST = 0.01, 0.1
WITHIN_SECONDS = 120.0  # what never comes is found out late: a busy machine is none


@overload
async def until(condition: Callable[[], Awaitable[T]], *, within: float = WITHIN_SECONDS) -> T: ...
@overload
async def until(condition: Callable[[], T], *, within: float = WITHIN_SECONDS) -> T: ...
async def until(condition: Callable[[], T | Awaitable[T]], *, within: float = WITHIN_SECONDS) -> T:
    """Poll ``condition`` until it holds and return its value; fails after ``within`` seconds."""
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
