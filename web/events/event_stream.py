"""A job's events as server-sent events, from the first that the reader has not seen to the last.

A stream reads events from the database page by page, and reads a page only after the previous page
was sent. So a slow reader keeps one page in memory, and a reader that reconnects, at any gateway,
continues at the event where it stopped. Only reports of progress can be lost, and only the newest
report counts.
"""

from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import attrs
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from actors.event_hub.messages import Admission, EventHub, Follow, Follower, Unfollow, UnitProgress
from actors.kernel import AskFailed
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.job_status import JobStatus
from sql.database import Unavailable
from sql.events import EventPage, EventRow, shown
from web.gateway import Gateway
from web.http.operations import Audience
from web.http.problem import Problem, unavailable
from web.http.responses import encode
from web.identity.authentication import bearer, verified

PAGE: Final = 100
PING_SECONDS: Final = 15.0
WAIT_SECONDS: Final = 2.0  # how often the stream checks that the reader may still read
RETRY_MS: Final = 2_000  # how long a reader waits before it reconnects
HUB_SECONDS: Final = 1.0
NO_HUB: Final = unavailable(
    "Events cannot be streamed now; read them page by page",
    2,
    code=RefusalCode.STREAMS_UNAVAILABLE,
)
NOT_NOW: Final = unavailable(
    "This gateway has too many streams of events; read them page by page",
    10,
    code=RefusalCode.STREAMS_UNAVAILABLE,
)


@attrs.frozen
class Progress:
    """A unit's progress, 0 to 1, which is sent and not stored."""

    job_id: UUID
    unit: int
    attempt: int
    progress: float


@attrs.frozen
class End:
    """The end of the job, with its ``status``; no further events follow."""

    job_id: UUID
    status: JobStatus


def too_many(most: int) -> Problem:
    text = f"You follow {most} jobs here, as many as one user may; end one, or read their events"
    return Problem(429, text, headers={"Retry-After": "5"}, code=RefusalCode.TOO_MANY_STREAMS)


class EventStream:
    """Streams one job's events to one reader."""

    def __init__(self, gateway: Gateway, request: web.Request, follower: Follower) -> None:
        self._gateway, self._request, self._follower = gateway, request, follower

    async def serve(self, first: EventPage) -> web.StreamResponse | Problem:
        """Send ``first`` and the following events, until the job ends or either side closes."""
        follower, most = self._follower, self._gateway.settings.events.streams
        try:
            hub = self._gateway.registry.ref(EventHub)
            place = await hub.ask(Follow(follower, most), within=HUB_SECONDS)
        except (AskFailed, LookupError):
            return NO_HUB
        if place is not Admission.GIVEN:
            return too_many(most) if place is Admission.OF_USER else NOT_NOW
        try:
            return await self._stream(first)
        finally:
            follower.close()
            hub.tell(Unfollow(follower))

    async def _stream(self, page: EventPage) -> web.StreamResponse:
        """Stream from ``page`` on; a reader that leaves or stalls is no error."""
        answer: web.StreamResponse = web.Response()
        with suppress(ConnectionError, TimeoutError):
            options: dict[str, Any] = {"sep": "\n", "ping_interval": PING_SECONDS}
            async with sse_response(self._request, **options) as stream:
                answer = stream
                await stream.write(f"retry: {RETRY_MS}\n\n".encode())
                await self._go_on(stream, page)
        return answer

    async def _go_on(self, stream: EventSourceResponse, page: EventPage | None) -> None:
        while stream.is_connected() and self._follower.is_open:
            if page is not None:
                await self._send(stream, page)
                if page.ended and len(page.events) < PAGE:
                    end = End(self._follower.job, page.status)
                    await stream.send(encode(end).decode(), event="end")
                    return
            if page is None or len(page.events) < PAGE:
                news = await self._follower.take(within=WAIT_SECONDS)
            else:
                news = ()
            if await self._may_not():
                return
            for progress in news:
                await self._send_progress(stream, progress)
            page = await self._next()

    async def _send(self, stream: EventSourceResponse, page: EventPage) -> None:
        for event in page.events:
            await self._send_event(stream, event)
            self._follower.number = event.number

    async def _send_event(self, stream: EventSourceResponse, event: EventRow) -> None:
        data = encode(shown(self._follower.job, event)).decode()
        await stream.send(data, id=str(event.number), event=event.type)

    async def _send_progress(self, stream: EventSourceResponse, progress: UnitProgress) -> None:
        of_unit = (progress.unit, progress.attempt, progress.progress)
        data = encode(Progress(self._follower.job, *of_unit)).decode()
        await stream.send(data, event="unit.progress")

    async def _next(self) -> EventPage | None:
        """Return the next events, which may be none; None while the database is down."""
        follower = self._follower
        try:
            events = self._gateway.tables.events
            page = await events.page(follower.job, follower.user, follower.number, PAGE)
        except Unavailable:
            return None
        return page

    async def _may_not(self) -> bool:
        """Return True if the token was refused or cannot be checked.

        A stream must not show more than a new request would; the reader reconnects and gets the
        reason.
        """
        token = bearer(self._request) or ""
        return isinstance(await verified(self._gateway, token, Audience.USER), Problem)
