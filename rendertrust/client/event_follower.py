"""A job's events as they happen: each once, in order, over as many connections as it takes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

import attrs
import orjson

from rendertrust.api.events import Event
from rendertrust.client.errors import BadAnswer, NoAnswer, RateLimited, Unavailable
from rendertrust.client.response_decoder import read
from rendertrust.client.sse import ServerSentEvent, SseParser
from rendertrust.client.transport import Passing, Transport

OUTAGE_SECONDS_MAX: Final = 120.0


@attrs.define
class EventFollower:
    """``open_at`` opens a stream behind the event of that number.

    A connection that is lost is made again, behind the last event that came; one that cannot be
    made for OUTAGE_SECONDS_MAX raises what hindered it.
    """

    open_at: Callable[[int], AsyncGenerator[bytes]]
    transport: Transport
    progress: bool = False
    number: int = 0
    _away_since: float | None = None
    _ended: bool = False

    async def events(self) -> AsyncIterator[Event]:
        """Until the job has ended and all was told."""
        pauses = self._pauses()
        while not self._ended:
            try:
                async for event in self._connection():
                    pauses = self._pauses()
                    yield event
                error: Passing = NoAnswer("The stream of events was cut off", delivered=True)
            except (NoAnswer, Unavailable, RateLimited) as reason:
                error = reason
            if not self._ended:
                await self._pause(error, next(pauses))

    async def _connection(self) -> AsyncIterator[Event]:
        parser, heard = SseParser(), False
        async with aclosing(self.open_at(self.number)) as stream:
            async for content in stream:
                heard, self._away_since = True, None
                for sent in parser.feed(content):
                    event = self._event(sent)
                    if event is not None:
                        yield event
        if not heard:  # 204: all of it was told before
            self._ended = True

    def _event(self, sent: ServerSentEvent) -> Event | None:
        """None: the end, what came before, or what nobody asked for."""
        if sent.name == "end":
            self._ended = True
            return None
        if sent.id is None:
            return _of(sent) if self.progress and sent.name == "unit.progress" else None
        event = _of(sent)
        if event.number is None or event.number <= self.number:
            return None
        self.number = event.number
        return event

    async def _pause(self, error: Passing, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since > OUTAGE_SECONDS_MAX:
            raise error
        asked = None if isinstance(error, NoAnswer) else error.retry_after
        await self.transport.sleep(max(seconds, asked or 0.0))

    def _pauses(self) -> Any:
        """The client's own, then its longest again and again."""
        yield from self.transport.retries.delays()
        while True:
            yield self.transport.retries.most


def _of(sent: ServerSentEvent) -> Event:
    try:
        found = orjson.loads(sent.data)
    except orjson.JSONDecodeError:
        raise BadAnswer("An event of the stream is no JSON") from None
    if not isinstance(found, dict):
        raise BadAnswer("An event of the stream is no object")
    return read(Event, {"type": sent.name, **found})
