"""Follower of a job's events: yields each event once and in order, over several connections."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Final

import attrs
import orjson

from rendertrust.api.events import JobEvent
from rendertrust.client.api_connection import ApiConnection
from rendertrust.client.errors import BadAnswer, NoAnswer, RateLimited, Unavailable
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import Passing, Transport

OUTAGE_SECONDS_MAX: Final = 120.0
SSE: Final = "text/event-stream"
LINE_BYTES_MAX: Final = 1 << 20


@attrs.frozen
class ServerSentEvent:
    """An event of a stream of server-sent events."""

    name: str
    id: str | None
    data: str


class SseParser:
    """Parser of server-sent events, which may be split at any byte."""

    def __init__(self) -> None:
        self._rest = b""
        self._begin()

    def feed(self, content: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that are complete with ``content``.

        Raises BadAnswer for an overlong line.
        """
        *lines, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise BadAnswer(f"A line of the stream is longer than {LINE_BYTES_MAX} bytes")
        for line in lines:
            text = line.decode("utf-8", "replace").removesuffix("\r")
            if text:
                self._take(text)
                continue
            if self._data:
                yield ServerSentEvent(self._name, self._id, "\n".join(self._data))
            self._begin()

    def _begin(self) -> None:
        self._name = "message"
        self._id: str | None = None
        self._data: list[str] = []

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "id":
            self._id = value
        elif field == "data":
            self._data.append(value)


@attrs.define
class EventFollower:
    """The event stream of one job at ``path``. ``number``: number of the last event received.

    After a lost connection, the stream continues behind this event. If no connection succeeds for
    OUTAGE_SECONDS_MAX, the last error is raised.
    """

    connection: ApiConnection
    path: str
    progress: bool = False
    number: int = 0
    _away_since: float | None = None
    _ended: bool = False

    async def events(self) -> AsyncIterator[JobEvent]:
        """Yield events until the job has ended."""
        pauses = self._pauses()
        while not self._ended:
            try:
                async for event in self._stream():
                    pauses = self._pauses()
                    yield event
                error: Passing = NoAnswer("The stream of events was cut off", delivered=True)
            except (NoAnswer, Unavailable, RateLimited) as reason:
                error = reason
            if not self._ended:
                await self._pause(error, next(pauses))

    async def _stream(self) -> AsyncIterator[JobEvent]:
        parser, heard = SseParser(), False
        headers = {"Accept": SSE, "Last-Event-ID": str(self.number)}
        async with aclosing(self.connection.stream(self.path, headers=headers)) as stream:
            async for content in stream:
                heard, self._away_since = True, None
                for sent in parser.feed(content):
                    event = self._event(sent)
                    if event is not None:
                        yield event
        if not heard:  # status 204: there are no further events
            self._ended = True

    def _event(self, sent: ServerSentEvent) -> JobEvent | None:
        """Return the event.

        Return None for the end of the stream, for repeated and for unwanted events.
        """
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
        await self._transport.sleep(max(seconds, asked or 0.0))

    @property
    def _transport(self) -> Transport:
        return self.connection.login.transport

    def _pauses(self) -> Iterator[float]:
        """Yield the client's delays between tries, then the longest delay again and again."""
        yield from self._transport.retries.delays()
        while True:
            yield self._transport.retries.most


def _of(sent: ServerSentEvent) -> JobEvent:
    try:
        found = orjson.loads(sent.data)
    except orjson.JSONDecodeError:
        raise BadAnswer("An event of the stream is not JSON") from None
    if not isinstance(found, dict):
        raise BadAnswer("An event of the stream is not an object")
    return read(JobEvent, {"type": sent.name, **found})
