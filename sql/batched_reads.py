"""Batch reads of many callers: one query answers up to 500 requests that arrived during the
previous query.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
KEYS_MOST = 500


class BatchedReads(Generic[K, V]):
    """Reads values by key for many callers.

    ``read`` returns the values for a list of keys, in order. No value is cached: each read begins
    after all requests that it answers. A hundred concurrent requests cost few round trips, and a
    single request costs no more than without batches.
    """

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Sequence[V]]]) -> None:
        self._read = read
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """Return what ``read`` returns for the key; raises what ``read`` raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[V] = loop.create_future()
        self._waiting.append((key, answer))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:KEYS_MOST], self._waiting[KEYS_MOST:]
            await self._answer([(key, answer) for key, answer in asked if not answer.done()])

    async def _answer(self, asked: Sequence[tuple[K, "asyncio.Future[V]"]]) -> None:
        if not asked:
            return  # every caller was cancelled
        try:
            found = await self._read([key for key, _ in asked])
        except Exception as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), value in zip(asked, found, strict=True):
            if not answer.done():
                answer.set_result(value)
