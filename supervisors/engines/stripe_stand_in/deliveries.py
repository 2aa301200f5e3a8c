"""Webhooks of the stand-in, signed like Stripe's and retried until they are accepted."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Final

import aiohttp
import orjson

from supervisors.engines.stripe_stand_in.stripe_state import Json

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.1, 30.0
ANSWER_SECONDS: Final = 10.0
TAKEN: Final = range(200, 300)
log = logging.getLogger(__name__)


class Deliveries:
    """Delivers events, one task each, so events may overtake each other as Stripe's do.

    ``place`` returns the gateway's URL, at which the gateway may not listen yet.
    """

    def __init__(
        self, place: Callable[[], str], secret: str, on_accepted: Callable[[str], Awaitable[None]]
    ) -> None:
        """Prepare the deliveries. ``on_accepted`` is awaited once an event was accepted."""
        self._place, self._secret, self._on_accepted = place, secret, on_accepted
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def add(self, event: Json) -> None:
        """Deliver an event from now on; an event that is added repeatedly is delivered once."""
        if event["id"] not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._deliver(event))
            self._tasks[event["id"]] = task
            task.add_done_callback(lambda ended: self._ended(event["id"], ended))

    async def close(self) -> None:
        """Stop; undelivered events are delivered after the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _ended(self, event: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(event, None)
        if not task.cancelled() and task.exception() is not None:
            log.error(
                "webhook %s is delivered after the next start", event, exc_info=task.exception()
            )

    async def _deliver(self, event: Json) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not await self._sent(event):
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311
            pause = min(2 * pause, LAST_PAUSE_SECONDS)
        await self._on_accepted(event["id"])

    async def _sent(self, event: Json) -> bool:
        """Send an event once, and return True if the gateway accepted it.

        Each try is signed again, as signatures expire after 300 s.
        """
        client = await asyncio.to_thread(import_module, "supervisors.engines.stripe_client")
        body = orjson.dumps(event).decode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": client.sign(body, self._secret, int(time.time())),
        }
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.post(self._place(), data=body, headers=headers) as answer:
                if answer.status in TAKEN:
                    return True
                log.info("webhook %s was answered with %d", event["type"], answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.debug("webhook %s was not delivered: %s", event["type"], type(error).__name__)
        return False
