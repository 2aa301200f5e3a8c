"""Waiting for a condition in a test: bounded, and without guessing how long things take."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")
STEP_SECONDS = 0.01


@overload
async def until(condition: Callable[[], Awaitable[T]], *, within: float = 20.0) -> T: ...
@overload
async def until(condition: Callable[[], T], *, within: float = 20.0) -> T: ...
async def until(condition: Callable[[], T | Awaitable[T]], *, within: float = 20.0) -> T:
    """Poll ``condition`` until it holds and return its value; fails after ``within`` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return cast("T", value)
        assert loop.time() < deadline, (
            f"not within {within} s: {inspect.getsource(condition).strip()}"
        )
        await asyncio.sleep(STEP_SECONDS)
